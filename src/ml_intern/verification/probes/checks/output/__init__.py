"""The dummy forward pass, held to the declared output."""
