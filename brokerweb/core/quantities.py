"""Durations, sizes, counts and rates as people write them: "1 h 30 min", "64 KiB", "10,000", "5/s".

What ``text`` writes, ``parse`` reads back to the last digit. Programs give numbers; this is for people's forms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

MAX_CHARACTERS = 100
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+"
_PLAIN = re.compile(rf"(?:{_DIGITS})(?:e[+-]?\d{{1,2}})?", re.ASCII)
_PART = re.compile(rf"({_DIGITS})\s*(/?[a-z]+)\s*", re.ASCII)
_PER = re.compile(r"(?<=[\d.]) ?(?:/|an|a|per) ?(?=[a-z])", re.ASCII)  # 5 a second, 5 per second
_SPACES = str.maketrans("\u00a0\u202f\u2009", "   ")  # between digits and units, as other pages print them


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is measured, and how people write it."""

    units: Mapping[str, Decimal]  # by their names in lower case; a plain number is in the one of size 1
    write: Callable[[Decimal], str]
    accepted: str  # what may be written, in words
    whole: bool = False  # there is no half of one
    compound: bool = False  # several units may follow each other: 1 h 30 min

    def parse(self, text: str) -> float:
        """The quantity as a number, an int where it is ``whole``. Raises ValueError, which says what is accepted."""
        wanted = _PER.sub("/", " ".join(text.translate(_SPACES).lower().split()))
        found = self._sum(wanted) if len(wanted) <= MAX_CHARACTERS else None
        if found is None or (self.whole and found != int(found)):
            raise ValueError(f"Write {self.accepted}.")
        return int(found) if self.whole else float(found)

    def text(self, value: float) -> str:
        """The quantity with its units, exactly; it is finite, and not less than 0."""
        return self.write(Decimal(repr(value)))

    def _sum(self, wanted: str) -> Decimal | None:
        if _PLAIN.fullmatch(wanted):
            return _number(wanted)
        sizes: list[Decimal] = []
        total, place = Decimal(0), 0
        while part := _PART.match(wanted, place):
            size = self.units.get(part[2])
            if size is None or size in sizes:
                return None
            sizes.append(size)
            total, place = total + _number(part[1]) * size, part.end()
        understood = place == len(wanted) and len(sizes) > 0 and (self.compound or len(sizes) == 1)
        return total if understood else None


def _number(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


def _written(value: Decimal) -> str:
    """All its digits, those before the point in groups of three."""
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _named(**units: Decimal | int) -> dict[str, Decimal]:
    return {name: Decimal(size) for names, size in units.items() for name in names.split("_")}


# Durations, in seconds

_DURATIONS = (("d", 86_400), ("h", 3_600), ("min", 60))


def _duration(value: Decimal) -> str:
    parts = []
    for unit, size in _DURATIONS:
        many, value = divmod(value, size)
        if many:
            parts.append(f"{_written(many)} {unit}")
    if value or not parts:
        short = 0 < value < 1 and not parts
        parts.append(f"{_written(value * 1000)} ms" if short else f"{_written(value)} s")
    return " ".join(parts)


_UNITS_OF_TIME = _named(
    ms_millisecond_milliseconds=Decimal("0.001"),
    s_sec_secs_second_seconds=1,
    m_min_mins_minute_minutes=60,
    h_hr_hrs_hour_hours=3_600,
    d_day_days=86_400,
    w_week_weeks=604_800,
)
DURATION = Quantity(
    _UNITS_OF_TIME,
    _duration,
    "a duration such as 30 s, 1 h 30 min or 7 d; a plain number is seconds",
    compound=True,
)

# Sizes, in bytes

_KIBI = (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))
_KILO = (("TB", 1000**4), ("GB", 1000**3), ("MB", 1000**2), ("kB", 1000))


def _size(value: Decimal) -> str:
    """In the largest unit in which it is short, else in bytes."""
    for unit, size in _KIBI:
        if value >= size and value * 100 % size == 0:
            return f"{_written(value / size)} {unit}"
    for unit, size in _KILO:
        if value and value % size == 0:
            return f"{_written(value / size)} {unit}"
    return f"{_written(value)} B"


SIZE = Quantity(
    _named(b_byte_bytes=1) | {unit.lower(): Decimal(size) for unit, size in (*_KIBI, *_KILO)},
    _size,
    "a size such as 64 KiB, 1.5 MiB or 10 MB; a plain number is bytes",
    whole=True,
)

# Counts, and plain numbers

_THOUSANDS = _named(k_thousand=1_000, m_million_millions=1_000_000)
COUNT = Quantity(
    _THOUSANDS,
    _written,
    "a whole number such as 500, 10,000 or 2 million",
    whole=True,
)
NUMBER = Quantity(_THOUSANDS, _written, "a number such as 500, 10,000 or 2 million")

# Rates, a second

RATE = Quantity(
    {f"/{unit}": 1 / _UNITS_OF_TIME[unit] for unit in ("s", "sec", "second", "min", "minute", "h", "hr", "hour", "d", "day")},
    lambda value: f"{_written(value)}/s",
    "a rate such as 5/s, 0.5/s or 90/min; a plain number is a second",
)
