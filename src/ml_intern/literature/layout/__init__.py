"""Find the structure of a paper in the places of the words on its pages."""
