"""Clients that mean no good: what each is told, and that nobody else notices."""
