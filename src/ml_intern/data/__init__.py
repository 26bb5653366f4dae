"""Data sets: schema, column mapping, splits, and custody of the hidden part."""
