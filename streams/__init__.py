"""Streams: ordered, persistent logs. Reading consumes nothing; consumer groups keep their own positions."""
