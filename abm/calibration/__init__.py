"""Fitting a few free numbers of the model to published targets and to measured values."""
