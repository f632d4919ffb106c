"""What of a message is hidden from who may not see all of it: which fields that are, and bodies and headers without them.

A field is a path into a JSON body, a header, or one of a few words. Bodies are never decoded and written anew: what is hidden
is cut out of their very text, so that every number and every second member of a name stays as it came. What cannot be read
as JSON has no paths, and is hidden whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from brokerweb.core import json_paths
from brokerweb.core.declared_fields import HEADER
from brokerweb.core.json_paths import FaultError
from brokerweb.core.names import KINDS

HIDDEN = "•••"
IN_JSON = f'"{HIDDEN}"'
KEY, ERROR, RESULT = WORDS = ("key", "error", "result")
MAX_RULES, MAX_FIELDS, MAX_CHARACTERS = 100, 50, 200
RULE = "PATTERN = FIELD, FIELD: a pattern such as orders.* or queue:orders.*, and $.PATH, header.NAME, key, error or result"
_MEMBER, _ELEMENT, _DEEP = object(), object(), object()  # any member; any element; any number of steps
_PATTERN = re.compile(r"[A-Za-z0-9._*?-]{1,200}")
_TARGET = re.compile(r"\s*([^\s=]+)\s*=")
_FIELD = re.compile(r'(?:"(?:[^"\\]|\\.)*+"|[^",;\n])+')
_TOKEN = re.compile(r'\s*+(?:(?P<text>"(?:[^"\\]|\\.)*+")|(?P<sign>[{}\[\],:])|(?P<word>[^\s{}\[\],:"]+))', re.DOTALL)
_headers = msgspec.json.Decoder(dict[str, str]).decode
Places = frozenset[tuple[int, int]]  # of several paths: which, and behind how many of its steps


class Rule(NamedTuple):
    """Of everything that the pattern names, and of one kind or of all, these fields are hidden."""

    kind: str | None
    pattern: str
    fields: tuple[str, ...]

    @property
    def target(self) -> str:
        return f"{self.kind}:{self.pattern}" if self.kind else self.pattern

    def as_json(self) -> dict[str, Any]:
        return {"pattern": self.target, "fields": list(self.fields)}

    def __str__(self) -> str:
        return f"{self.target} = {', '.join(self.fields)}"


# What is asked for


def parse(value: Any) -> tuple[Rule, ...]:
    """Rules as a setting has them: a text, one a line or between semicolons; or a mapping of patterns to fields.

    Raises ValueError in words for whoever wrote it.
    """
    if isinstance(value, Mapping):
        return listed([{"pattern": pattern, "fields": fields} for pattern, fields in value.items()])
    return _bounded([rule(*piece) for piece in _pieces(str(value))])


def listed(given: Any) -> tuple[Rule, ...]:
    """Rules as JSON has them: ``[{"pattern", "fields"}]``. Raises ValueError."""
    if not isinstance(given, list | tuple):
        raise ValueError('must be a list of {"pattern", "fields"}')
    rules = []
    for item in given:
        if not isinstance(item, Mapping) or set(item) != {"pattern", "fields"}:
            raise ValueError('a mask is {"pattern", "fields"}')
        fields = item["fields"]
        if not isinstance(fields, list | tuple) or not all(isinstance(field, str) for field in fields):
            raise ValueError("fields are a list of texts")
        rules.append(rule(item["pattern"], fields))
    return _bounded(rules)


def _pieces(text: str) -> Iterable[tuple[str, list[str]]]:
    place = 0
    while place < len(text):
        if text[place] in "; \t\r\n":
            place += 1
            continue
        target = _TARGET.match(text, place)
        if target is None:
            raise ValueError(f"expected {RULE}, at {text[place : place + 40]!r}")
        fields, place = _listed_fields(text, target.end())
        yield target[1], fields


def _listed_fields(text: str, place: int) -> tuple[list[str], int]:
    """The fields between commas that begin there, and where the next rule may."""
    fields = []
    while True:
        found = _FIELD.match(text, place)
        if found is None or not found[0].strip():
            raise ValueError(f"expected a field, at {text[place : place + 40]!r}")
        fields.append(found[0].strip())
        place = found.end()
        if text[place : place + 1] != ",":
            return fields, place
        place += 1


def rule(target: Any, fields: Sequence[str]) -> Rule:
    """A rule of its parts, as it is always written. Raises ValueError."""
    kind, colon, pattern = target.rpartition(":") if isinstance(target, str) else ("", "", "")
    if (colon and kind not in KINDS) or not _PATTERN.fullmatch(pattern):
        raise ValueError(f"{target!r} is no pattern such as orders.* or queue:orders.*")
    if not 0 < len(fields) <= MAX_FIELDS:
        raise ValueError(f"{target}: 1 to {MAX_FIELDS} fields")
    return Rule(kind or None, re.sub(r"\*+", "*", pattern), tuple(dict.fromkeys(_spelled(field) for field in fields)))


def _bounded(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    if len(rules) > MAX_RULES:
        raise ValueError(f"at most {MAX_RULES} masks")
    return tuple(rules)


def _spelled(field: str) -> str:
    """A field as it is always written. Raises ValueError."""
    if len(field) > MAX_CHARACTERS or "\0" in field:
        raise ValueError(f"a field has at most {MAX_CHARACTERS} characters, and no NUL")
    if field in WORDS:
        return field
    try:
        if field.startswith(HEADER):
            return HEADER + json_paths.named(_header(field))
        if field.startswith("$"):
            return "$" + "".join(map(_step_spelled, _path(field)))
    except FaultError as fault:
        raise ValueError(f"{field}: expected {fault.expected} at column {fault.place + 1}") from None
    raise ValueError(f"{field!r} is none of $.PATH, header.NAME, {', '.join(WORDS)}")


def _header(field: str) -> str:
    """A header's name in small letters: whoever sends it in others is not to show it by that."""
    start = len(HEADER)
    name, end = json_paths.quoted(field, start) if field[start : start + 1] == '"' else (field[start:], len(field))
    if not name or end < len(field):
        raise FaultError(end, "a header's name, in quotes if it is an odd one")
    return name.casefold()


