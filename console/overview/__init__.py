"""The overview: what is going on, what needs a look, the first steps; and what people set for themselves."""
