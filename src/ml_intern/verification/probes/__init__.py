"""Checks that run inside the sandbox, beside the candidate; nothing of ours is imported there."""
