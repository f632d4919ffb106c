"""A broker with something to see: a shop's traffic, and what goes wrong with it."""
