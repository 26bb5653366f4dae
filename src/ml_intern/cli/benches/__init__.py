"""What `ml-intern bench` can measure, a module a subject."""
