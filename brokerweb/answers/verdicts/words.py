"""Numbers, durations and names as sentences have them."""

from __future__ import annotations

from collections.abc import Sequence

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
QUOTED = 120  # characters of somebody's own text in a sentence


def number(n: int, noun: str) -> str:
    """``1 message``, ``1,204 messages``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def times(n: int, most: int | None) -> str:
    """How often something has failed, of how often it may: ``2 of 5 times``, ``once``."""
    if most is not None:
        return f"{n:,} of {number(most, 'time')}"
    return "once" if n == 1 else number(n, "time")


def span(seconds: float) -> str:
    """A duration in its largest unit, rounded down: ``17 minutes``."""
    for unit, length in _UNITS:
        if seconds >= length:
            return number(int(seconds // length), unit)
    return "less than a second"


def ago(seconds: float) -> str:
    """How long ago something was."""
    return "just now" if seconds < 1 else f"{span(seconds)} ago"


def rate(per_second: float) -> str:
    """``80 a second``; small ones as they are."""
    return f"{per_second:,.0f} a second" if per_second >= 10 else f"{per_second:.2g} a second"


def names(some: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and 3 others``."""
    once = list(dict.fromkeys(some))
    if len(once) > 3:
        return f"{once[0]}, {once[1]} and {len(once) - 2} others"
    return " and ".join(filter(None, (", ".join(once[:-1]), once[-1] if once else "")))


def quoted(text: str | None) -> str:
    """Somebody's own text behind a colon, on one line and not too long; nothing for none."""
    line = " ".join((text or "").split())
    return f": “{line if len(line) <= QUOTED else line[:QUOTED] + '…'}”" if line else ""


def last_line(error: str | None) -> str:
    """What an error says: the last line of a traceback, else the first."""
    lines = [line.strip() for line in (error or "").splitlines() if line.strip()]
    if not lines:
        return ""
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]
