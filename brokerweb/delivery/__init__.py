"""Delivery: who waits for messages, how many each may have, and how they get there. Lives on the event loop.

The store stays the truth: credit and wake-ups are memory, rebuilt from nothing, and losing them costs latency only.
"""
