"""A body that is sent in chunks (RFC 9112, 7.1), read strictly, and the same under both servers."""

from __future__ import annotations

import re
from collections.abc import Callable

from brokerweb.core.errors import Invalid
from brokerweb.servers import heads

LONGEST_LINE = 1024  # bytes of a chunk's size with its extensions
MALFORMED = "The chunks of the body cannot be read."

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_EXTENSION = rb";%b(?:=(?:%b|\"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*\"))?" % (_TOKEN, _TOKEN)
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:%b)*" % _EXTENSION)
_TRAILER = re.compile(rb"(%b):[^\x00-\x08\x0a-\x1f\x7f]*" % _TOKEN)
_OF_FRAMING = (b"transfer-encoding", b"content-length")  # that say how long a body is must stand before it


class Chunks:
    """Hands on what the chunks hold, as it comes. Trailers are looked at and dropped: what follows a body is no header."""

    def __init__(self, content: Callable[[bytes], None] | None = None) -> None:
        self._content = content
        self._buffer, self._at = b"", 0  # what came, and how far it is read
        self._left = 0  # bytes of the chunk under way
        self._trailers = 0  # bytes of them
        self._read = self._size

    def feed(self, data: bytes) -> bytes | None:
        """What stands behind the end of the body, once that has come; None until then. Raises Invalid."""
        self._buffer, self._at = self._buffer[self._at :] + data, 0
        while (ended := self._read()) is None:
            pass
        return self._buffer[self._at :] if ended else None

    # Each reads one part. None: go on; False: more has to come before; True: it was the last.

    def _size(self) -> bool | None:
        line = self._line(LONGEST_LINE)
        if line is None:
            return False
        found = _SIZE.fullmatch(line)
        if found is None:
            raise Invalid(MALFORMED)
        self._left = int(found[1], 16)
        self._read = self._body if self._left else self._trailer
        return None

    def _body(self) -> bool | None:
        came = min(self._left, len(self._buffer) - self._at)
        if not came:
            return False
        if self._content is not None:
            self._content(self._buffer[self._at : self._at + came])
        self._at += came
        self._left -= came
        if not self._left:
            self._read = self._end
        return None

    def _end(self) -> bool | None:
        end = self._buffer[self._at : self._at + 2]
        if not b"\r\n".startswith(end):
            raise Invalid(MALFORMED)
        if len(end) < 2:
            return False
        self._at += 2
        self._read = self._size
        return None

    def _trailer(self) -> bool | None:
        line = self._line(heads.MAX_BYTES - self._trailers)
        if not line:
            return line is not None
        self._trailers += len(line) + 2
        found = _TRAILER.fullmatch(line)
        if found is None or found[1].lower() in _OF_FRAMING:
            raise Invalid(MALFORMED)
        return None

    def _line(self, longest: int) -> bytes | None:
        """The next line, once it has come whole. Raises Invalid for what cannot become one."""
        end = self._buffer.find(b"\r\n", self._at)
        line = self._buffer[self._at : end] if end >= 0 else self._buffer[self._at :].removesuffix(b"\r")
        if len(line) > longest or heads.CONTROLS.search(line):
            raise Invalid(MALFORMED)
        if end < 0:
            return None
        self._at = end + 2
        return line
