"""The page of masks: what of messages is hidden from whom, and changing that."""
