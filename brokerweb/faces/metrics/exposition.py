"""``/metrics`` for Prometheus: what the caller holds ``monitor`` on, the committer, connections, the process.

All of it adds up over the nodes of a cluster: each tells what happened and is connected at it, and what the database says is
told by one, which does the duties.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

import brokerweb
from brokerweb import sweep
from brokerweb.cluster import leasing
from brokerweb.core import clock, events
from brokerweb.core.errors import Forbidden, MethodNotAllowed
from brokerweb.delivery import connections
from brokerweb.delivery.polls import waits
from brokerweb.faces.http import caller
from brokerweb.faces.http.responses import problem, translated
from brokerweb.faces.metrics.streams import of_topics, stored_streams, stream_events
from brokerweb.identity.grants import MONITOR
from brokerweb.identity.principal import Principal
from brokerweb.queues import browse, stats
from brokerweb.queues.models import Queue
from brokerweb.routing.models import Topic
from brokerweb.storage import disk, upkeep
from brokerweb.storage.files import files_of
from brokerweb.storage.run import running
from brokerweb.streams.models import Stream
from brokerweb.wakeups import node

_process = ProcessCollector(registry=None)  # registered with the registry of each answer


@csrf_exempt  # it only reads
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures, in the text format."""
    try:
        principal = caller.of_request(request)
        if not any(permit.gives(MONITOR) for permit in principal.permits):
            raise Forbidden("this needs the verb monitor")
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed()
        registry = CollectorRegistry()
        registry.register(_Figures(principal))
        registry.register(_process)
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})
    except Exception as error:  # told as a problem, whatever it is
        response = problem(translated(error))
        if response.status_code == MethodNotAllowed.http_status:
            response["Allow"] = "GET, HEAD"
        return response


