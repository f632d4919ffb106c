"""What people type a line each: headers, and offsets by partition."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from brokerweb.core.errors import Invalid
from brokerweb.faces.codec.json import decode


def lines_of(text: str) -> list[str]:
    """The lines of a field. Only what a browser sends for a line's end ends one: keys and values may have Unicode's others."""
    return re.split("\r\n|\r|\n", text)


def headers_of(text: str, *, strict: bool = True) -> dict[str, str] | None:
    """Headers from lines ``name: value``, or from a JSON object; None without any. Raises Invalid."""
    if text.lstrip().startswith("{"):
        return decode(dict[str, str], text.encode()) if strict else {}
    headers = {}
    for line in filter(str.strip, lines_of(text)):
        name, colon, value = line.partition(":")
        if strict and not (colon and name.strip()):
            raise Invalid.at("/headers", "Each line is name: value.")
        headers[name.strip()] = value.strip()
    return headers or None


def of_headers(headers: Mapping[str, str]) -> str:
    """Headers a line each where that loses nothing, else as JSON."""
    lines = "\n".join(f"{name}: {value}" for name, value in headers.items())
    return lines if headers_of(lines, strict=False) == (headers or None) else json.dumps(headers, ensure_ascii=False)


def offsets_of(text: str, pointer: str) -> dict[str, str]:
    """Offsets by partition from lines ``partition: offset``. Raises Invalid."""
    found: dict[str, str] = {}
    for line in filter(str.strip, lines_of(text)):
        number, colon, offset = (part.strip() for part in line.partition(":"))
        if not (colon and number and offset):
            raise Invalid.at(pointer, "Each line is partition: offset.")
        found[number] = offset
    if not found:
        raise Invalid.at(pointer, "No offset is given.")
    return found
