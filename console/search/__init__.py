"""Search: messages and records by what is in them."""
