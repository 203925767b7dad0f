"""Models of the theory experiments: the packet engine without biology, one column of cells."""
