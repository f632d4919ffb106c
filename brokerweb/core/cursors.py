"""Opaque cursors of lists. A cursor carries the position, and a digest of the filter it belongs to."""

from __future__ import annotations

import base64
import binascii
import hashlib

from brokerweb.core.errors import Invalid

DIGEST_BYTES = 8
MAX_ID = 2**63 - 1


def digest(*parts: object) -> bytes:
    """Eight bytes for a filter; other filters have others. The parts' ``repr`` must say all there is of them."""
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def seal(of: bytes, position: str) -> str:
    """The cursor of a position within the list that ``of`` is the digest of."""
    return base64.urlsafe_b64encode(of + position.encode()).rstrip(b"=").decode()


def unseal(cursor: str, of: bytes) -> str:
    """The cursor's position. Raises Invalid for a cursor of another list or filter, and for what is none."""
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        position = content[DIGEST_BYTES:].decode()
    except (binascii.Error, ValueError):
        raise Invalid.at("/after", "is not a cursor") from None
    if content[:DIGEST_BYTES] != of:
        raise Invalid.at("/after", "is the cursor of another list or filter")
    return position


def unseal_id(cursor: str, of: bytes) -> int:
    """``unseal`` where the position is an id. Raises Invalid."""
    position = unseal(cursor, of)
    if not (position.isascii() and position.isdigit() and len(position) <= 19 and int(position) <= MAX_ID):
        raise Invalid.at("/after", "is not a cursor")
    return int(position)
