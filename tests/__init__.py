"""Tests of abm."""
