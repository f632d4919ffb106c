"""Failures by cause: what dead letters of all queues and groups died of."""
