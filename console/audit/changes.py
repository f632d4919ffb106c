"""What an entry of the trail changed, place by place, as JSON: what was there, and what is there now."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

FEW = 6  # are shown at once, more when they are asked for
_NOTHING = object()


class Change(NamedTuple):
    """One place: JSON before and after, None where nothing was or is."""

    place: str
    before: str | None
    after: str | None


def changes(before: Any, after: Any) -> list[Change]:
    """What differs between two values, at the smallest places; of lists the items that one of them has alone."""
    return list(_between(_NOTHING if before is None else before, _NOTHING if after is None else after, ""))


def _between(before: Any, after: Any, place: str) -> Iterator[Change]:
    if before is after or (_NOTHING not in (before, after) and _json(before) == _json(after)):
        return
    one, other = _members(before), _members(after)
    if _is_object(before) and _is_object(after) and (one or other):
        for name in dict.fromkeys([*one, *other]):
            yield from _between(one.get(name, _NOTHING), other.get(name, _NOTHING), f"{place}.{name}" if place else str(name))
    elif isinstance(before, list) and isinstance(after, list) and sorted(map(_json, before)) != sorted(map(_json, after)):
        had, has = Counter(map(_json, before)), Counter(map(_json, after))
        yield from (Change(place, item, None) for item in (had - has).elements())
        yield from (Change(place, None, item) for item in (has - had).elements())
    else:
        yield Change(place, *(None if value is _NOTHING else _json(value) for value in (before, after)))


def _is_object(value: Any) -> bool:
    return value is _NOTHING or isinstance(value, Mapping)


def _members(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def pretty(value: Any) -> str:
    """A whole value as JSON with its members in lines."""
    return json.dumps(value, ensure_ascii=False, indent=2)
