"""The bench: its clients against real brokers, its turns, its tables. No rate is asserted."""
