"""Whether it learns at all."""
