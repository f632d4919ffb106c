"""Delivery: who waits for messages, how many each may have, and how they get there. Lives on the event loop.

``hub`` puts the desks together: ``queues`` (messages to takers), ``streams`` (records to followers), ``groups`` (the
members here). ``polls`` are calls that wait at them, ``connections`` what a socket has there.

The store stays the truth: credit and wake-ups are memory, rebuilt from nothing, and losing them costs latency only.
"""
