"""One body, read from its beginning: what it promises is held against what is left of it, and everything is counted.

Who reads a part of it by itself begins with the ``values`` that there were, and tells how many there are then.
"""

from __future__ import annotations

from brokerweb.decoding.effort import Effort
from brokerweb.decoding.values import DEEPEST, MOST_VALUES, Refused


class Reader:
    """Where a body is read. All its methods raise Refused."""

    def __init__(self, body: bytes, effort: Effort | None = None, values: int = 0) -> None:
        self.body, self.place, self.values, self._depth = body, 0, values, 0
        self.effort = effort or Effort()

    @property
    def left(self) -> int:
        return len(self.body) - self.place

    def take(self, length: int) -> bytes:
        """The next bytes."""
        self.effort.spend(1)
        if length > self.left:
            raise Refused("It ends in the midst of a value.")
        self.place += length
        return self.body[self.place - length : self.place]

    def number(self, size: int, *, signed: bool = False) -> int:
        """The next bytes as a number, the greatest first."""
        return int.from_bytes(self.take(size), "big", signed=signed)

    def varint(self) -> int:
        """The next bytes as a number of seven bits each, the least first."""
        self.effort.spend(1)
        body, place, value = self.body, self.place, 0
        for shift in range(0, 70, 7):
            if place >= len(body):
                raise Refused("It ends in the midst of a value.")
            byte = body[place]
            place += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                self.place = place
                return value
        raise Refused("It has a number that is too long.")

    def begin(self) -> None:
        """A value begins."""
        self.effort.spend(1)
        self.values += 1
        if self.values > MOST_VALUES:
            raise Refused(f"It has more than {MOST_VALUES:,} values.")

    def enter(self, items: int = 0) -> None:
        """What holds so many others begins; each of them takes a byte at least."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise Refused(f"It is nested more than {DEEPEST} deep.")
        if items > self.left:
            raise Refused("It ends in the midst of a value.")

    def leave(self) -> None:
        self._depth -= 1

    def end(self) -> None:
        """That nothing follows."""
        if self.left:
            raise Refused("Something follows its end.")
