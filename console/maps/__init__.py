"""The map: where messages go."""
