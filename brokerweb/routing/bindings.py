"""A topic's bindings, ready to be matched, and the check of those that a request names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from brokerweb.core.errors import Invalid, escape_pointer
from brokerweb.core.names import parse_destination
from brokerweb.core.settings import Errors, refuse
from brokerweb.queues.limits import MAX_HEADER_BYTES, MAX_HEADERS
from brokerweb.routing import matcher

MAX_BINDINGS = 1_000
REMEMBERED_KEYS = 1_024  # of one table
_decode = msgspec.json.Decoder(dict[str, str]).decode

Headers = Mapping[str, str]


class Binding(NamedTuple):
    """What matches ``pattern`` and has all of ``headers``, a JSON object's text, is copied to ``to``."""

    pattern: str
    to: str
    headers: str = "{}"

    def shown(self) -> dict[str, Any]:
        """The binding as requests and answers have it."""
        return {"pattern": self.pattern, "to": self.to, "headers": _decode(self.headers)}


class Table:
    """Some bindings in their order. Safe to share: what it remembers follows from what it is."""

    def __init__(self, bindings: Sequence[Binding]) -> None:
        self.bindings = [(binding, _decode(binding.headers)) for binding in bindings]
        self.asks_headers = any(headers for _, headers in self.bindings)
        self._literal: dict[str, list[int]] = {}
        self._wild: dict[str, list[tuple[int, matcher.Pattern]]] = {}  # by their first word; "" where that is a wildcard
        for place, binding in enumerate(bindings):
            pattern = matcher.parse(binding.pattern)
            if pattern.literal is None:
                self._wild.setdefault(pattern.first_word, []).append((place, pattern))
            else:
                self._literal.setdefault(pattern.literal, []).append(place)
        self._places = lru_cache(REMEMBERED_KEYS)(self._matching)

    def matches(self, routing_key: str, headers: Headers) -> list[Binding]:
        """The bindings that match, in their order. Raises Invalid for what is no routing key."""
        chosen = (self.bindings[place] for place in self._places(routing_key))
        return [binding for binding, asked in chosen if not asked or _holds(headers, asked)]

    def targets(self, routing_key: str, headers: Headers) -> Collection[str]:
        """Where a message goes: each destination once, in the bindings' order. Raises Invalid for what is no routing key."""
        return dict.fromkeys(binding.to for binding in self.matches(routing_key, headers))

    def _matching(self, routing_key: str) -> tuple[int, ...]:
        words = matcher.split(routing_key)
        wild = self._wild.get("", []) + (self._wild.get(words[0], []) if words else [])
        fitting = [place for place, pattern in wild if pattern.matches(words)]
        return tuple(sorted(fitting + self._literal.get(routing_key, [])))


def _holds(headers: Headers, asked: Headers) -> bool:
    return all(headers.get(name) == value for name, value in asked.items())


def parse(given: Any, errors: Errors, pointer: str = "/bindings") -> list[Binding]:
    """The bindings that a request names; null for none. What is wrong with them is added to ``errors``."""
    if given is None:
        return []
    if not isinstance(given, list | tuple) or len(given) > MAX_BINDINGS:
        errors.append({"pointer": pointer, "detail": f"must be a list of at most {MAX_BINDINGS} bindings, or null"})
        return []
    found: list[Binding] = []
    for place, item in enumerate(given):
        try:
            found.append(_parse_one(item, f"{pointer}/{place}"))
        except Invalid as error:
            errors += error.extra["errors"]
    return found


def asked(given: Mapping[str, Any]) -> list[Binding]:
    """The bindings that a request adds or takes away. Raises Invalid with every error of it."""
    errors: Errors = [
        {"pointer": f"/{escape_pointer(name)}", "detail": "is not known here"} for name in given if name != "bindings"
    ]
    if given.get("bindings") is None:
        errors.append({"pointer": "/bindings", "detail": "is needed: a list of bindings"})
    found = parse(given.get("bindings"), errors)
    refuse(errors)
    return found


def _parse_one(item: Any, pointer: str) -> Binding:
    if not isinstance(item, Mapping):
        raise Invalid.at(pointer, 'must be an object with "pattern" and "to"')
    for name in item:
        if name not in ("pattern", "to", "headers"):
            raise Invalid.at(f"{pointer}/{escape_pointer(name)}", "is not part of a binding")
    matcher.parse(item.get("pattern"), f"{pointer}/pattern")
    kind, _ = parse_destination(item.get("to"), f"{pointer}/to")
    if kind == "topic":
        raise Invalid.at(f"{pointer}/to", "a topic is bound to queues and streams, not to topics")
    return Binding(item["pattern"], item["to"], _headers(item.get("headers"), f"{pointer}/headers"))


def _headers(given: Any, pointer: str) -> str:
    if given is None:
        return "{}"
    if not isinstance(given, Mapping) or not _all_text(given):
        raise Invalid.at(pointer, "must be an object whose values are texts")
    text = msgspec.json.encode(dict(sorted(given.items())))
    if len(given) > MAX_HEADERS or len(text) > MAX_HEADER_BYTES:
        raise Invalid.at(pointer, f"at most {MAX_HEADERS} headers, and {MAX_HEADER_BYTES} bytes of them")
    return text.decode()


def _all_text(given: Mapping[Any, Any]) -> bool:
    return all(isinstance(text, str) and _storable(text) for text in [*given, *given.values()])


def _storable(text: str) -> bool:
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
