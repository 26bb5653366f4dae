"""What must change the output, and what must not."""
