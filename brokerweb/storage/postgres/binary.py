"""Parameters in PostgreSQL's binary format, in a fraction of the driver's time, for the few types that statements take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain, repeat
from struct import Struct
from typing import Any

# What the server calls these types, and arrays of them.
BOOL, BYTEA, INT8, TEXT, FLOAT8 = 16, 17, 20, 25, 701
ARRAYS = {BOOL: 1000, BYTEA: 1001, INT8: 1016, TEXT: 1009, FLOAT8: 1022}
UNKNOWN = 0  # the server finds out by where it stands

_int8, _float8, _size = Struct(">q").pack, Struct(">d").pack, Struct(">i").pack
_head = Struct(">iiIii").pack  # dimensions, whether there are NULLs, the type of items, how many, the first one's number
_NULL = _size(-1)
_ITEMS = {INT8: "iq", FLOAT8: "id", BOOL: "i?"}
_SIZES = {INT8: 8, FLOAT8: 8, BOOL: 1}

Dumped = tuple[int, bytes | None]


def dumped(value: Any) -> Dumped:
    """A value's type, and its bytes."""
    kind = type(value)
    dump = _DUMPS.get(kind)
    if dump is None:
        dump = next((each for base, each in _DUMPS.items() if isinstance(value, base)), None)
        if dump is None:
            raise TypeError(f"statements take no {kind.__name__}")
    return dump(value)


def array(values: Sequence[Any]) -> Dumped:
    """Values of one type, some of which may be None."""
    example = next((value for value in values if value is not None), "")
    kind, _ = dumped(example)
    holes = None in values
    head = _head(1, int(holes), kind, len(values), 1)
    if kind in _ITEMS and not holes:
        return ARRAYS[kind], head + _items(_ITEMS[kind], len(values))(*chain.from_iterable(zip(repeat(_SIZES[kind]), values)))
    if kind == TEXT:
        items = [None if value is None else value.encode() for value in values]
    elif kind == BYTEA:
        items = list(values)
    else:
        items = [None if value is None else dumped(value)[1] for value in values]
    parts = chain.from_iterable((_NULL,) if item is None else (_size(len(item)), item) for item in items)
    return ARRAYS[kind], head + b"".join(parts)


@lru_cache(maxsize=256)
def _items(item: str, n: int) -> Callable[..., bytes]:
    return Struct(">" + item * n).pack


def _text(value: str) -> Dumped:
    return TEXT, value.encode()


_DUMPS: dict[type, Callable[[Any], Dumped]] = {
    bool: lambda value: (BOOL, b"\1" if value else b"\0"),
    int: lambda value: (INT8, _int8(value)),
    str: _text,
    bytes: lambda value: (BYTEA, value),
    bytearray: lambda value: (BYTEA, bytes(value)),
    memoryview: lambda value: (BYTEA, bytes(value)),
    float: lambda value: (FLOAT8, _float8(value)),
    type(None): lambda value: (UNKNOWN, None),
    list: array,
    tuple: array,
}
