"""What stands still, and why."""
