"""Publishing to a queue, stream or topic by hand, and what a program needs that is to do so."""
