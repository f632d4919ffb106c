"""Leaves: clock, errors, names, events, backoff, duties. Nothing here knows a model, a database or a protocol."""
