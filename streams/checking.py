"""The sweep's part of streams: records that nobody reads are looked at as well. A damaged one stays, and answers as such."""

from __future__ import annotations

from typing import NamedTuple

from brokerweb.core.checksums import Seen, intact
from brokerweb.storage.reading import Reads
from brokerweb.streams.control import C


class Swept(NamedTuple):
    """A record of ``sweep``."""

    id: int
    checksum: int
    key: str | None
    headers: str | None
    content_type: str | None
    binary: bool
    reply_to: str | None
    correlation_id: str | None
    body: bytes

    @property
    def intact(self) -> bool:
        return intact(self.id, self, self.checksum)


def look(reads: Reads, after: int, most_bytes: int) -> Seen:
    """Check the records after an id, as many as have ``most_bytes``; outside of any commit."""
    return Seen.of(map(Swept._make, reads.scan(C.sweep, after, Seen.ROWS)), most_bytes)
