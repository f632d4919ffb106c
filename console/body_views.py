"""The ways in which a page shows a body: laid out, as a tree or table of what it was decoded to, as it came, or as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from brokerweb.console import bodies
from brokerweb.console.body_trees import Part, drawn, table
from brokerweb.decoding.decoders import DECODERS, Decoded, Schema, decode
from brokerweb.decoding.images import image
from brokerweb.decoding.values import is_branch

TREE, TABLE = "tree", "table"


def viewed(given: QueryDict, body: bytes, content_type: str, schemas: Sequence[Schema] = ()) -> dict[str, Any]:
    """What the template of a body needs. The address says which view, read as what (``as``), and which part (``at``).

    ``schemas`` are those that hold where it lies.
    """
    picture, read_as = image(body, content_type), given.get("as", "")
    found = Decoded(None) if picture is not None and not read_as else decode(body, content_type, read_as, schemas)
    rows = table(found.value) if found.decoder is not None else None
    views = _views(found, rows is not None)
    view = given.get("view", "")
    view = view if view in views else _usual(found, given, len(body))
    shown = bodies.show(body, view if view in bodies.VIEWS else "raw")
    kept = [(name, str(value)) for name, value in given.items() if name not in ("view", "at", "start")]
    context: dict[str, Any] = {
        "views": [(each, urlencode([("view", each), *kept])) for each in views],
        "view": view if view in (TREE, TABLE) else shown.view,
        "shown": shown,
        "decoded": found,
        "decoders": [(decoder.name, decoder.label) for decoder in (*DECODERS, *(schema.decoder for schema in schemas))],
        "read_as": read_as,
        "kept_fields": [(name, value) for name, value in kept if name != "as" and value.isprintable()],
        "image": picture,
        "table": rows if view == TABLE else None,
    }
    return context | (_tree(given, found, [("view", TREE), *kept]) if view == TREE else {})


def _tree(given: QueryDict, found: Decoded, query: list[tuple[str, str]]) -> dict[str, Any]:
    part = Part.of(found.value, given.get("at", "")[:2_000], given.get("start", ""))
    above = [(name, urlencode([*query, *([("at", where)] if where else [])])) for name, where in part.above]
    return {"part": part, "above": above, "tree": drawn(part, query)}


def _views(found: Decoded, rows: bool) -> list[str]:
    if found.decoder is None:
        return list(bodies.VIEWS)
    decoded = [TREE] * is_branch(found.value) + [TABLE] * rows
    return ["pretty", *decoded, "raw", "hex"] if found.decoder.name == "json" else [*(decoded or [TREE]), "hex"]


def _usual(found: Decoded, given: QueryDict, size: int) -> str:
    """The view of a body for which none is asked: a tree of what only a decoder reads, is too long to lay out, or is a part."""
    if found.decoder is None:
        return "pretty"
    long = is_branch(found.value) and (size > bodies.LONGEST_SHOWN or bool(given.get("at")))
    return TREE if long or found.decoder.name != "json" else "pretty"
