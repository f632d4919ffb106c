"""The rows of the palette."""

from __future__ import annotations

from typing import NamedTuple

from django.urls import reverse


class Hit(NamedTuple):
    """A row: where it leads, or with ``post``, the fields of a form, what it does at once."""

    icon: str
    text: str
    url: str
    hint: str = ""
    post: str = ""


class Part(NamedTuple):
    """Rows of one kind."""

    label: str
    hits: list[Hit]


def to(page: str, *args: object) -> str:
    """The address of a page of the console."""
    return reverse(f"brokerweb_console:{page}", args=args)


def first(parts: list[Part], most: int) -> list[Part]:
    """So many rows of them at most; parts without any are left out."""
    kept = []
    for part in parts:
        hits = part.hits[:most]
        most -= len(hits)
        if hits:
            kept.append(Part(part.label, hits))
    return kept