class _Figures(Collector):
    """What this process knows, and the counts that the store keeps."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal

    def collect(self) -> Iterator[Metric]:
        queues = [q for q in Queue.declared.all() if self.principal.may(MONITOR, "queue", q.name)]
        streams = Stream.objects.filter(deleted_at=None).order_by("name")
        names = {stream.pk: stream.name for stream in streams if self.principal.may(MONITOR, "stream", stream.name)}
        yield from _events(queues)
        yield from _consumers(queues)
        yield from stream_events(names)
        yield from of_topics([t for t in Topic.objects.order_by("name") if self.principal.may(MONITOR, "topic", t.name)])
        yield from _node()
        yield from _hints()
        yield from _swept()
        if leasing.here():
            yield from _states(queues)
            yield from _queues(queues)
            yield from stored_streams(names)
            yield from _damaged()
            yield from _store()
        yield from _disk()
        yield from _upkeep()


def _states(queues: list[Queue]) -> Iterator[Metric]:
    messages = GaugeMetricFamily("brokerweb_queue_messages", "Messages by state.", labels=["queue", "state"])
    counts = browse.counts(queue.pk for queue in queues)
    for queue in queues:
        for state, n in counts[queue.pk].items():
            messages.add_metric([queue.name, state], n)
    yield messages


def _events(queues: list[Queue]) -> Iterator[Metric]:
    totals = stats.totals()
    for event in events.QUEUE_EVENTS:
        family = CounterMetricFamily(f"brokerweb_queue_{event}", f"Messages {event} since the process started.", labels=["queue"])
        for queue in queues:
            family.add_metric([queue.name], totals.get((event, queue.pk), 0))
        yield family


def _queues(queues: list[Queue]) -> Iterator[Metric]:
    age = GaugeMetricFamily("brokerweb_queue_oldest_ready_age_seconds", "Age of the oldest ready message.", labels=["queue"])
    paused = GaugeMetricFamily("brokerweb_queue_paused", "1 where hand-out is paused.", labels=["queue"])
    for queue in queues:
        age.add_metric([queue.name], browse.oldest_ready_age(queue.pk) or 0)
        paused.add_metric([queue.name], int(queue.paused_at is not None))
    yield from (age, paused)


def _consumers(queues: list[Queue]) -> Iterator[Metric]:
    consumers = GaugeMetricFamily("brokerweb_queue_consumers", "Subscriptions at this node.", labels=["queue"])
    subscribed = connections.consumers_here()
    for queue in queues:
        consumers.add_metric([queue.name], subscribed[queue.pk])
    yield consumers


def _node() -> Iterator[Metric]:
    info = InfoMetricFamily("brokerweb", "The broker.")
    info.add_metric([], {"version": brokerweb.__version__})
    yield info
    yield GaugeMetricFamily("brokerweb_duties", "1 at the node that does the duties of the cluster.", value=int(leasing.here()))
    yield GaugeMetricFamily("brokerweb_connections", "Live WebSockets.", value=len(connections.live()))
    yield GaugeMetricFamily("brokerweb_long_polls", "Requests that wait for messages.", value=len(waits.live()))
    if (clocks := clock.running()) is not None:
        off = "How far the machine's wall clock was set forward (back: less than 0), until it has stood for an hour."
        yield GaugeMetricFamily("brokerweb_clock_difference_seconds", off, value=clocks.unsettled / clock.SECOND)
    if (committer := running()) is not None:
        yield CounterMetricFamily("brokerweb_committer_batches", "Batches committed, or tried.", value=committer.batches)
        yield CounterMetricFamily("brokerweb_committer_calls", "Calls in them.", value=committer.calls)
        failing = int(committer.last_error is not None)
        yield GaugeMetricFamily("brokerweb_committer_failing", "1 while commits fail.", value=failing)


def _hints() -> Iterator[Metric]:
    if node.current is None or node.current.sender is None or node.current.listener is None:
        return
    sender, listener = node.current.sender, node.current.listener
    yield CounterMetricFamily("brokerweb_hints_sent", "Hints told to other nodes.", value=sender.sent)
    yield CounterMetricFamily("brokerweb_hints_dropped", "Hints that could not be told.", value=sender.dropped)
    yield CounterMetricFamily("brokerweb_hints_received", "Hints of others.", value=listener.received)
    yield GaugeMetricFamily("brokerweb_hints_connected", "1 while hints come through.", value=int(node.current.connected))


def _store() -> Iterator[Metric]:
    if files_of(connection) is None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            yield GaugeMetricFamily("brokerweb_database_bytes", "Size of the database.", value=cursor.fetchone()[0])
        return
    file = str(connection.settings_dict["NAME"])
    yield GaugeMetricFamily("brokerweb_database_bytes", "Size of the database file.", value=_size(file))
    yield GaugeMetricFamily("brokerweb_wal_bytes", "Size of the write-ahead log beside it.", value=_size(file + "-wal"))


def _swept() -> Iterator[Metric]:
    figures = sweep.figures
    yield CounterMetricFamily("brokerweb_sweep_rows", "Messages and records compared with their checksums.", value=figures.rows)
    yield CounterMetricFamily("brokerweb_sweep_bytes", "Bytes of them.", value=figures.bytes)
    yield CounterMetricFamily("brokerweb_sweep_rounds", "Rounds over all there is.", value=figures.rounds)


def _damaged() -> Iterator[Metric]:
    damaged = GaugeMetricFamily("brokerweb_damaged", "Damaged, as the last round found.", labels=["kind"])
    for kind, n in sweep.figures.damaged.items():
        damaged.add_metric([kind], n)
    yield damaged


def _disk() -> Iterator[Metric]:
    place = disk.of()
    if place.free is not None:
        yield GaugeMetricFamily("brokerweb_disk_free_bytes", "Free on the database's disk.", value=place.free)
        yield GaugeMetricFamily("brokerweb_disk_limit_bytes", "Below this new messages are refused.", value=place.limit)
        yield GaugeMetricFamily(
            "brokerweb_disk_reserve_bytes", "Kept for a full disk; 0 once all is given up.", value=place.reserved
        )
        yield GaugeMetricFamily("brokerweb_disk_refusing", "1 while new messages are refused.", value=int(place.refusing))


def _upkeep() -> Iterator[Metric]:
    if files_of(connection) is None:
        yield CounterMetricFamily("brokerweb_vacuums", "Tables vacuumed by the broker.", value=upkeep.figures.runs)
        yield CounterMetricFamily("brokerweb_vacuum_seconds", "What that took.", value=upkeep.figures.seconds)
        open_for = upkeep.figures.oldest.seconds if upkeep.figures.oldest is not None else 0.0
        about = "How long the oldest transaction is open, of whomever: what died since it began cannot be vacuumed."
        yield GaugeMetricFamily("brokerweb_oldest_transaction_seconds", about, value=open_for)


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:  # there is no log yet
        return 0
