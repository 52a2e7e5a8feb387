"""One run of a grid, from its plan to its end."""
