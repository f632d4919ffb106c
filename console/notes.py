"""What the tags of a note carry for its button. The project around the console may have notes with tags of its own."""

from __future__ import annotations

MARK = "brokerweb-undo"


def offer(url: str, entry: int | None) -> str:
    """The tags of a note with an Undo, which posts the trail's entry to ``url``; none without an entry."""
    return "" if entry is None else f"{MARK}|{url}|{entry}"


def offered(tags: str | None) -> tuple[str, str] | None:
    """What ``offer`` wrote: the address, and the entry."""
    mark, *rest = (tags or "").split("|")
    return (rest[0], rest[1]) if mark == MARK and len(rest) == 2 else None
