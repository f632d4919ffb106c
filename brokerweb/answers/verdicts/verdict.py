"""What a verdict is: a code, a sentence or two that one can act on, since when, the facts, and where to go from there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from brokerweb.core import clock


class See(NamedTuple):
    """What a verdict leads to: a ``GET`` shows, anything else acts."""

    rel: str
    href: str
    text: str
    method: str = "GET"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``since`` is an instant as the wall names it, as all instants are here."""

    code: str
    text: str
    since: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    see: tuple[See, ...] = ()

    def also(self, codes: Iterable[str]) -> Verdict:
        """With the codes of what holds besides."""
        others = [code for code in dict.fromkeys(codes) if code != self.code]
        return replace(self, facts={**self.facts, "also": others}) if others else self

    def leading_to(self, see: Iterable[See]) -> Verdict:
        return replace(self, see=tuple(see))

    def as_json(self) -> dict[str, Any]:
        """As answers show it."""
        return {
            "code": self.code,
            "text": self.text,
            "since_at": instant(self.since),
            "facts": dict(self.facts),
            "see": [each._asdict() for each in self.see],
        }


def instant(at: int | None) -> str | None:
    """An instant as answers have it."""
    return None if at is None else clock.rfc3339(at)


def seconds_between(since: int, now: int) -> float:
    """Never less than nothing, whatever the wall did."""
    return max(0.0, (now - since) / clock.SECOND)
