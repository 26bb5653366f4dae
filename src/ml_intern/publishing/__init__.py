"""Bundle, model card, push and round trip."""
