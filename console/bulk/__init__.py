"""Acts on many messages of any queues and groups: a plan that says what would be done, and doing it."""
