"""Values, protocols and errors that everything shares. Standard library only; imports nothing else here."""
