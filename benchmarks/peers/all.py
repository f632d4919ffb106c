"""All peers, by the name of their column."""

from __future__ import annotations

from benchmarks.peers import nats, rabbitmq, valkey

PEERS = {peer.name: peer for peer in [*rabbitmq.PEERS, *nats.PEERS, *valkey.PEERS]}
