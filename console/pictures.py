"""The pictures that pages show, of what the person may browse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.utils.safestring import SafeString

from brokerweb.cluster import marks
from brokerweb.cluster.models import Mark
from brokerweb.console import charts
from brokerweb.console.charts import MARKS, Chart, sparkline
from brokerweb.console.ranges import Range
from brokerweb.core import clock
from brokerweb.identity.principal import Principal
from brokerweb.queues.models import Queue
from brokerweb.samples import answers
from brokerweb.samples.reading import many, one
from brokerweb.samples.series import Kind, of
from brokerweb.storage.reading import read
from brokerweb.streams.models import Stream

Thing = tuple[Kind, int]
NOUNS = {Kind.QUEUE: "message", Kind.STREAM: "record", Kind.GROUP: "record"}


def of_queue(queue: Queue, over: Range) -> Chart:
    """A queue's messages by state, its oldest, and where that goes."""
    series = read(one, of(Kind.QUEUE, queue.pk), over.over, clock.from_datetime(queue.created_at))
    return charts.of_queue(series, over.over, queue.max_length, _marks(over, f"queue:{queue.name}"))


def of_group(stream: str, number: int, over: Range) -> Chart:
    """How far a group is behind."""
    return charts.of_group(read(one, of(Kind.GROUP, number), over.over), over.over, _marks(over, f"stream:{stream}"))


def of_stream(stream: Stream, over: Range) -> Chart:
    """What is appended to a stream and taken from it."""
    series = read(one, of(Kind.STREAM, stream.pk), over.over, clock.from_datetime(stream.created_at))
    return charts.of_flow(series, over.over, _marks(over, f"stream:{stream.name}"), ("Appended", "Removed"))


def of_everything(principal: Principal, over: Range) -> Chart:
    """What comes to the queues that the person may browse, and what goes."""
    series = read(answers.all_queues, principal, over.over)
    return charts.of_flow(series, over.over, _marks(over, principal=principal))


def sparklines(things: Iterable[Thing], over: Range) -> Mapping[Thing, SafeString]:
    """How much there was of each; of all of them at once, since what they have in common costs most."""
    wanted = {of(kind, number): (kind, number) for kind, number in things}
    found: dict[int, Any] = read(many, list(wanted), over.over) if wanted else {}
    return {thing: sparkline(found[series], NOUNS[thing[0]]) for series, thing in wanted.items()}


def marked(principal: Principal, limit: int) -> list[Mark]:
    """The newest marks there are, of what the person may browse."""
    wall = clock.wall()
    return marks.listed(wall - clock.seconds(marks.KEPT_FOR), wall + clock.SECOND, visible=_visible(principal), limit=limit)


def _visible(principal: Principal | None) -> Callable[[str], bool]:
    def shown(of_mark: str) -> bool:
        kind, _, name = of_mark.partition(":")
        return principal is None or principal.may("browse", kind, name)

    return shown


def _marks(over: Range, target: str | None = None, principal: Principal | None = None) -> list[Mark]:
    """The newest of that time: of one thing and of the whole broker, or of all that the person may browse."""
    return marks.listed(*over.instants, target=target, visible=_visible(principal), limit=MARKS)
