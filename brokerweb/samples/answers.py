"""What is answered of samples: figures a second and in seconds, a column each, None where there is no sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from brokerweb.core import clock, remembered
from brokerweb.core.errors import Invalid
from brokerweb.identity.grants import BROWSE, Permit
from brokerweb.identity.principal import Principal
from brokerweb.queues.models import Queue
from brokerweb.samples.reading import RANGES, Between, Over, Series, Steps, one
from brokerweb.samples.series import NOTHING, QUEUES, STREAMS, TICK, Kind, Sample, of, summed, tick_at
from brokerweb.storage.reading import Reads

DEFAULT = "1h"
REACH = RANGES["7d"] * TICK  # seconds that samples go back
REMEMBERED = 64  # sums of some queues
SUMMED = 100  # queues whose samples are added up for who may not browse all of them: the first by name

Column = Callable[[Sample, int], float | None]


def _share(name: str) -> Column:
    return lambda sample, seconds: round(getattr(sample, name) / seconds, 3)


def _count(name: str) -> Column:
    return lambda sample, seconds: getattr(sample, name)


def oldest(sample: Sample, seconds: int = 0) -> float | None:
    """For how many seconds the oldest waits: 0 where nothing does, None where that was not looked for."""
    if sample.oldest:
        return (sample.oldest - 1) / 10
    return None if sample.ready else 0


def _nothing(sample: Sample, seconds: int) -> None:
    return None


COUNTS: dict[str, Column] = {name: _count(name) for name in ("ready", "scheduled", "blocked", "leased", "dead")}
FLOW: dict[str, Column] = {"in": _share("came"), "out": _share("went"), "failed": _share("failed")}
COLUMNS: dict[Kind, dict[str, Column]] = {
    Kind.QUEUE: {**COUNTS, **FLOW, "oldest_age": oldest},
    Kind.STREAM: {**{name: COUNTS[name] for name in ("ready", "leased", "dead")}, **FLOW, "oldest_age": _nothing},
    Kind.TOPIC: {**dict.fromkeys(("ready", "leased", "dead"), _nothing), **FLOW, "oldest_age": _nothing},
    Kind.GROUP: {
        "lag": _count("ready"),
        "lag_seconds": oldest,
        "read": _share("went"),
        "in": _share("came"),
        "failed": _share("failed"),
        "leased": _count("leased"),
        "dead": _count("dead"),
    },
}
OF_STREAMS: dict[str, Column] = {"appended": _share("came"), "read": _share("went"), "lag": _count("ready")}


def parse_range(text: str | None) -> str:
    """The name of a range. Raises Invalid."""
    if text is not None and text not in RANGES:
        raise Invalid.at("/range", f"one of {', '.join(RANGES)}")
    return text or DEFAULT


def parse_between(first: str | None, last: str | None) -> Between | None:
    """A range of one's own, by its two instants; None without them. Raises Invalid."""
    if first is None and last is None:
        return None
    since, until = _instant(first, "/from"), _instant(last, "/to")
    wall = clock.wall()
    if since < wall - clock.seconds(REACH):
        raise Invalid.at("/from", "an instant of the last seven days")
    between = Between(tick_at(since), tick_at(min(until, wall)))
    if between.ticks < 1:
        raise Invalid.at("/to", "at least ten seconds after from, and not in the future")
    return between


def _instant(text: str | None, pointer: str) -> int:
    try:
        return clock.parse_rfc3339(text or "")
    except (ValueError, OverflowError):
        raise Invalid.at(pointer, "an RFC 3339 instant with a time zone; from and to go together") from None


def columns(series: Series, named: dict[str, Column]) -> dict[str, list[float | None]]:
    """The figures of each step."""
    seconds = series.steps.seconds
    return {
        name: [None if sample is None else column(sample, seconds) for sample in series.samples] for name, column in named.items()
    }


def shown(series: Series, named: dict[str, Column]) -> dict[str, Any]:
    """A series as an answer has it."""
    return {
        "step": series.steps.seconds,
        "at": [clock.rfc3339(instant) for instant in series.instants],
        **columns(series, named),
    }


def thing(reads: Reads, kind: Kind, number: int, over: Over, since: int) -> dict[str, Any]:
    """The samples of a queue, stream, group or topic that exists since an instant of the wall."""
    return shown(one(reads, of(kind, number), over, since), COLUMNS[kind])


def everything(reads: Reads, principal: Principal, over: Over) -> dict[str, Any]:
    """Those of all queues and streams; for who may not browse all of them, of the queues that they may."""
    if browses_all(principal):
        streams = one(reads, STREAMS, over)
        return shown(one(reads, QUEUES, over), COLUMNS[Kind.QUEUE]) | columns(streams, OF_STREAMS)
    return shown(all_queues(reads, principal, over), COLUMNS[Kind.QUEUE])


def browses_all(principal: Principal) -> bool:
    """Whether there is nothing that the caller may not browse."""
    return any(permit.of_everything and permit.gives(BROWSE) for permit in principal.permits)


def all_queues(reads: Reads, principal: Principal, over: Over) -> Series:
    """All queues that the caller may browse, added up; where these are only some, the first ``SUMMED`` of them."""
    whole = one(reads, QUEUES, over)
    if browses_all(principal):
        return whole
    asked = (frozenset(principal.permits), over, whole.steps, whole.samples[-1])
    if (known := _sums.get(asked)) is None:
        if len(_sums) >= REMEMBERED:
            _sums.clear()
        known = _sums[asked] = _some_queues(reads, principal, over, whole)
    return known


# Each is asked for again every five seconds by whoever looks at it, and is another only when a step has ended or has its sample.
_sums: dict[tuple[frozenset[Permit], Over, Steps, Sample | None], Series] = {}
remembered.of_store(_sums.clear)


def _some_queues(reads: Reads, principal: Principal, over: Over, whole: Series) -> Series:
    names = Queue.declared.order_by("name").values_list("pk", "name").iterator(chunk_size=500)
    mine = [pk for pk, name in names if principal.may(BROWSE, "queue", name)][:SUMMED]
    found = [one(reads, of(Kind.QUEUE, pk), over) for pk in mine]
    if not found:
        return whole._replace(samples=[sample and NOTHING for sample in whole.samples])
    return whole._replace(samples=[_summed(samples) for samples in zip(*(series.samples for series in found), strict=True)])


def _summed(samples: Iterable[Sample | None]) -> Sample | None:
    there = [sample for sample in samples if sample is not None]
    return summed(there) if there else None
