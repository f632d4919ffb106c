"""A query as its pieces: words and conditions between spaces, each with its column. What they mean is the grammar's affair."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from brokerweb.core import json_paths
from brokerweb.core.declared_fields import HEADER
from brokerweb.core.errors import Invalid
from brokerweb.core.json_paths import FaultError, Path

MAX_CHARACTERS, MAX_PIECES = 2_000, 32
OPERATOR = re.compile(r"!=|>=|<=|[:=~<>]")
_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"\S+")
_BEFORE_OPERATOR = re.compile(r"(?:(?!!=)[^\s:=~<>])*")


class Text(NamedTuple):
    """What stands for itself; ``quoted`` is never a number, nor one of several."""

    text: str
    quoted: bool
    place: int


class Piece(NamedTuple):
    """A condition, on a field's ``name``, a ``header`` or a ``path``; without ``operator`` a text to look for."""

    place: int
    negated: bool
    value: Text
    operator: str = ""
    name: str = ""
    header: str | None = None
    path: Path | None = None


def fault(place: int, expected: str) -> Invalid:
    """The error of a query in which something else was expected at ``place``, counted from 0."""
    return Invalid.at("/q", f"column {place + 1}: expected {expected}")


def pieces(query: str) -> Iterator[Piece]:
    """Its pieces, from the left. Raises Invalid with the column where it cannot be read."""
    if len(query) > MAX_CHARACTERS:
        raise fault(MAX_CHARACTERS, f"a query of at most {MAX_CHARACTERS} characters")
    if "\0" in query:
        raise fault(query.index("\0"), "no NUL character: nothing that is kept has one")
    place = _skip(query, 0)
    for _ in range(MAX_PIECES):
        if place == len(query):
            return
        try:
            piece, end = _piece(query, place)
        except FaultError as found:
            raise fault(found.place, found.expected) from None
        yield piece
        if end < len(query) and _skip(query, end) == end:
            raise fault(end, "a space, or the end")
        place = _skip(query, end)
    if place < len(query):
        raise fault(place, f"the end: a query has at most {MAX_PIECES} words and conditions")


def _skip(query: str, place: int) -> int:
    found = _SPACE.match(query, place)
    return found.end() if found else place


def _piece(query: str, start: int) -> tuple[Piece, int]:
    negated = query[start] == "-"
    place = start + negated
    if not _WORD.match(query, place):
        raise FaultError(place, "what is not to hold, right behind -")
    if query[place] == '"':
        text, end = json_paths.quoted(query, place)
        return Piece(start, negated, Text(text, quoted=True, place=place)), end
    if query[place] == "$" and (query[place + 1 : place + 2] in (".", "[") or OPERATOR.match(query, place + 1)):
        path, end = json_paths.scan(query, place)
        return _condition(query, end, Piece(start, negated, Text("", quoted=False, place=end), path=path))
    if query.startswith(HEADER, place):
        header, end = _header(query, place + len(HEADER))
        return _condition(query, end, Piece(start, negated, Text("", quoted=False, place=end), header=header))
    return _word(query, start, place)


def _header(query: str, place: int) -> tuple[str, int]:
    if query[place : place + 1] == '"':
        return json_paths.quoted(query, place)
    found = _BEFORE_OPERATOR.match(query, place)
    if found is None or not found[0] or '"' in found[0]:
        raise FaultError(place, "a header's name, in quotes if it is an odd one")
    return found[0], found.end()


def _word(query: str, start: int, place: int) -> tuple[Piece, int]:
    """A bare word, or a condition on a field that has a name."""
    found = _BEFORE_OPERATOR.match(query, place)
    name, end = (found[0], found.end()) if found else ("", place)
    negated = place > start
    if end == len(query) or query[end].isspace():
        if '"' in name:
            raise FaultError(place + name.index('"'), "a space before a text in quotes")
        return Piece(start, negated, Text(name, quoted=False, place=place)), end
    if not name:
        raise FaultError(place, f"a field before {query[end]}; a text with it stands in quotes")
    return _condition(query, end, Piece(start, negated, Text("", quoted=False, place=end), name=name))


def _condition(query: str, place: int, piece: Piece) -> tuple[Piece, int]:
    """The piece with its operator and value, which begin at ``place``."""
    operator = OPERATOR.match(query, place)
    if operator is None:
        raise FaultError(place, "one of = != ~ < <= > >=")
    start = operator.end()
    if query[start : start + 1] == '"':
        text, end = json_paths.quoted(query, start)
        value = Text(text, quoted=True, place=start)
    else:
        word = _WORD.match(query, start)
        if word is None:
            raise FaultError(start, f"a value right behind {operator[0]}")
        value, end = Text(word[0], quoted=False, place=start), word.end()
    return piece._replace(operator="=" if operator[0] == ":" else operator[0], value=value), end