def _path(field: str) -> tuple[Any, ...]:
    """The steps: names, places, ``*`` for any, and ``..`` for any number of them."""
    steps: list[Any] = []
    place = 1
    while place < len(field):
        if field.startswith("..", place) and steps[-1:] != [_DEEP]:
            steps.append(_DEEP)
            place += 1
        step, place = _step(field, place)
        steps.append(step)
    if len(steps) > json_paths.MAX_STEPS:
        raise FaultError(0, f"a path of at most {json_paths.MAX_STEPS} steps")
    return tuple(steps)


def _step(field: str, place: int) -> tuple[Any, int]:
    for any_step, step in ((".*", _MEMBER), ("[*]", _ELEMENT)):
        end = place + len(any_step)
        if field.startswith(any_step, place) and field[end : end + 1] in ("", ".", "["):
            return step, end
    end = place + 1
    quote = False
    while end < len(field) and (quote or end == place + 1 or field[end] not in ".["):
        if field[end] == "\\" and quote:
            end += 1
        elif field[end] == '"':
            quote = not quote
        end += 1
    try:
        [step] = json_paths.parse(f"${field[place:end]}")
    except FaultError as fault:
        raise FaultError(place + fault.place - 1, fault.expected) from None
    except ValueError:
        raise FaultError(place, "a step of the path, or its end") from None
    return step, end


def _step_spelled(step: Any) -> str:
    if step is _DEEP:
        return "."
    if step is _MEMBER or step is _ELEMENT:
        return ".*" if step is _MEMBER else "[*]"
    if isinstance(step, int):
        return f"[{step}]"
    return f".{json.dumps(step, ensure_ascii=False) if step == '*' else json_paths.named(step)}"


# What is hidden


class Hidden:
    """Fields that are hidden, ready to be taken out. Without any it hides nothing."""

    def __init__(self, fields: Iterable[str] = ()) -> None:
        self.fields = tuple(sorted(set(fields)))
        self.paths = [_path(field) for field in self.fields if field.startswith("$")]
        self.headers = frozenset(_header(field) for field in self.fields if field.startswith(HEADER))
        self.words = frozenset(self.fields) & frozenset(WORDS)
        self.start = self._closed((n, 0) for n in range(len(self.paths)))
        self._known: dict[tuple[Places, str | int], Places] = {}
        last = [path[-1] if path else None for path in self.paths]
        self._named = all(isinstance(name, str) for name in last)
        self._names = [json.dumps(name, ensure_ascii=False) for name in last if isinstance(name, str)]

    def __bool__(self) -> bool:
        return bool(self.fields)

    # Bodies

    def body(self, text: str) -> str:
        """JSON text, or the beginning of it, without what is hidden; what is no JSON is hidden whole."""
        if not self.paths or self._nowhere(text):
            return text
        try:
            return _Walk(self, text).cut()
        except ValueError:
            return IN_JSON

    def _nowhere(self, text: str) -> bool:
        """Whether no member has the name of one that is hidden, written in whatever way."""
        return self._named and "\\" not in text and not any(name in text for name in self._names)

    def covers(self, path: Sequence[str | int]) -> bool:
        """Whether what is at a path, or a part of it that contains it, is hidden."""
        places = self.start
        for step in path:
            if self.ends(places):
                return True
            places = self.step(places, step)
        return self.ends(places)

    def ends(self, places: Places) -> bool:
        return any(behind == len(self.paths[n]) for n, behind in places)

    def step(self, places: Places, step: str | int) -> Places:
        try:
            return self._known[places, step]
        except KeyError:
            found = self._closed(self._after(places, step))
            if len(self._known) < 1_000:
                self._known[places, step] = found
            return found

    def _after(self, places: Places, step: str | int) -> Iterable[tuple[int, int]]:
        for n, behind in places:
            if behind < len(self.paths[n]):
                wanted = self.paths[n][behind]
                if wanted is _DEEP:
                    yield n, behind
                elif wanted in (step, _MEMBER if isinstance(step, str) else _ELEMENT):
                    yield n, behind + 1

    def _closed(self, places: Iterable[tuple[int, int]]) -> Places:
        """With those behind a ``..``, which may be no step at all."""
        found = set(places)
        found |= {(n, behind + 1) for n, behind in found if self.paths[n][behind : behind + 1] == (_DEEP,)}
        return frozenset(found)

    # Headers

    def headers_of(self, text: str) -> str:
        """The JSON text of headers without the values of those that are hidden."""
        if not self.headers:
            return text
        known = _headers(text)
        if not any(self.hides_header(name) for name in known):
            return text
        shown = {name: HIDDEN if self.hides_header(name) else value for name, value in known.items()}
        return msgspec.json.encode(shown).decode()

    def hides_header(self, name: str) -> bool:
        return name.casefold() in self.headers


