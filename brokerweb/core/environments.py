"""What a broker is called, so that nobody takes the one for the other: its environment's name and colour."""

from __future__ import annotations

import re
from typing import NamedTuple

COLOURS = {"prod": "#b00020", "stage": "#9a5b00", "dev": "#1a6b35"}
OTHER = "#4b5766"  # of a name that stands for none of these, and says no colour

_COLOUR = re.compile(r"#[0-9a-f]{6}", re.ASCII)
_NAME = re.compile(r"[^\s:,]{1,32}")


class Environment(NamedTuple):
    """``name`` as it is shown, ``colour`` as ``#rrggbb``."""

    name: str
    colour: str

    @property
    def ink(self) -> str:
        """Black or white, whichever is read better on the colour: the contrast is at least 4.5 whatever it is."""
        red, green, blue = (_linear(int(self.colour[at : at + 2], 16)) for at in (1, 3, 5))
        luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        return "#000000" if luminance > 0.179 else "#ffffff"  # where black and white are read equally well


def parsed(value: object) -> Environment | None:
    """``NAME`` or ``NAME:COLOUR``; None of nothing. Raises ValueError."""
    text = str(value).strip()
    if not text:
        return None
    name, colon, colour = text.partition(":")
    if not (_NAME.fullmatch(name) and name.isprintable()):
        raise ValueError(f"{text!r} does not begin with a name: 1 to 32 characters without spaces, commas and colons")
    if not colon:
        return Environment(name, COLOURS.get(name, OTHER))
    shown = COLOURS.get(colour, colour).lower()
    if not _COLOUR.fullmatch(shown):
        raise ValueError(f"{colour!r} is no colour: prod, stage, dev or #rrggbb")
    return Environment(name, shown)


def _linear(channel: int) -> float:
    part = channel / 255
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
