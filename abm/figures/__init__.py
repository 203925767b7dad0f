"""Figures of a run: each a function from a run to a matplotlib figure."""
