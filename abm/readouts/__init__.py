"""Readouts: from looks at the engine's state to the variables of the results, one kind per module, found by itself."""
