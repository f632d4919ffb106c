"""What a pattern of names is about now: queues, streams and topics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from brokerweb.core.names import KINDS, glob
from brokerweb.queues.models import Queue
from brokerweb.routing.models import Topic
from brokerweb.streams.models import Stream

NAMED = 5  # of what a pattern is about


class Matched(NamedTuple):
    """Some of it, as ``queue:orders``, and how many more there are."""

    names: Sequence[str]
    more: int


def there() -> Mapping[str, Sequence[str]]:
    """The names of everything, by kind."""
    return {
        "queue": list(Queue.declared.order_by("name").values_list("name", flat=True)),
        "stream": list(Stream.objects.filter(deleted_at=None).order_by("name").values_list("name", flat=True)),
        "topic": list(Topic.objects.order_by("name").values_list("name", flat=True)),
    }


def matched(known: Mapping[str, Sequence[str]], kind: str | None, pattern: str, kinds: Sequence[str] = KINDS) -> Matched:
    """Of what is there what the pattern is about, of one kind or of all that can be meant."""
    matches = glob(pattern).fullmatch
    wanted = [each for each in kinds if kind in (None, each)]
    named = [f"{each}:{name}" for each in wanted for name in known[each] if matches(name)]
    return Matched(named[:NAMED], max(0, len(named) - NAMED))
