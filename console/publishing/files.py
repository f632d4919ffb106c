"""Messages from a file: what an export wrote, or a line of JSON each. All of it is read before anything is stored."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, pairwise
from typing import Any

import msgspec
from django.core.files.uploadedfile import UploadedFile

from brokerweb.console.publishing.places import Kind
from brokerweb.core.errors import Invalid, TooLarge
from brokerweb.faces.codec import destinations, messages, records
from brokerweb.faces.codec.json import decode
from brokerweb.faces.export import is_outcome, text_of
from brokerweb.queues.limits import MAX_DEPTH

MOST, MOST_BYTES = 10_000, 16 * 1024 * 1024  # messages, and bytes of the file
COPIED = ("key", "headers", "content_type", "reply_to", "correlation_id")  # what goes along; ids, times and states are another's
MORE = {"queue": ("priority",), "stream": (), "topic": ("priority", "routing_key")}
_BODIES = ("body", "body_base64")
_NEW: Mapping[str, Callable[[bytes], Any]] = {
    "queue": lambda text: messages.to_one(decode(messages.WireMessage, text), ""),
    "stream": lambda text: records.to_new([decode(records.WireRecord, text)])[0],
    "topic": lambda text: destinations.for_topic([decode(destinations.AnyMessage, text)])[0],
}

Row = dict[str, msgspec.Raw]
_NULL = msgspec.Raw(b"null")
csv.field_size_limit(max(csv.field_size_limit(), MOST_BYTES))  # of the process; a body may be longer than what it is at first


def read(kind: Kind, file: UploadedFile[Any] | None) -> list[Any]:
    """What stands in the file, as the verb of the kind takes it. Raises Invalid with the line's number, TooLarge."""
    if file is None:
        raise Invalid.at("/file", "Choose a file.")
    if (file.size or 0) > MOST_BYTES:
        raise TooLarge(f"A file may have {MOST_BYTES // 1024 // 1024} MiB.")
    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid.at("/file", "It is not UTF-8.") from None
    rows = _table(text) if (file.name or "").lower().endswith(".csv") else _lines(text)
    found = list[Any]()
    for number, row in rows:
        if len(found) == MOST:
            raise Invalid.at("/file", f"It holds more than {MOST:,} messages.")
        try:
            found.append(_message(kind, row))
        except Invalid as error:
            fault = error.extra["errors"][0]
            field = fault["pointer"].rpartition("/")[2]
            raise Invalid.at("/file", f"Line {number}: {field + ': ' if field else ''}{fault['detail']}") from None
    if not found:
        raise Invalid.at("/file", "There is no message in it.")
    return found


def _message(kind: Kind, row: Row) -> Any:
    if "masked" in row:
        raise Invalid.at("", "what is masked was not exported, so that it is no copy")
    bodies = _bodies_of(row)
    if not bodies:
        raise Invalid.at("", "it has no body")
    kept = {name: row[name] for name in (bodies[0], *COPIED, *MORE[kind.name]) if name in row}
    if kept.get("content_type") == msgspec.Raw(messages.DEFAULT_TYPE[bodies[0] == "body_base64"].encode()):
        del kept["content_type"]  # as exports name that of what named none
    return _NEW[kind.name](msgspec.json.encode(kept))


def _bodies_of(row: Row) -> list[str]:
    """The fields that are its body. Lists have both, one of which is null, or both of what is damaged."""
    named = [name for name in _BODIES if name in row]
    if len(named) == 1:
        return named
    told = [name for name in named if row[name] != _NULL]
    is_null = bool(named) and not told and row.get("content_type") != msgspec.Raw(messages.DEFAULT_TYPE[True].encode())
    return ["body"] if is_null else told


def _lines(text: str) -> Iterator[tuple[int, Row]]:
    """Objects that an export wrote, without the line that ends it; any other JSON is the body of a message."""
    stripped = enumerate((line.strip(" \t\r") for line in text.split("\n")), 1)
    lines = [(number, line) for number, line in stripped if line]
    exported = True  # all of it so far
    for number, line in lines:
        value = _json(line, f"Line {number}")
        if exported and number == lines[-1][0] and is_outcome(value):
            return
        if isinstance(value, dict) and not value.keys().isdisjoint({"destination", *_BODIES}):
            yield number, msgspec.json.decode(line, type=Row)
        else:
            exported = False
            yield number, {"body": msgspec.Raw(line.encode())}


def _table(text: str) -> Iterator[tuple[int, Row]]:
    """Rows of CSV below their names, as exports have them, without the one that ends it."""
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        names = next(reader, [])
        if {*_BODIES}.isdisjoint(names):
            raise Invalid.at("/file", "Its first line names no column body or body_base64.")
        rows = ((reader.line_num, cells) for cells in reader if cells)
        for (line, cells), following in pairwise(chain(rows, [(0, [])])):
            if following[0] or not _ends(names, cells):
                told = [(name, text_of(cell, name)) for name, cell in zip(names, cells, strict=False) if name and cell]
                yield line, {name: _raw(name, cell, line) for name, cell in told}
    except csv.Error as error:
        raise Invalid.at("/file", f"Line {reader.line_num} is no CSV: {error}") from None


def _ends(names: list[str], cells: list[str]) -> bool:
    """Whether a row is an export's last: shorter than any other, so that none with that key is taken for it."""
    if not (len(names) > len(cells) == 2 and cells[0] == "#"):
        return False
    try:
        return is_outcome(_json(cells[1], ""))
    except Invalid:
        return False


def _raw(name: str, cell: str, line: int) -> msgspec.Raw:
    if name not in ("body", "headers", "priority"):
        return msgspec.Raw(msgspec.json.encode(cell))
    _json(cell, f"Line {line}: {name}")
    return msgspec.Raw(cell.encode())


def _json(text: str, what: str) -> Any:
    """Raises Invalid."""
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        raise Invalid.at("/file", f"{what} nests deeper than {MAX_DEPTH}") from None
    except msgspec.DecodeError as error:
        raise Invalid.at("/file", f"{what} is not JSON: {error}") from None
