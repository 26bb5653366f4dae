"""Index and search of the documentation of the packages that the sandbox has."""
