"""How far a reader of a whole stream has come, as a text that it brings back in a header or a URL.

With few partitions it is the next offset of each, `0-18,1-5`; with many it is packed, since a thousand of those are more
than proxies let through in one header: `z` and Base64, and behind it, after commas, the partitions that have come further since.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from collections.abc import Mapping

from brokerweb.core.errors import Invalid
from brokerweb.streams.models import MAX_OFFSET

PLAIN = 50  # partitions whose offsets are said one by one
SINCE = 16  # partitions that may be named behind what is packed
MAX_PARTITIONS = 1_000
MAX_TEXT = 20_000  # of the plain form of a thousand partitions
_NAMED = "[0-9]{1,4}-[0-9]{1,13}"
_TEXT = re.compile(rf"(?:z([A-Za-z0-9_-]{{1,12000}})|{_NAMED})((?:,{_NAMED})*)")
_HEAD = struct.Struct("<HQ")  # how many partitions, and the lowest of their numbers


class Reached:
    """The places of one reader: the offset behind what it was given, by partition number."""

    def __init__(self, places: Mapping[int, int]) -> None:
        self.places = dict(places)
        self._packed = b""
        self._since: set[int] = set()

    def text(self) -> bytes:
        """The whole position."""
        if len(self.places) <= PLAIN:
            return _named(self.places)
        packed, since = self._whole(), {number: self.places[number] for number in self._since}
        return packed + b"," + _named(since) if since else packed

    def around(self, number: int) -> tuple[bytes, bytes]:
        """What stands before and behind one partition's place in the position."""
        if len(self.places) <= PLAIN:
            before = _named({n: offset for n, offset in self.places.items() if n < number})
            after = _named({n: offset for n, offset in self.places.items() if n > number})
            return before + b"," if before else b"", b"," + after if after else b""
        packed = self._whole()
        others = _named({n: self.places[n] for n in self._since if n != number})
        return packed + b"," + (others + b"," if others else b""), b""

    def reach(self, number: int, offset: int) -> None:
        """The reader has come so far in that partition."""
        self.places[number] = offset
        self._since.add(number)

    def _whole(self) -> bytes:
        if not self._packed or len(self._since) > SINCE:
            self._packed, self._since = _pack(self.places), set()
        return self._packed


def _named(places: Mapping[int, int]) -> bytes:
    return b",".join(b"%d-%d" % place for place in sorted(places.items()))


def is_position(text: str) -> bool:
    """Whether a text has the form of a position."""
    return len(text) <= MAX_TEXT and _TEXT.fullmatch(text) is not None


def parse(text: str, pointer: str) -> dict[int, int]:
    """The offsets by partition number that a position says. Raises Invalid."""
    found = _TEXT.fullmatch(text) if len(text) <= MAX_TEXT else None
    if found is None:
        raise Invalid.at(pointer, "is not a position such as 0-18,1-5: the next offset by partition, or what an event's id was")
    packed, named = found[1], found[2].lstrip(",") if found[1] else text
    since: dict[int, int] = {}
    for part in named.split(",") if named else ():
        number, _, offset = part.partition("-")
        if int(number) in since:
            raise Invalid.at(pointer, f"names partition {int(number)} twice")
        since[int(number)] = int(offset)
    return (_unpack(packed, pointer) | since) if packed else since


def _pack(places: Mapping[int, int]) -> bytes:
    """Numbers less the lowest of them, in columns of bytes: the upper columns of like numbers deflate to nothing."""
    numbers = [places.get(n, -1) + 1 for n in range(max(places) + 1)]  # 0 where there is no place
    lowest = min(numbers)
    rows = struct.pack(f"<{len(numbers)}Q", *(number - lowest for number in numbers))
    columns = b"".join(rows[column::8] for column in range(8))
    return b"z" + base64.urlsafe_b64encode(zlib.compress(_HEAD.pack(len(numbers), lowest) + columns)).rstrip(b"=")


def _unpack(text: str, pointer: str) -> dict[int, int]:
    """Raises Invalid for what ``_pack`` did not make: nothing larger than that is unpacked."""
    wrong = Invalid.at(pointer, "is not a position that an event's id was: it was cut off or changed")
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(
            base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), _HEAD.size + 8 * MAX_PARTITIONS + 1
        )
    except (binascii.Error, zlib.error):
        raise wrong from None
    if not unpacker.eof or unpacker.unused_data or len(content) < _HEAD.size:
        raise wrong
    n, lowest = _HEAD.unpack_from(content)
    if len(content) != _HEAD.size + 8 * n:
        raise wrong
    rows = bytearray(8 * n)
    for column in range(8):
        rows[column::8] = content[_HEAD.size + column * n : _HEAD.size + (column + 1) * n]
    numbers = [lowest + number for number in struct.unpack(f"<{n}Q", rows)]
    if not numbers or max(numbers) > MAX_OFFSET + 1:
        raise wrong
    return {number: place - 1 for number, place in enumerate(numbers) if place}
