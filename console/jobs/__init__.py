"""Jobs: their list, one with its progress, cancelling it."""
