"""Handout: every lease goes through here, of queues and of shared consumer groups, whose queues are refilled from streams.

Of a shared group single records are leased to whoever has room, settled, retried and dead-lettered as in a queue. Such a group
has a queue of its own, which no one else sees. It is refilled from the stream when there is room: the next records are stored
there already leased, in the transaction that leases them. So lease, settle, failures, backoff, dead letters
and redrive are a queue's, and a record that dies has a copy that retention cannot take.
"""
