"""Models: what fills the packet engine with biology."""
