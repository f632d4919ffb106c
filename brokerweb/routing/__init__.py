"""Routing: topics copy one publish to many, and ``transact`` settles, commits and publishes in one commit."""
