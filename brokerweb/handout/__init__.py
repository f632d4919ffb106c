"""Shared consumer groups: single records are leased to whoever has room, settled, retried and dead-lettered as in a queue.

Such a group has a queue of its own, which no one else sees. It is fed from the stream when there is room: the next records
are stored there already leased, in the transaction that hands them out. So lease, settle, failures, backoff, dead letters
and redrive are a queue's, and a record that dies has a copy that retention cannot take.
"""
