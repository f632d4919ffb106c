"""What a grant is: a pattern of names, perhaps of one kind, and verbs. Parsing, matching, and who may give what to whom.

Everything here fails closed: what cannot be read grants nothing, and what cannot be proven to be covered is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from brokerweb.core.errors import Invalid, escape_pointer
from brokerweb.core.names import KINDS, glob

PUBLISH, CONSUME, BROWSE, UNMASK, MANAGE = "publish", "consume", "browse", "unmask", "manage"
MONITOR, ADMIN = "monitor", "admin"
VERBS = (PUBLISH, CONSUME, BROWSE, UNMASK, MANAGE, MONITOR, ADMIN)
MAX_GRANTS = 100
PATTERN = re.compile(r"[A-Za-z0-9._*?-]{1,200}")
_PROOF_STEPS = 100_000  # of a tenth of a second in all; what is not proven by then counts as not covered


@dataclass(frozen=True)
class Permit:
    """One grant: ``kind`` None means queues, streams and topics alike."""

    kind: str | None
    pattern: str
    verbs: frozenset[str]

    @cached_property
    def _fullmatch(self) -> Callable[[str], Any]:
        return glob(self.pattern).fullmatch

    def matches(self, kind: str, name: str) -> bool:
        """Whether the grant is about that name, whatever its verbs."""
        return self.kind in (None, kind) and self._fullmatch(name) is not None

    def gives(self, verb: str) -> bool:
        return verb in self.verbs or ADMIN in self.verbs

    @property
    def of_everything(self) -> bool:
        """Whether the grant leaves no name out."""
        return self.kind is None and set(self.pattern) == {"*"}

    @property
    def target(self) -> str:
        """The pattern as it is written in requests and answers."""
        return f"{self.kind}:{self.pattern}" if self.kind else self.pattern

    def as_json(self) -> dict[str, Any]:
        return {"pattern": self.target, "verbs": [verb for verb in VERBS if verb in self.verbs]}


def parse_grants(value: object, pointer: str = "/grants", one: Callable[[object, str], Permit] | None = None) -> list[Permit]:
    """The grants of a request; ``one`` reads each, as ``parse_grant`` does. Raises Invalid at the place that is wrong."""
    if not isinstance(value, list):
        raise Invalid.at(pointer, "a list of grants")
    if len(value) > MAX_GRANTS:
        raise Invalid.at(pointer, f"at most {MAX_GRANTS} grants")
    return [(one or parse_grant)(item, f"{pointer}/{n}") for n, item in enumerate(value)]


def parse_grant(item: object, pointer: str) -> Permit:
    """One of them: a pattern and verbs. Raises Invalid."""
    if not isinstance(item, dict):
        raise Invalid.at(pointer, 'a grant is {"pattern", "verbs"}')
    for field in item:
        if field not in ("pattern", "verbs"):
            raise Invalid.at(f"{pointer}/{escape_pointer(field)}", "unknown field")
    kind, pattern = parse_target(item.get("pattern"), f"{pointer}/pattern")
    return Permit(kind, pattern, _parse_verbs(item.get("verbs"), f"{pointer}/verbs"))


def parse_target(value: object, pointer: str) -> tuple[str | None, str]:
    """The kind, None for all, and the pattern of names that a text names. Raises Invalid."""
    if not isinstance(value, str):
        raise Invalid.at(pointer, "a pattern is a text such as orders.* or queue:orders.*")
    kind, colon, pattern = value.rpartition(":")
    if colon and kind not in KINDS:
        raise Invalid.at(pointer, "before ':' stands queue, stream or topic")
    if not PATTERN.fullmatch(pattern):
        raise Invalid.at(pointer, "a pattern has 1 to 200 of letters, digits, '.', '_', '-', '*' and '?'")
    return kind or None, _collapsed(pattern)


def _parse_verbs(value: object, pointer: str) -> frozenset[str]:
    if not isinstance(value, list) or not value:
        raise Invalid.at(pointer, f"a list of at least one of {', '.join(VERBS)}")
    for n, verb in enumerate(value):
        if not isinstance(verb, str) or verb not in VERBS:
            raise Invalid.at(f"{pointer}/{n}", f"a verb is one of {', '.join(VERBS)}")
    return frozenset(value)


def stored(kind: object, pattern: object, verbs: object) -> Permit | None:
    """A grant read from the store, or None where the row makes no sense: such a row grants nothing."""
    kind_known = kind is None or kind in KINDS
    pattern_sane = isinstance(pattern, str) and PATTERN.fullmatch(pattern)
    if not (kind_known and pattern_sane and isinstance(verbs, list) and all(verb in VERBS for verb in verbs)):
        return None
    return Permit(kind, pattern, frozenset(verbs))  # type: ignore[arg-type]  # checked above


def uncovered(asked: Iterable[Permit], held: Iterable[Permit]) -> tuple[int, str] | None:
    """The first (index, verb) of ``asked`` that no single grant of ``held`` gives in full, or None."""
    held = list(held)
    steps = iter(range(_PROOF_STEPS))
    for n, permit in enumerate(asked):
        givers = [own for own in held if own.kind in (None, permit.kind)]
        covering = [own for own in givers if includes(own.pattern, permit.pattern, steps)]
        for verb in sorted(permit.verbs):
            if not any(own.gives(verb) for own in covering):
                return n, verb
    return None


def includes(wide: str, narrow: str, steps: Iterator[int] | None = None) -> bool:
    """Whether every text that ``narrow`` matches is matched by ``wide``: proven within ``steps``, or False.

    Walks the places of ``narrow`` beside the set of places where ``wide`` may be, over every letter that matters and
    one that stands for all others. Where ``narrow`` can end and ``wide`` cannot, a text is matched by ``narrow`` alone.
    """
    steps = iter(range(_PROOF_STEPS)) if steps is None else steps
    wide, narrow = _collapsed(wide), _collapsed(narrow)
    if wide in ("*", narrow):
        return True
    walker = _Walker(wide)
    todo = [(place, walker.start) for place in _skipping_star(narrow, 0)]
    seen = set(todo)
    while todo:
        place, places = todo.pop()
        if place == len(narrow):
            if not places & walker.end:
                return False
            continue
        sign = narrow[place]
        after = _skipping_star(narrow, place if sign == "*" else place + 1)
        for letter in walker.letters if sign in "*?" else (sign,):
            if next(steps, None) is None:
                return False
            there = walker.step(places, letter)
            new = {(q, there) for q in after} - seen
            seen |= new
            todo += new
    return True


def _collapsed(pattern: str) -> str:
    return re.sub(r"\*+", "*", pattern)


def _skipping_star(pattern: str, place: int) -> list[int]:
    """The places a glob is at: here, and behind the ``*`` that stands here, which may match nothing."""
    return [place, place + 1] if pattern[place : place + 1] == "*" else [place]


class _Walker:
    """Steps through a glob with collapsed stars; the set of places is the bits of an integer."""

    def __init__(self, pattern: str) -> None:
        self.letters = {*pattern} - {"*", "?"} | {"\0"}
        self._star = sum(1 << n for n, sign in enumerate(pattern) if sign == "*")
        self._matching = {
            letter: sum(1 << n for n, sign in enumerate(pattern) if sign in ("?", letter)) for letter in self.letters
        }
        self._other = self._matching["\0"]
        self.start, self.end = self._closed(1), 1 << len(pattern)

    def step(self, places: int, letter: str) -> int:
        moved = (places & self._matching.get(letter, self._other)) << 1
        return self._closed(moved | places & self._star)

    def _closed(self, places: int) -> int:
        return places | (places & self._star) << 1
