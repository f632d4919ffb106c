"""Which records of a stream: by key, by headers, and by what is at a path of a JSON body. All that is named must hold.

    {"key": ["a", "b"], "headers": {"kind": "new"}, "body": {"customer.country": "DE", "items.0.sku": "A-1"}}

A path is steps with dots between: members of objects, and places (from 0) in arrays. ``\\`` before a dot or another ``\\``
takes it literally. Paths are parsed and walked, never run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from brokerweb.core.errors import Invalid, escape_pointer
from brokerweb.queues.limits import NUL
from brokerweb.streams.records import StoredRecord

MAX_KEYS, MAX_HEADERS, MAX_PATHS = 100, 64, 20
MAX_PATH, MAX_STEPS = 255, 16
MAX_BYTES = 64 * 1024  # of the whole filter: a job keeps it
_decode = msgspec.json.Decoder().decode
_headers = msgspec.json.Decoder(dict[str, str]).decode

Path = tuple[str, ...]


class RecordFilter(NamedTuple):
    """A selection of records; what is empty asks for nothing."""

    keys: frozenset[str] | None = None
    headers: Mapping[str, str] = {}
    body: tuple[tuple[Path, Any], ...] = ()

    def matches(self, record: StoredRecord) -> bool:
        """Whether the record has all that is asked for."""
        if self.keys is not None and record.key not in self.keys:
            return False
        if self.headers and not _holds(_headers(record.headers) if record.headers else {}, self.headers):
            return False
        return not self.body or self._body_holds(record)

    def _body_holds(self, record: StoredRecord) -> bool:
        if record.binary:
            return False
        try:
            body = _decode(record.body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return False
        return all(_at(body, path, value) for path, value in self.body)


def _holds(headers: Mapping[str, str], asked: Mapping[str, str]) -> bool:
    return all(headers.get(name) == value for name, value in asked.items())


def _at(node: Any, path: Path, value: Any) -> bool:
    for step in path:
        if isinstance(node, dict) and step in node:
            node = node[step]
        elif isinstance(node, list) and step.isascii() and step.isdigit() and int(step) < len(node):
            node = node[int(step)]
        else:
            return False
    # To Python true is 1; to JSON it is not. Objects and arrays equal no value that can be asked for.
    return isinstance(node, bool) == isinstance(value, bool) and bool(node == value)


def parse(given: Any, pointer: str = "/filter") -> RecordFilter:
    """The filter that a request names; null for all records. Raises Invalid."""
    if given is None:
        return RecordFilter()
    if not isinstance(given, Mapping):
        raise Invalid.at(pointer, "must be an object")
    for name in given:
        if name not in ("key", "headers", "body"):
            raise Invalid.at(f"{pointer}/{escape_pointer(name)}", "is not part of a filter")
    if len(msgspec.json.encode(given)) > MAX_BYTES:
        raise Invalid.at(pointer, f"must have at most {MAX_BYTES} bytes")
    if _has_nul(given):
        raise Invalid.at(pointer, NUL)
    return RecordFilter(
        _keys(given.get("key"), f"{pointer}/key"),
        _asked_headers(given.get("headers"), f"{pointer}/headers"),
        _paths(given.get("body"), f"{pointer}/body"),
    )


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(map(_has_nul, value)) or any(map(_has_nul, value.values()))
    return isinstance(value, list | tuple) and any(map(_has_nul, value))


def _keys(given: Any, pointer: str) -> frozenset[str] | None:
    if given is None:
        return None
    keys = [given] if isinstance(given, str) else given
    if not isinstance(keys, list | tuple) or not 0 < len(keys) <= MAX_KEYS or not all(isinstance(k, str) for k in keys):
        raise Invalid.at(pointer, f"must be a key, or a list of 1 to {MAX_KEYS} keys")
    return frozenset(keys)


def _asked_headers(given: Any, pointer: str) -> Mapping[str, str]:
    if given is None:
        return {}
    if not isinstance(given, Mapping) or len(given) > MAX_HEADERS or not all(isinstance(v, str) for v in given.values()):
        raise Invalid.at(pointer, f"must be an object of at most {MAX_HEADERS} texts")
    return dict(given)


def _paths(given: Any, pointer: str) -> tuple[tuple[Path, Any], ...]:
    if given is None:
        return ()
    if not isinstance(given, Mapping) or len(given) > MAX_PATHS:
        raise Invalid.at(pointer, f"must be an object of at most {MAX_PATHS} paths and values")
    found = []
    for text, value in given.items():
        at = f"{pointer}/{escape_pointer(text)}"
        if isinstance(value, Mapping | list | tuple):
            raise Invalid.at(at, "must be a text, a number, true, false or null")
        found.append((parse_path(str(text), at), value))
    return tuple(found)


def parse_path(text: str, pointer: str = "") -> Path:
    """The steps of a path. Raises Invalid."""
    if len(text) > MAX_PATH:
        raise Invalid.at(pointer, f"a path has at most {MAX_PATH} characters")
    steps, step, characters = [], "", iter(text)
    for character in characters:
        if character == ".":
            steps.append(step)
            step = ""
        elif character == "\\":
            step += _literal(next(characters, ""), pointer)
        else:
            step += character
    steps.append(step)
    if len(steps) > MAX_STEPS or "" in steps:
        raise Invalid.at(pointer, f"a path is 1 to {MAX_STEPS} steps with dots between")
    return tuple(steps)


def _literal(character: str, pointer: str) -> str:
    if character not in (".", "\\"):
        raise Invalid.at(pointer, "in a path \\ stands before a dot or another \\")
    return character
