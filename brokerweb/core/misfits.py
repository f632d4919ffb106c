"""What msgspec refuses, as every face says it: where, by a JSON Pointer, and what may stand there, in words of JSON."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any

from brokerweb.core.choices import choices, fields
from brokerweb.core.errors import Invalid, escape_pointer

NO_INSTANT = "not an RFC 3339 instant with a time zone"
_PLACE = re.compile(r"(?P<what>.*?) - at `(?:key` in `)?\$(?P<path>.*)`", re.DOTALL)
_STEP = re.compile(r"\.(?P<field>[^.\[\]]+)|\[(?P<index>\d+)\]")
_FIELD = re.compile(r"field `(.*)`", re.DOTALL)
_FIELDS = {"Object missing required ": "is missing", "Object contains unknown ": "unknown field"}  # the pointer names it


def invalid(text: str, kind: Any, pointer: str = "") -> Invalid:
    """msgspec's message on a ``kind``, which names places as ``$.messages[3].key``, as an error with a JSON Pointer that begins
    with ``pointer``.
    """
    found = _PLACE.fullmatch(text)
    what, path = (found["what"], found["path"]) if found else (text, "")
    known, unnamed, _ = path.partition("[...]")  # where it does not say by which name, the pointer goes no further
    steps = [step["field"] or step["index"] for step in _STEP.finditer(known)]
    if not unnamed and (found_field := _FIELD.search(what)):
        name = found_field[1]
        close = get_close_matches(name, fields(kind, steps), 1) if "unknown" in what else ()
        what = _FIELDS.get(what[: found_field.start()], what) + (f"; did you mean {close[0]}?" if close else "")
        steps.append(name)
    elif not unnamed and what.startswith("Invalid enum value") and (known_ones := choices(kind, steps)):
        what = f"one of {', '.join(known_ones)}"
    return Invalid.at(pointer + "".join("/" + escape_pointer(step) for step in steps), _in_words(what))


_OF_INSTANTS = ("Invalid RFC3339 encoded datetime", "Expected `datetime` with a timezone component")
_EXPECTED = re.compile(r"Expected `(?P<wanted>[^`]*)`(?:, got `(?P<got>[^`]*)`)?(?P<rest>.*)", re.DOTALL)
_WORDS = {
    "str": "a text", "int": "an integer", "float": "a number", "bool": "true or false", "array": "a list", "object": "an object",
    "datetime": "an instant", "duration": "a duration",
}  # fmt: skip


def _in_words(what: str) -> str:
    """Types as JSON has them, where msgspec names Python's."""
    if what in _OF_INSTANTS:
        return NO_INSTANT
    found = _EXPECTED.fullmatch(what)
    if found is None:
        return what
    wanted = " or ".join(_WORDS.get(each, each) for each in found["wanted"].split(" | "))
    got = found["got"]
    return f"must be {wanted}{found['rest']}{f', and is {_WORDS.get(got, got)}' if got else ''}"
