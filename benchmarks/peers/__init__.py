"""Other brokers, for ``python -m benchmarks --peers``: how each is started, and a lean client for each.

The clients are of one kind with ours (``benchmarks.wire``): frames by hand on asyncio's transports, and no more of them read
than is needed. Field libraries are slower, for a peer as for brokerweb.
"""
