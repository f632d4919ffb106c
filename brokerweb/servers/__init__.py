"""The two servers that can run the application, under the same limits, and what they share: the lock and the life of a node."""
