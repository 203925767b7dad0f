"""Tests of `abm.calibration`."""
