"""Streams: their list, one of them, and what is done with a whole stream."""
