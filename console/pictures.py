"""The pictures that pages show, of what the person may browse."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from brokerweb.cluster import marks
from brokerweb.cluster.models import Mark
from brokerweb.console import charts
from brokerweb.console.charts import MARKS, Chart, Sparklines, sparkline
from brokerweb.console.ranges import Range
from brokerweb.core import clock
from brokerweb.identity.principal import Principal
from brokerweb.queues.models import Queue
from brokerweb.samples import answers
from brokerweb.samples.reading import many, one
from brokerweb.samples.series import Kind, of
from brokerweb.storage.reading import read
from brokerweb.streams.models import Stream


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


def sparklines(kind: Kind, numbers: Iterable[int], over: Range, noun: str = "message") -> Sparklines:
    """How much there was of each."""
    found: dict[int, Any] = read(many, [of(kind, number) for number in numbers], over.over)
    return {number >> 3: sparkline(sparks, noun) for number, sparks in found.items()}


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
