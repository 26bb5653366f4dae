"""How the network is wired, read from a trace of its operations."""
