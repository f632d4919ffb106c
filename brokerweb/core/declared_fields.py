"""Fields that a queue or stream declares for search: ``$.order.id`` of JSON bodies, ``header.tenant``. Each value of one has a
normal form, under which it is indexed and found again."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import msgspec

from brokerweb.core import json_paths, json_values
from brokerweb.core.json_paths import FaultError, Path
from brokerweb.core.json_values import MISSING

MAX_FIELDS, MAX_CHARACTERS = 8, 200
HEADER = "header."
RULE = f"a list of at most {MAX_FIELDS} fields such as $.order.id or header.tenant"
_headers = msgspec.json.Decoder(dict[str, str]).decode


class Holds(Protocol):
    """What messages and records have of these."""

    @property
    def body(self) -> bytes: ...
    @property
    def binary(self) -> bool: ...
    @property
    def headers(self) -> str | None: ...


class Field(NamedTuple):
    """A header, or a path into the body."""

    header: str | None
    path: Path = ()

    def __str__(self) -> str:
        return json_paths.spelled(self.path) if self.header is None else HEADER + json_paths.named(self.header)


@lru_cache(maxsize=4096)
def parse(text: str) -> Field:
    """The field of that name. Raises ValueError."""
    if len(text) > MAX_CHARACTERS or "\0" in text:
        raise ValueError(f"a field has at most {MAX_CHARACTERS} characters, and no NUL")
    try:
        return _header(text) if text.startswith(HEADER) else Field(None, _path(text))
    except FaultError as fault:
        raise ValueError(f"{text}: expected {fault.expected} at column {fault.place + 1}") from None


def _path(text: str) -> Path:
    if not text.startswith(("$.", "$[")):
        raise FaultError(0, "$.NAME or header.NAME")
    return json_paths.parse(text)


def _header(text: str) -> Field:
    start = len(HEADER)
    if text[start : start + 1] == '"':
        name, end = json_paths.quoted(text, start)
    else:
        name, end = text[start:], len(text)
    if not name or end < len(text):
        raise FaultError(end, "a header's name, in quotes if it is an odd one")
    return Field(name)


def check(value: Any) -> list[str]:
    """The setting ``search``: its fields in their own spelling, in the order that was asked for. Raises ValueError."""
    if not isinstance(value, list | tuple) or len(value) > MAX_FIELDS or not all(isinstance(text, str) for text in value):
        raise ValueError
    return list(dict.fromkeys(str(parse(text)) for text in value))


class Contents:
    """What one message or record holds, decoded once however many fields are asked of it."""

    __slots__ = ("_body", "_given", "_headers")

    def __init__(self, given: Holds) -> None:
        self._given = given
        self._body: Any = None
        self._headers: dict[str, str] | None = None

    def value(self, field: Field) -> str | None:
        """The normal form of the field's value; None where there is none that could be asked for."""
        if field.header is not None:
            return json_values.normal(self._header(field.header))
        if self._given.binary:
            return None
        if self._body is None:
            self._body = (decoded(self._given.body),)
        return json_values.normal(json_paths.at(self._body[0], field.path))

    def _header(self, name: str) -> Any:
        if self._headers is None:
            self._headers = _headers(self._given.headers) if self._given.headers else {}
        return self._headers.get(name, MISSING)


def decoded(body: bytes | memoryview) -> Any:
    """The value of a JSON body, or MISSING for what is none."""
    try:
        return json_values.decode(str(body, "utf-8"))
    except (ValueError, RecursionError):
        return MISSING
