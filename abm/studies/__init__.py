"""Studies: what is run for an experiment, from its records to a result."""
