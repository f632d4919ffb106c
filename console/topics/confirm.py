"""What the page that confirms a topic's deletion says."""

from __future__ import annotations

from brokerweb.console.deletions import Deletion
from brokerweb.console.frames import crumbs
from brokerweb.console.page import SignedIn
from brokerweb.console.templatetags.brokerweb_console import number
from brokerweb.routing import topics


def deletion(request: SignedIn, name: str) -> Deletion:
    """Raises NotFound."""
    [shown] = topics.describe([topics.find(name)])
    return Deletion(
        request,
        name,
        "The topic and its bindings are deleted for good. The queues and streams it leads to stay, with all they hold.",
        [("Bindings", number(len(shown["bindings"]))), ("Published", f"{shown['rates']['published']} per second")],
        "Delete the topic",
        crumbs("topic", name),
    )