class _Walk:
    """Once through a JSON text, or its beginning, leaving out what is hidden."""

    def __init__(self, hidden: Hidden, text: str) -> None:
        self.hidden, self.text = hidden, text
        self._parts: list[str] = []
        self._done = self._place = 0  # what is before is in the parts; before which all was looked at
        self._above: list[_Level] = []
        self._begun = False  # the one value has begun

    def cut(self) -> str:
        """The text without it. Raises ValueError for what is no JSON."""
        while (found := _TOKEN.match(self.text, self._place)) is not None:
            self._place = found.end()
            if found["sign"] in (",", ":", "}", "]"):
                self._between(found["sign"])
            elif self._above and self._above[-1].wants_name:
                self._above[-1].named(json.loads(found["text"] or "", strict=False))
            else:
                self._value(found.start(found.lastgroup or 0), found["sign"])
        return "".join([*self._parts, self._rest()])

    def _between(self, sign: str) -> None:
        if not self._above:
            raise ValueError("no JSON")
        if sign == ",":
            self._above[-1].next()
        elif sign != ":":
            self._above.pop()

    def _value(self, start: int, opening: str | None) -> None:
        if self._begun and not self._above:
            raise ValueError("no JSON")
        inner, self._begun = self._inner(), True
        if self.hidden.ends(inner):
            self._parts += [self.text[self._done : start], IN_JSON]
            self._done = self._place = _behind(self.text, start)
        elif opening is not None:
            self._above.append(_Level(inner, members=opening == "{"))

    def _inner(self) -> Places:
        """Where the paths are at the value that comes next."""
        return self.hidden.step(self._above[-1].places, self._above[-1].step) if self._above else self.hidden.start

    def _rest(self) -> str:
        """What is left where no whole token is: the end, or a text that is cut off in the midst."""
        rest = self.text[self._place :].lstrip()
        if not rest or (self._above and self._above[-1].wants_name):
            return self.text[self._done :]
        if not rest.startswith('"'):
            raise ValueError("no JSON")
        return self.text[self._done : self._place] + IN_JSON if self.hidden.ends(self._inner()) else self.text[self._done :]


class _Level:
    """An object or array that is being walked: which step leads to the value that comes next."""

    __slots__ = ("members", "places", "step", "wants_name")

    def __init__(self, places: Places, *, members: bool) -> None:
        self.places, self.members, self.wants_name = places, members, members
        self.step: str | int = "" if members else 0

    def named(self, name: str) -> None:
        self.step, self.wants_name = name, False

    def next(self) -> None:
        if self.members:
            self.wants_name = True
        else:
            self.step = int(self.step) + 1


def _behind(text: str, start: int) -> int:
    """Where the value ends that begins there; the end of the text for one that is cut off."""
    depth, place = 0, start
    while (found := _TOKEN.match(text, place)) is not None:
        place = found.end()
        depth += (found["sign"] in ("{", "[")) - (found["sign"] in ("}", "]"))
        if depth <= 0:
            return place
    return len(text)


@lru_cache(maxsize=256)
def hidden(fields: tuple[str, ...]) -> Hidden:
    """The fields, made ready once."""
    return Hidden(fields)


NOTHING = Hidden()
