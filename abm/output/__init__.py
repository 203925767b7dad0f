"""What a run leaves behind: the result, its file format, writing, reading, checking, provenance."""
