"""Conversations with a broker as data, and one driver per face that performs them: every face means the same."""
