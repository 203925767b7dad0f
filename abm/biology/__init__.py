"""The mechanisms inside and between cells, one per module, as pure functions of arrays.

They are written once and used by the packet engine (float32) and by its
deterministic mean-field twin (float64).
"""
