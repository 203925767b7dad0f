"""Endpoints: one number per subject and arm, each kind in its own module."""
