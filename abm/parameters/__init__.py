"""What numbers the model has: records with names, units, bounds and meaning, no values."""
