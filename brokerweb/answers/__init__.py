"""What people and programs ask of the broker: why, what happened, where, what else. Reads, and changes nothing."""
