"""Checks of what the project says: numbers against their sources, commands in the guides."""
