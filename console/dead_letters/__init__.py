"""Dead letters, of queues and of shared consumer groups: their lists, and putting them back."""
