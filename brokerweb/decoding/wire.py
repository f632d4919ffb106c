"""Protocol Buffers without a schema: fields by their numbers, and of each what its bytes may mean."""

from __future__ import annotations

from typing import Any

from brokerweb.decoding.effort import Effort, TooCostly
from brokerweb.decoding.values import MOST_VALUES, Members, Number, Other, Refused

WITHIN = 20  # messages within messages, of which none says that it is one
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5  # how a field is written
_FIXED = {FIXED64: 8, FIXED32: 4}  # bytes
STEPS = 3  # that a field takes, with its number and what it holds


class Reading:
    """One body; ``values`` counts all that was read, so that what is taken for a message in vain costs little, too.

    All its methods raise Refused.
    """

    def __init__(self, effort: Effort | None = None) -> None:
        self.values, self._effort = 0, effort or Effort()

    def message(self, body: bytes, depth: int) -> Members:
        """A message of which nothing is known."""
        found, place = Members(), 0
        while place < len(body):
            number, kind, place = self.field(body, place)
            value, place = self.value(body, place, kind, depth)
            found.append((str(number), value))
        return found

    def field(self, body: bytes, place: int) -> tuple[int, int, int]:
        """The number of the field that begins there, how it is written, and where what it holds begins."""
        self.count()
        tag, place = varint(body, place)
        number = tag >> 3
        if not 0 < number < 1 << 29:
            raise Refused("It has a field without a number.")
        return number, tag & 7, place

    def count(self) -> None:
        """A value begins."""
        self._effort.spend(STEPS)
        self.values += 1
        if self.values > MOST_VALUES:
            raise Refused(f"It has more than {MOST_VALUES:,} values.")

    def value(self, body: bytes, place: int, kind: int, depth: int) -> tuple[Any, int]:
        """What a field of which nothing is known holds, and where the next begins."""
        if kind == VARINT:
            value, place = varint(body, place)
            return Number(value), place
        part, place = written(body, place, kind)
        return self._bytes(part, depth) if kind == LENGTH else Number(int.from_bytes(part, "little")), place

    def _bytes(self, part: bytes, depth: int) -> Any:
        """A text, a message within, or bytes: nothing says which."""
        text = _text(part)
        if text is not None:
            return text
        if depth < WITHIN:
            try:
                return self.message(part, depth + 1)
            except TooCostly:
                raise
            except Refused:
                if self.values > MOST_VALUES:
                    raise
        return Other(f"bytes {part.hex(' ')}")


def written(body: bytes, place: int, kind: int) -> tuple[bytes, int]:
    """What a field holds that is no number of its own length, and where the next begins. Raises Refused."""
    if kind not in _FIXED and kind != LENGTH:
        raise Refused("It has a field of a kind that is not read.")
    length, place = varint(body, place) if kind == LENGTH else (_FIXED[kind], place)
    if length > len(body) - place:
        raise Refused("It ends in the midst of a field.")
    return body[place : place + length], place + length


def varint(body: bytes, place: int) -> tuple[int, int]:
    """The number there, and where the next field begins. Raises Refused."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(body):
            raise Refused("It ends in the midst of a field.")
        byte = body[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise Refused("It has a number that is too long.")


def _text(part: bytes) -> str | None:
    try:
        text = part.decode()
    except UnicodeDecodeError:
        return None
    return text if not text or text.isprintable() else None


def read(body: bytes, effort: Effort | None = None) -> Members:
    """The fields. Raises Refused."""
    return Reading(effort).message(body, 0)
