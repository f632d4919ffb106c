"""Waiting for a client to take what was sent: Twisted takes whatever is written, so whoever writes has to ask before more."""

from __future__ import annotations

import asyncio
from typing import Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class Flow:
    """Told by the transport when its buffer is full, and when it has room again."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()

    def begin(self, request: Any) -> None:
        request.registerProducer(self, True)

    def end(self, request: Any) -> None:
        if request.producer is self:
            request.unregisterProducer()

    def pauseProducing(self) -> None:
        self.open.clear()

    def resumeProducing(self) -> None:
        self.open.set()

    stopProducing = resumeProducing
