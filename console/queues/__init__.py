"""Queues: their list, one of them a view a tab, and what is done with a whole queue."""
