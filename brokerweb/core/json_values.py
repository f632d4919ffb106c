"""JSON values as they are: numbers exact, whatever their size, and a text is no number.

Python's ``json`` would make floats of decimals, and ``True == 1``.
"""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal, InvalidOperation
from typing import Any

MISSING: Any = object()  # stands where nothing is
LONGEST = 64  # characters of a text that an index keeps as it is; of a longer one it has a digest
_DIGITS = 4_000  # of an integer, beyond which Python's own take too long to be made


def number(text: str) -> int | Decimal:
    """The number that JSON writes so. Raises ValueError for one whose exponent nobody can compare."""
    if len(text) < _DIGITS and text.lstrip("-").isdigit():
        return int(text)
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise ValueError("the number is out of range") from None
    if not found.is_finite():
        raise ValueError("the number is out of range")
    return found


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


_decoder = json.JSONDecoder(parse_int=number, parse_float=number, parse_constant=_refuse)


def decode(text: str) -> Any:
    """The value of JSON text, its numbers ``int`` or ``Decimal``. Raises ValueError for what is none, RecursionError too deep."""
    return _decoder.decode(text)


def scalar(text: str) -> Any:
    """The text, number, true, false or null that JSON text is; MISSING where it is none of these."""
    try:
        found = decode(text)
    except (ValueError, RecursionError):
        return MISSING
    return MISSING if isinstance(found, dict | list) else found


def is_number(value: Any) -> bool:
    """Whether it is one: booleans are none."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def equal(one: Any, other: Any) -> bool:
    """Whether two values that are neither arrays nor objects are the same in JSON; numbers by their value."""
    for kind in (_is_text, is_number):
        if kind(one) or kind(other):
            return kind(one) and kind(other) and bool(one == other)
    return one is other


def normal(value: Any) -> str | None:
    """One text for all ways to write a value, as an index keeps it; None of arrays, objects and what is missing."""
    if isinstance(value, str):
        return f"s{value}" if len(value) <= LONGEST else f"h{_digest(value)}"
    if value is None:
        return "z"
    if isinstance(value, bool):
        return "t" if value else "f"
    return _normal_number(value) if isinstance(value, int | Decimal) else None


def _normal_number(value: int | Decimal) -> str:
    sign, digits, exponent = (value if isinstance(value, Decimal) else Decimal(value)).as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    kept = text.rstrip("0")
    if not kept:
        return "n0"
    written = f"{'-' if sign else ''}{kept}e{int(exponent) + len(text) - len(kept)}"
    return f"n{written}" if len(written) <= LONGEST else f"m{_digest(written)}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
