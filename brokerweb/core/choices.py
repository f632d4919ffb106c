"""What may stand at a place of a type: msgspec says that a text, or a field, is none of those there are, and not which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from msgspec import inspect


def choices(kind: Any, steps: Sequence[str]) -> list[str]:
    """The texts that may stand behind these steps, names of fields and numbers of elements; none where it is not one of some."""
    return sorted({str(value) for each in _there(kind, steps) for value in _values(each)})


def fields(kind: Any, steps: Sequence[str]) -> list[str]:
    """The names that the object there may have."""
    there = (part for each in _there(kind, steps) for part in _parts(each))
    return [field.encode_name for part in there if isinstance(part, inspect.StructType) for field in part.fields]


@cache  # it takes a thousand times as long as the rest
def _info(kind: Any) -> inspect.Type:
    return inspect.type_info(kind)


def _there(kind: Any, steps: Sequence[str]) -> list[inspect.Type]:
    found = [_info(kind)]
    for step in steps:
        found = [inner for each in found for inner in _behind(each, step)]
    return found


def _parts(info: inspect.Type) -> Iterator[inspect.Type]:
    """The type, or those that it stands for."""
    if isinstance(info, inspect.Metadata):
        yield from _parts(info.type)
    elif isinstance(info, inspect.UnionType):
        for each in info.types:
            yield from _parts(each)
    else:
        yield info


def _behind(info: inspect.Type, step: str) -> Iterator[inspect.Type]:
    for part in _parts(info):
        if isinstance(part, inspect.StructType):
            yield from (field.type for field in part.fields if field.encode_name == step)
        elif isinstance(part, inspect.ListType | inspect.VarTupleType):
            yield part.item_type
        elif isinstance(part, inspect.DictType):
            yield part.value_type


def _values(info: inspect.Type) -> Iterator[Any]:
    for part in _parts(info):
        if isinstance(part, inspect.LiteralType):
            yield from part.values
        elif isinstance(part, inspect.EnumType):
            yield from (each.value for each in part.cls)
