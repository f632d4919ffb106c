"""What the page that confirms a consumer group's deletion says."""

from __future__ import annotations

from brokerweb.console.deletions import Deletion
from brokerweb.console.frames import group_crumbs
from brokerweb.console.groups import reading
from brokerweb.console.page import SignedIn
from brokerweb.console.templatetags.brokerweb_console import number


def deletion(request: SignedIn, stream: str, name: str) -> Deletion:
    """Raises NotFound."""
    shown = reading.one(stream, name)
    facts = [("Members", number(len(shown["members"]))), ("Left to read", number(shown["lag"]))]
    if "counts" in shown:
        facts.append(("Dead letters", number(shown["counts"]["dead"])))
    return Deletion(
        request,
        name,
        "The group and its positions are deleted for good, with the dead letters of a shared one. The records stay.",
        facts,
        "Delete the group",
        group_crumbs(stream, name),
    )
