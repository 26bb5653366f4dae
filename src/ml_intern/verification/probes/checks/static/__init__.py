"""What the source alone shows; nothing is run."""
