"""The training loop and the evaluation, watched on recorded data."""
