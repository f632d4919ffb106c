"""What the page that confirms a stream's deletion says."""

from __future__ import annotations

from brokerweb.console.deletions import Deletion, topics_to
from brokerweb.console.frames import crumbs
from brokerweb.console.page import SignedIn
from brokerweb.console.streams import reading
from brokerweb.console.templatetags.brokerweb_console import number, size
from brokerweb.streams import control


def deletion(request: SignedIn, name: str) -> Deletion:
    """Raises NotFound."""
    [row] = reading.rows([control.get(name)])
    facts = [("Records", number(row.sizes.records)), ("Size", size(row.sizes.bytes)), ("Consumer groups", number(row.groups))]
    return Deletion(
        request,
        name,
        "The stream, its records and its consumer groups are deleted for good. Its readers are told.",
        [*facts, *topics_to(request, f"stream:{name}")],
        f"Delete the stream and {row.sizes.records:,} record{'s' * (row.sizes.records != 1)}",
        crumbs("stream", name),
    )
