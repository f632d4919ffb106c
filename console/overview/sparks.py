"""The little pictures of the overview: of what stands still, and of what is busiest; all of them are read at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from brokerweb.console.overview.attention import Findings
from brokerweb.console.pictures import Thing, sparklines
from brokerweb.console.ranges import Range
from brokerweb.console.rights import Known
from brokerweb.console.rows import QueueRow, StreamRow
from brokerweb.samples.series import Kind
from brokerweb.streams.models import ConsumerGroup

Place = tuple[str, str]  # a queue, or a stream and its group


class Shown(NamedTuple):
    """What the overview shows with little pictures."""

    findings: Findings
    busiest: Sequence[QueueRow]
    busiest_streams: Sequence[StreamRow]


def pictured(shown: Shown, queues: Iterable[Known], over: Range) -> Shown:
    """The same with these; ``queues`` are all that the person sees."""
    still = _things({finding.of for finding in shown.findings.shown if finding.of[0]}, queues)
    things = [*still.values(), *((Kind.QUEUE, row.pk) for row in shown.busiest)]
    sparks = sparklines([*things, *((Kind.STREAM, row.pk) for row in shown.busiest_streams)], over)
    found = [replace(each, spark=sparks[still[each.of]]) if each.of in still else each for each in shown.findings.shown]
    return Shown(
        shown.findings._replace(shown=found),
        [replace(row, spark=sparks[Kind.QUEUE, row.pk]) for row in shown.busiest],
        [replace(row, spark=sparks[Kind.STREAM, row.pk]) for row in shown.busiest_streams],
    )


def _things(places: Iterable[Place], queues: Iterable[Known]) -> dict[Place, Thing]:
    """What stands there; without what is there no more."""
    wanted = set(places)
    names, streams = {name for name, group in wanted if not group}, {name for name, group in wanted if group}
    found: dict[Place, Thing] = {(row.name, ""): (Kind.QUEUE, row.pk) for row in queues if row.name in names}
    if streams:
        rows = ConsumerGroup.objects.filter(stream__name__in=streams, stream__deleted_at=None)
        groups = {(stream, name): pk for pk, stream, name in rows.values_list("pk", "stream__name", "name")}
        found |= {place: (Kind.GROUP, pk) for place, pk in groups.items() if place in wanted}
    return found
