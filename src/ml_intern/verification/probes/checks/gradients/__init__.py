"""What a backward pass reaches."""
