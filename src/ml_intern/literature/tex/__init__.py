"""Read the LaTeX that a paper was made from."""
