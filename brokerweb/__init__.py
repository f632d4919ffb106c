"""brokerweb: a message broker that can be asked questions."""

__version__ = "0.1.0"
