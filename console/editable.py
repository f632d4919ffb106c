"""A body as a text field has it, and what such a field does not keep."""

from __future__ import annotations

import base64
import re
from typing import NamedTuple


class Editable(NamedTuple):
    """A body as a text field has it, what it is, and what ends its lines."""

    text: str
    kind: str
    line_end: str = "\n"

    @classmethod
    def of(cls, body: bytes, binary: bool) -> Editable:
        """Such a field keeps no NUL, and no line end but one: bytes that have the one, or several of the other, are Base64."""
        try:
            text = body.decode()
        except UnicodeDecodeError:
            text = "\0"
        ends = line_ends(text)
        if binary and ("\0" in text or len(ends) > 1):
            return cls(base64.b64encode(body).decode(), "base64")
        return cls(text, "text" if binary else "json", ends.pop() if len(ends) == 1 else "\n")


def line_ends(text: str) -> set[str]:
    """What ends the lines of a text."""
    return set(re.findall("\r\n|\r|\n", text))
