"""One module per theme; each function computes the targets that it names."""
