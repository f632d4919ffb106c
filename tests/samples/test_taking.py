"""What is sampled of a store, and what is read of that: figures by the verbs that made them, instants moved by hand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from brokerweb.cluster.models import FreshSamples, HourOfSamples
from brokerweb.core import clock, events
from brokerweb.identity.grants import Permit
from brokerweb.identity.principal import Principal
from brokerweb.queues import control, stats
from brokerweb.queues.filters import ALL
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Queue
from brokerweb.routing import publishing, topics
from brokerweb.routing import stats as topic_stats
from brokerweb.routing.messages import TopicMessage
from brokerweb.routing.models import Topic
from brokerweb.samples import answers, rolling, store, taking
from brokerweb.samples.answers import COLUMNS, columns
from brokerweb.samples.reading import Between, many, one
from brokerweb.samples.series import HOUR, MINUTE, QUEUES, SLOT, STREAMS, TICK, Kind, Sample, of
from brokerweb.storage import disk, reading
from brokerweb.storage.run import perform
from brokerweb.streams import control as streams
from brokerweb.streams import engine as records
from brokerweb.streams import groups, positions, progress
from brokerweb.streams.models import ConsumerGroup, Stream
from brokerweb.streams.records import NewRecord
from tests.contract.store import Store
from tests.queues.bench import Time

pytestmark = pytest.mark.django_db(transaction=True)
START = 1_800_000_000 // TICK // HOUR * HOUR  # a tick that ends an hour


def finished(duty: Coroutine[Any, Any, float]) -> None:
    """Run a duty that waits for nothing: its calls are made at once, on this thread."""
    with contextlib.suppress(StopIteration):
        duty.send(None)
        raise AssertionError("it waits")


class Stand:
    """A store whose samples are taken when the test says so; the wall goes with the ticks."""

    def __init__(self, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.time, self.tick = Store(time), time, START
        monkeypatch.setattr(clock, "wall", lambda: time.at)
        for module in (taking, rolling):
            monkeypatch.setattr(module, "aread", self._aread)
            monkeypatch.setattr(module, "aperform", self._aperform)
        time.at = START * TICK * clock.SECOND
        for install in (stats.install, topic_stats.install, progress.install):
            install()
        self.restart()

    async def _aread(self, call: Callable[..., Any], *args: Any) -> Any:
        return reading.read(call, *args)

    async def _aperform(self, verb: Callable[..., Any], *args: Any) -> Any:
        return perform(verb, *args)

    def restart(self) -> None:
        """A broker begins: it knows nothing, and takes its first sample at the end of the step that it is in."""
        self.sampler, self.rolling = taking.Sampler(), rolling.Rolling()
        finished(self.sampler.tick(0))

    def step(self, ticks: int = 1) -> None:
        """Time goes on, and samples are taken."""
        for _ in range(ticks):
            self.tick += 1
            self.time.at = self.tick * TICK * clock.SECOND
            finished(self.sampler.tick(0))

    def roll(self) -> None:
        """What is fresh is kept by the minute, as far as slots have ended."""
        finished(self.rolling.tick(0))
        while self.rolling._left:
            finished(self.rolling.tick(0))
        finished(self.rolling.tick(0))

    def series(self, series: int, named: str = "15m", since: int | None = None) -> list[Sample | None]:
        return reading.read(one, series, named, since).samples

    def last(self, series: int, n: int = 1, named: str = "15m") -> list[Sample | None]:
        return self.series(series, named)[-n:]


@pytest.fixture
def stand(time: Time, monkeypatch: pytest.MonkeyPatch) -> Stand:
    return Stand(time, monkeypatch)


def test_a_time_of_ones_own_is_what_the_last_hour_says_of_it(stand: Stand):
    orders = stand.store.queue()
    for n in range(150):
        orders.publish(n)
        stand.step()
    whole = reading.read(one, queue(), "1h")
    first, last = stand.tick - 100, stand.tick - 40
    mine = reading.read(one, queue(), Between(first, last))
    assert (mine.steps.ticks, list(mine.steps.all)) == (1, list(range(first + 1, last + 1)))
    known = dict(zip(whole.steps.all, whole.samples, strict=True))
    assert mine.samples == [known[step] for step in mine.steps.all]
    assert mine.samples[-1] is not None
    ahead = reading.read(one, queue(), Between(first, stand.tick + 200))
    assert ahead.steps.last == stand.tick, "what is still to come is not in it"
    long = reading.read(one, queue(), Between(stand.tick - 900, stand.tick - 6))
    day = reading.read(one, queue(), "24h")
    by_minute = dict(zip(day.steps.all, day.samples, strict=True))
    assert long.steps.ticks == MINUTE
    assert long.samples == [by_minute[step] for step in long.steps.all]


def queue(name: str = "orders") -> int:
    return of(Kind.QUEUE, Queue.objects.get(name=name).pk)


def test_a_queue_is_sampled_by_state_with_what_came_and_went(stand: Stand):
    orders = stand.store.queue()
    stand.step()
    orders.publish(1, 2, 3, 4, 5)
    orders.publish(6, delay=500)
    stand.step()
    assert stand.last(queue())[0] == Sample(ready=5, scheduled=1, oldest=101, came=6)
    orders.ack(*orders.lease(2))
    orders.nack(orders.take(), delay=0)
    orders.lease()
    stand.step()
    sample = stand.last(queue())[0]
    assert sample is not None
    assert (sample.ready, sample.scheduled, sample.leased, sample.went, sample.failed) == (2, 1, 1, 2, 1)


def test_where_nothing_changes_nothing_is_written_and_all_is_known(stand: Stand):
    orders = stand.store.queue()
    orders.publish(1, 2, 3)
    stand.step(2)
    there = FreshSamples.objects.count()
    stand.step(4)
    of_queues = FreshSamples.objects.exclude(bucket=0)
    assert FreshSamples.objects.count() - there == 4 + 1, "each tick says that it was taken"
    assert of_queues.count() == 2, "the first tick, and the last of its minute, since the queue changed in that"
    assert [sample and (sample.ready, sample.came, sample.oldest) for sample in stand.last(queue(), 5)] == [
        (3, 0, 201), (3, 0, 301), (3, 0, 401), (3, 0, 501), (3, 0, 601),
    ]  # fmt: skip


def test_an_empty_idle_queue_takes_no_room(stand: Stand):
    stand.store.queue()
    stand.step(2 * SLOT)
    stand.roll()
    assert not FreshSamples.objects.exclude(bucket=0).exists()
    assert set(HourOfSamples.objects.values_list("series", flat=True)) <= {QUEUES, STREAMS}
    assert stand.last(queue()) == [Sample()]


def test_what_was_not_there_or_not_sampled_is_unknown(stand: Stand):
    stand.step(3)
    stand.store.queue().publish(1)
    born = stand.time.at
    stand.step(2)
    stand.tick += 20  # nobody runs
    stand.time.at = stand.tick * TICK * clock.SECOND
    stand.restart()
    stand.step(2)
    known = [sample is not None for sample in stand.series(queue(), since=born)][-27:]
    assert known == [False] * 2 + [True] * 3 + [False] * 20 + [True] * 2
    assert [sample and sample.ready for sample in stand.last(queue(), 2)] == [1, 1]


def test_what_emptied_while_nobody_looked_is_empty_after_a_start(stand: Stand):
    orders = stand.store.queue()
    orders.publish(1)
    stand.step(2)
    orders.drain()
    stand.restart()
    stand.step()
    assert stand.last(queue()) == [Sample()]


def test_what_leaves_without_a_settlement_has_left_and_what_comes_uncounted_has_come(stand: Stand):
    orders = stand.store.queue()
    stand.step()
    orders.publish(*range(10))
    stand.step()
    stand.store.do(control.purge, "orders", ALL)
    events._listeners.clear()  # as in a process that does not tell this one
    orders.publish(1, 2)
    stand.step()
    sample = stand.last(queue())[0]
    assert sample is not None
    assert (sample.ready, sample.came, sample.went) == (2, 0, 8)


def test_all_queues_are_added_up(stand: Stand):
    for name in ("a", "b"):
        stand.store.queue(name).publish(1, 2)
    stand.step()
    stand.store.queue("a").publish(3)
    stand.step()
    assert stand.last(QUEUES) == [Sample(ready=5, oldest=201, came=1)]


def test_the_queues_of_a_caller_are_added_up_anew_when_the_sample_of_a_step_has_come(stand: Stand):
    stand.store.queue("mine.a").publish(1, 2)
    caller = Principal("caller", "token:7", permits=[Permit(None, "mine.*", frozenset({"browse"}))])
    stand.time.at = (stand.tick + 1) * TICK * clock.SECOND  # the step is over, and its sample is not taken yet
    assert reading.read(answers.all_queues, caller, "15m").samples[-1] is None
    stand.step()
    seen = reading.read(answers.all_queues, caller, "15m").samples[-1]
    assert seen is not None
    assert seen.ready == 2


def test_a_stream_and_its_groups(stand: Stand):
    stand.store.do(streams.declare, "log", {})
    stand.store.do(groups.declare_group, "log", "g", {"start": "earliest"})
    stand.step()
    stand.store.do(records.append, "log", [NewRecord(b"1"), NewRecord(b"2"), NewRecord(b"3")])
    stand.step()
    stream, group = of(Kind.STREAM, Stream.objects.get().pk), of(Kind.GROUP, ConsumerGroup.objects.get().pk)
    assert stand.last(stream) == [Sample(ready=3, came=3)]
    assert stand.last(group) == [Sample(ready=3, oldest=101, came=3)]
    stand.store.do(positions.commit, "log", "g", {0: 2})
    stand.step()
    assert stand.last(group) == [Sample(ready=1, oldest=201, went=2)]
    stand.store.do(positions.seek, "log", "g", "earliest")
    stand.step()
    assert stand.last(group) == [Sample(ready=3, oldest=301)], "a seek reads nothing"
    shown = columns(reading.read(one, group, "15m", None), COLUMNS[Kind.GROUP])
    assert (shown["lag"][-1], shown["lag_seconds"][-1], shown["read"][-2:]) == (3, 30.0, [0.2, 0])
    assert stand.last(STREAMS)[0] == Sample(ready=3, oldest=301)


def test_a_topic(stand: Stand):
    stand.store.queue()
    bindings = [{"pattern": "a", "to": "queue:orders"}]
    stand.store.do(topics.declare, "news", {"bindings": bindings, "unrouted": "drop"})
    stand.step()
    for key in ("a", "a", "b"):
        stand.store.do(publishing.publish, "news", [TopicMessage(NewMessage(b"1"), key)])
    stand.step(2)
    assert stand.last(of(Kind.TOPIC, Topic.objects.get().pk), 2) == [Sample(came=3, went=2, failed=1), Sample()]


def test_the_oldest_is_looked_for_again_where_messages_are_handed_out(stand: Stand):
    orders = stand.store.queue()
    orders.publish(1)
    stand.step()
    orders.ack(orders.take())
    orders.publish(2)
    stand.step()
    sample = stand.last(queue())[0]
    assert sample is not None
    assert (sample.ready, sample.oldest) == (1, 101)


def test_minutes_are_kept_for_a_week_and_ticks_for_an_hour(stand: Stand):
    orders = stand.store.queue()
    stand.step()
    for n in range(6 * 30):
        orders.publish(n)
        stand.step()
    fine = stand.series(queue(), "1h")
    stand.roll()
    assert stand.series(queue(), "1h") == fine, "what is kept by the minute is still there by the tick"
    assert HourOfSamples.objects.filter(series=queue()).exists()
    stand.tick += 8 * 24 * HOUR
    stand.time.at = stand.tick * TICK * clock.SECOND
    stand.restart()
    stand.step(SLOT + 1)
    for _ in range(2):
        stand.roll()
    assert not HourOfSamples.objects.filter(hour__lt=stand.tick // HOUR - rolling.KEPT).exists()
    assert not FreshSamples.objects.filter(tick__lt=stand.tick - rolling.FRESH - SLOT).exists()


def test_the_minutes_are_those_of_the_ticks(stand: Stand):
    """Whether they were kept yet or not, in one piece or in several."""
    orders = stand.store.queue()
    stand.step(2)
    ready, expected = 0, {}
    for n in range(SLOT * 2 + 30):
        came = n * 7 % 5 if n % 40 < 25 else 0
        if came:
            orders.publish(*range(came))
        ready += came
        stand.step()
        expected[stand.tick] = (ready, came)
        if n in (SLOT, SLOT + 50):
            stand.roll()
    found = reading.read(one, queue(), "6h", None)
    for minute, sample in list(zip(found.steps.all, found.samples, strict=True))[-40:]:
        assert sample is not None
        came = sum(expected[tick][1] for tick in range(minute * 6 - 5, minute * 6 + 1))
        assert (sample.ready, sample.came) == (expected[minute * 6][0], came)


def test_little_pictures_show_what_the_series_say(stand: Stand):
    names = [f"q{n}" for n in range(40)]
    for name in names:
        stand.store.queue(name)
    stand.step(2)
    for n in range(SLOT + 40):
        stand.store.queue(names[n % 40]).publish(n)
        stand.step()
        if n == SLOT + 10:
            stand.roll()
    series = [queue(name) for name in names]
    found = reading.read(many, series, "1h")
    for each in series:
        whole = reading.read(one, each, "6h", None).samples[-60:]
        assert [spark and spark.depth for spark in found[each]] == [sample and sample.depth for sample in whole]
    week = reading.read(many, series, "7d")[series[0]]
    assert len(week) == 7 * 24
    assert max(spark.depth for spark in week if spark) == max(sample.depth for sample in stand.series(series[0], "6h") if sample)


def test_a_hundred_hours_go_at_a_time(stand: Stand):
    hours = [store.Hour(9, hour, {0: Sample(1)}) for hour in range(10)]
    perform(store.keep, hours, 9, 0)
    assert perform(store.forget, 7, 5) == 5
    assert sorted(HourOfSamples.objects.values_list("hour", flat=True)) == [5, 6, 7, 8, 9]


def test_a_full_disk_is_for_messages(stand: Stand, monkeypatch: pytest.MonkeyPatch):
    stand.store.queue().publish(1)
    stand.step(2)
    there = FreshSamples.objects.count()
    with monkeypatch.context() as full:
        full.setattr(disk.of(), "refusing", True)
        stand.step(3)
    assert FreshSamples.objects.count() == there
    stand.step(2)
    assert [sample is None for sample in stand.last(queue(), 6)] == [False, True, True, True, True, False]
