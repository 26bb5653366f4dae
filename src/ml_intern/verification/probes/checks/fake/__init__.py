"""What a network gives away without its memory being allocated."""
