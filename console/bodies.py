"""A message's body as text for people. It is hostile input: what comes out of here is only ever escaped text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST_SHOWN = 64 * 1024
VIEWS = ("pretty", "raw", "hex")
_PARTS = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\],:]|[^\s{}\[\],:"]+')
_LONGEST_LAID_OUT = 4 * LONGEST_SHOWN  # deep nesting would become megabytes of spaces
_HEX_BYTES = 8 * 1024  # each byte takes five characters
_CONTROLS = {n: chr(0x2400 + n) for n in range(32) if chr(n) not in "\n\t"} | {127: "\u2421"}
# Characters that reorder or hide text: shown as what they are.
_TRICKS = {ord(c): f"\\u{ord(c):04x}" for c in "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A body as it is shown: ``view`` is the one that was possible, ``note`` says why it is not the one asked for."""

    text: str
    view: str
    size: int
    cut: bool = False
    note: str = ""


def show(body: bytes, view: str = "pretty") -> Shown:
    """The body as pretty JSON, as the text it came as, or as hex; at most 64 KiB of it."""
    part, cut = body[:LONGEST_SHOWN], len(body) > LONGEST_SHOWN
    if view == "hex":
        return Shown(_hex(body[:_HEX_BYTES]), "hex", len(body), len(body) > _HEX_BYTES)
    text = _decode(part, cut)
    if text is None:
        return Shown(_hex(body[:_HEX_BYTES]), "hex", len(body), len(body) > _HEX_BYTES, "Not text, so shown as hex.")
    if view == "raw":
        return Shown(visible(text), "raw", len(body), cut)
    pretty = None if cut else indent(text)
    if pretty is None:
        return Shown(
            visible(text),
            "raw",
            len(body),
            cut,
            "Too long to be laid out, so shown as it is." if cut else "Not JSON, or too deep, so shown as it is.",
        )
    return Shown(visible(pretty), "pretty", len(body))


def _decode(part: bytes, cut: bool) -> str | None:
    for short in range(4 if cut else 1):  # the cut may fall inside a character
        try:
            return part[: len(part) - short].decode()
        except UnicodeDecodeError:
            continue
    return None


def visible(text: str) -> str:
    """Control characters as their glyphs, and those that reorder text as escapes."""
    return text.translate(_CONTROLS | _TRICKS)


def indent(text: str) -> str | None:
    """JSON with two spaces a level, every token as it came: no number is ever read. None for what is not JSON."""
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    parts, length = [], 0
    for part in _laid_out(text):
        parts.append(part)
        length += len(part)
        if length > _LONGEST_LAID_OUT:
            return None
    return "".join(parts)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _laid_out(text: str) -> Iterator[str]:
    depth, before = 0, ""
    for part in _PARTS.findall(text):
        closing, empty = part in ("}", "]"), before in ("{", "[")
        depth -= closing
        if (empty and not closing) or (closing and not empty) or before == ",":
            yield "\n" + "  " * depth
        yield ": " if part == ":" else part
        depth += part in ("{", "[")
        before = part


def _hex(part: bytes) -> str:
    lines = []
    for at in range(0, len(part), 16):
        row = part[at : at + 16]
        letters = "".join(chr(b) if 32 <= b < 127 else "." for b in row)
        lines.append(f"{at:06x}  {row[:8].hex(' '):<23}  {row[8:].hex(' '):<23}  {letters}")
    return "\n".join(lines)
