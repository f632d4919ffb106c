"""The figures of streams, consumer groups and topics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from brokerweb.core import events
from brokerweb.core.errors import NotFound
from brokerweb.routing import stats as topic_stats
from brokerweb.routing.models import Topic
from brokerweb.storage.reading import read
from brokerweb.streams import group_objects
from brokerweb.streams import stats as stream_stats
from brokerweb.streams.models import ConsumerGroup, Partition

_TOPIC_EVENTS = {events.PUBLISHED: "Messages published", events.UNROUTED: "Messages that no binding matched"}


def stored_streams(names: dict[int, str]) -> Iterator[Metric]:
    """By partition what there is, and how far groups are behind; of streams by their ids."""
    yield from _partitions(names)
    yield from _groups(names)


def _partitions(names: dict[int, str]) -> Iterator[Metric]:
    labels = ["stream", "partition"]
    records = GaugeMetricFamily("brokerweb_stream_records", "Records there are.", labels=labels)
    size = GaugeMetricFamily("brokerweb_stream_bytes", "Bytes of bodies, keys and headers.", labels=labels)
    low = GaugeMetricFamily("brokerweb_stream_low_offset", "The oldest offset there is.", labels=labels)
    end = GaugeMetricFamily("brokerweb_stream_end_offset", "The offset the next record gets.", labels=labels)
    for partition in Partition.objects.order_by("stream_id", "number").iterator():
        if partition.stream_id in names:
            label = [names[partition.stream_id], str(partition.number)]
            records.add_metric(label, partition.records)
            size.add_metric(label, partition.bytes)
            low.add_metric(label, partition.low_offset)
            end.add_metric(label, partition.next_offset)
    yield from (records, size, low, end)


def stream_events(names: dict[int, str]) -> Iterator[Metric]:
    """By stream what happened."""
    totals = stream_stats.totals()
    for event in events.STREAM_EVENTS:
        text = f"Records {event} since the process started."
        family = CounterMetricFamily(f"brokerweb_stream_{event}", text, labels=["stream"])
        for pk, name in names.items():
            family.add_metric([name], totals.get((event, pk), 0))
        yield family


def _groups(names: dict[int, str]) -> Iterator[Metric]:
    lag = GaugeMetricFamily("brokerweb_group_lag", "Offsets left to read.", labels=["stream", "group", "partition"])
    members = GaugeMetricFamily("brokerweb_group_members", "Members.", labels=["stream", "group"])
    for stream_id, group in ConsumerGroup.objects.order_by("stream_id", "name").values_list("stream_id", "name"):
        if stream_id not in names:
            continue
        try:
            shown = read(group_objects.describe, names[stream_id], group)
        except NotFound:  # it went meanwhile
            continue
        members.add_metric([names[stream_id], group], len(shown["members"]))
        for partition in shown["partitions"]:
            lag.add_metric([names[stream_id], group, str(partition["partition"])], partition["lag"])
    yield from (lag, members)


def of_topics(topics: Sequence[Topic]) -> Iterator[Metric]:
    """What was published through each."""
    totals = topic_stats.totals()
    for event, what in _TOPIC_EVENTS.items():
        family = CounterMetricFamily(f"brokerweb_topic_{event}", f"{what} since the process started.", labels=["topic"])
        for topic in topics:
            family.add_metric([topic.name], totals.get((event, topic.pk), 0))
        yield family
