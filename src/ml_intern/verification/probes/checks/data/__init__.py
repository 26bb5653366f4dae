"""The data and their splits."""
