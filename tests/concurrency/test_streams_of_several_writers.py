"""Streams, groups, topics, transactions and jobs where several connections write at the same moment, as on PostgreSQL they do."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from brokerweb.core.errors import BrokerError, Conflict, NotFound, PreconditionFailed, Unauthenticated
from brokerweb.handout import lease, redaction
from brokerweb.identity import signin
from brokerweb.queues import control as queues
from brokerweb.queues import engine as messages
from brokerweb.queues.leasing import Terms
from brokerweb.queues.messages import NewMessage, Settle
from brokerweb.queues.models import Content
from brokerweb.routing import topics, transacting
from brokerweb.routing.bindings import Binding
from brokerweb.routing.messages import Publish, TopicMessage, TransactRequest
from brokerweb.storage.reading import Reads, read
from brokerweb.storage.run import after, perform
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import control, duties, engine, groups, membership, positions, reading
from brokerweb.streams.definitions import load
from brokerweb.streams.models import GroupPartition, Partition, Record, Stream, StreamDedup
from brokerweb.streams.records import Appended, Batch, NewRecord
from tests.concurrency.threads import in_threads, insisting
from tests.contract.streams import check_books
from tests.queues.bench import Time
from tests.routing.bench import bodies

pytestmark = pytest.mark.usefixtures("on_postgres", "time")


def do(verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return insisting(perform, verb, *args, **kwargs)


def declare(**settings: Any) -> None:
    do(control.declare, "events", settings)


def append(*bodies: object, **fields: Any) -> list[Appended]:
    return do(engine.append, "events", [NewRecord(str(body).encode(), **fields) for body in bodies])


def batch_of(reads: Reads, number: int, offset: int) -> Batch:
    return reading.read(reads, load(reads, "events").partitions[number], offset)


def follow(number: int, until: int, seen: list[str]) -> None:
    """Read as a client does, up to an offset, and note every body; no offset is missing."""
    offset = 0
    while offset < until:
        batch = read(batch_of, number, offset)
        assert [record.offset for record in batch.records] == list(range(offset, batch.next))
        seen += [record.body.decode() for record in batch.records]
        offset = batch.next


def test_no_reader_misses_what_is_appended_from_everywhere() -> None:
    declare(partitions=2)
    seen: dict[int, list[str]] = {0: [], 1: []}

    def append_some(name: str) -> None:
        for n in range(15):
            do(engine.append, "events", [NewRecord(f"{name}{n}".encode(), partition=number) for number in (1, 0, 1)])

    in_threads(*(partial(append_some, name) for name in "abc"), partial(follow, 0, 45, seen[0]), partial(follow, 1, 90, seen[1]))

    for number, times in ((0, 1), (1, 2)):
        for name in "abc":
            mine = [body for body in seen[number] if body.startswith(name)]
            assert mine == [f"{name}{n}" for n in range(15) for _ in range(times)], "everybody's own are in order"
    check_books()


def test_an_expected_offset_is_had_by_one() -> None:
    declare()
    had: list[int] = []

    def count_up() -> None:
        mine = 0
        while mine < 8:
            end = read(load, "events").partitions[0].end
            with suppress(Conflict):
                had.extend(a.offset for a in do(engine.append, "events", [NewRecord(b"1")], expected_offset=end))
                mine += 1

    in_threads(*[count_up] * 3)
    assert sorted(had) == list(range(24))


def test_a_dedup_id_that_comes_from_everywhere_is_one_record() -> None:
    declare(partitions=3)
    answers: list[Appended] = []

    def append_once(order: str) -> None:
        answers.extend(do(engine.append, "events", [NewRecord(d.encode(), dedup_id=d) for d in order]))

    in_threads(*(partial(append_once, order) for order in ("abc", "cba", "bca", "acb")))
    assert len({a[:2] for a in answers}) == Record.objects.count() == 3
    assert sum(not a.duplicate for a in answers) == 3


def test_a_committed_offset_never_goes_back() -> None:
    declare(partitions=2)
    for number in (0, 1):
        append(*range(30), partition=number)
    do(groups.declare_group, "events", "billing", {"start": "earliest"})
    over = threading.Event()

    def commit_in_order(order: list[int]) -> None:
        dice = random.Random(order[0])
        last = 0
        while last < 30:
            last = min(30, last + dice.randrange(1, 4))
            with suppress(Conflict):  # others have come further
                do(positions.commit, "events", "billing", dict.fromkeys(order, last))

    def watch() -> None:
        before = [0, 0]
        while not over.is_set():
            now = committed()
            assert all(a <= b for a, b in zip(before, now, strict=True))
            before = now

    def commit_all() -> None:
        try:
            in_threads(*(partial(commit_in_order, order) for order in ([0, 1], [1, 0], [0], [1])))
        finally:
            over.set()

    in_threads(watch, commit_all)
    assert committed() == [30, 30]


def committed() -> list[int]:
    return [place.committed for place in read(groups.places, read(groups.find_group, "events", "billing").id)]


def test_members_that_come_and_go_at_once_share_the_partitions(time: Time) -> None:
    declare(partitions=6)
    names = [f"member-{n}" for n in range(6)]
    generations: list[int] = []

    def come(name: str) -> None:
        joined = do(membership.join, "events", "billing", name, name=name)
        generations.append(joined.generation)
        if name in names[3:]:
            do(membership.leave, joined.group_id, name)

    in_threads(*(partial(come, name) for name in names), *[partial(do, membership.pass_on_due)] * 2)
    group = read(groups.find_group, "events", "billing")
    assert len(set(generations)) == 6
    assert group.generation >= max(generations)

    time.advance(membership.GRACE)
    do(membership.beat, group.id, names[:3])
    in_threads(*[partial(do, membership.pass_on_due)] * 2, *[partial(do, membership.expire_members)] * 2)
    owners = Counter(place.member for place in read(groups.places, group.id))
    assert owners == dict.fromkeys(names[:3], 2)

    time.advance(group.session_timeout)
    in_threads(*[partial(do, membership.expire_members)] * 3, partial(do, membership.beat, group.id, names[:1]))
    owners = Counter(place.member for place in read(groups.places, group.id))
    assert owners in ({names[0]: 6}, {None: 6}), "a heartbeat that came in time, or too late"


def test_a_group_has_a_place_in_every_partition_and_is_made_once() -> None:
    declare()

    def grow() -> None:
        for n in range(2, 9):
            declare(partitions=n)

    def join_all(member: str) -> None:
        for n in range(5):
            do(membership.join, "events", f"group-{n}", member, name=member)

    in_threads(grow, *(partial(join_all, member) for member in "ab"))
    found = [read(groups.find_group, "events", f"group-{n}").id for n in range(5)]
    partitions = set(Partition.objects.values_list("pk", flat=True))
    assert len(partitions) == 8
    for group_id in found:
        assert set(GroupPartition.objects.filter(group_id=group_id).values_list("partition_id", flat=True)) == partitions


def until_done(duty: Callable[..., int], over: threading.Event) -> None:
    """Run a duty in small turns until nothing is left to do for it, and nothing comes any more."""
    while do(duty, 7) or not over.is_set():
        pass


def test_what_is_removed_is_counted_down_once() -> None:
    declare(partitions=2, compact=True, retention_records=30)
    working = threading.Event()

    def append_some() -> None:
        for n in range(12):
            do(engine.append, "events", [NewRecord(b"1" * (n + m), key=f"k{m % 4}", partition=m % 2) for m in range(10)])
        working.set()

    def keep(duty: Callable[..., int]) -> None:
        until_done(duty, working)

    def redact_some() -> None:
        for n in range(60):
            with suppress(BrokerError):  # it is gone, or not there yet
                do(redaction.redact, "events", (n % 2, n), redaction.Copies({}, 0), by="me")

    in_threads(append_some, redact_some, *(partial(keep, duty) for duty in (duties.retain, duties.compact) * 2))
    for duty in (duties.retain, duties.compact):
        keep(duty)
    check_books()
    keys = Record.objects.filter(pk__gte=0).values_list("partition_id", "key")
    assert len(keys) == len(set(keys)) == 4, "of each key the last is there"


def test_nothing_is_left_of_a_stream_that_was_deleted_while_others_appended() -> None:
    declare(partitions=2, compact=True)
    ready, appended = threading.Barrier(4), list[int]()

    def append_on(name: str) -> None:
        ready.wait(20)
        n = 0
        while True:
            n += 1
            try:
                appended.append(len(append(n, n, key=name, dedup_id=f"{name}{n}")))
            except NotFound:
                return

    def delete() -> None:
        ready.wait(20)
        while len(appended) < 20:
            do(duties.compact)
        do(control.delete, "events")
        while do(duties.sweep_deleted) or Stream.objects.exists():
            pass

    in_threads(*(partial(append_on, name) for name in "abc"), delete)
    assert [model.objects.count() for model in (Stream, Partition, Record, StreamDedup)] == [0] * 4


def shared_queue() -> int:
    do(groups.declare_group, "events", "workers", {"kind": "shared", "start": "earliest"})
    queue_id = read(groups.find_group, "events", "workers").queue_id
    assert queue_id is not None
    return queue_id


def test_a_shared_group_hands_every_record_out_once() -> None:
    declare(partitions=2)
    append(*range(60))
    queue_id, taken = shared_queue(), list[Any]()

    def work(name: str) -> None:
        while leased := do(lease.lease, queue_id, 4, Terms(name)).messages:
            taken.extend(message.place for message in leased)
            do(messages.settle, [Settle("ack", message.receipt) for message in leased])

    in_threads(*(partial(work, name) for name in "abc"))
    assert sorted(taken) == [(number, offset) for number in (0, 1) for offset in range(30)]


def test_what_is_being_leased_is_redacted_as_well() -> None:
    declare()
    append(*["secret"] * 20)
    queue_id = shared_queue()

    def take() -> None:
        while do(lease.lease, queue_id, 1, Terms("w")).messages:
            pass

    def redact_all() -> None:
        for offset in reversed(range(20)):
            do(redaction.redact, "events", (0, offset), redaction.Copies({}, 0), by="me")

    in_threads(take, take, redact_all)
    assert not [content for content in Content.objects.all() if b"secret" in bytes(content.body)]
    assert not [record for record in Record.objects.all() if b"secret" in bytes(record.body)]


def test_what_was_checked_holds_when_the_verb_acts() -> None:
    """Everybody counts up what is declared, as with If-Match: no count is lost."""
    declare(retention_records=1)
    refused: list[int] = []

    def count_up() -> None:
        done = 0
        while done < 6:
            seen = control.get("events").retention_records or 0

            def check(_: Transaction, seen: int = seen) -> None:
                if control.get("events").retention_records != seen:
                    raise PreconditionFailed

            try:
                do(after(check, control.declare, "stream"), "events", {"retention_records": seen + 1})
                done += 1
            except PreconditionFailed:
                refused.append(seen)

    in_threads(*[count_up] * 3)
    assert control.get("events").retention_records == 19


def test_bindings_that_are_added_at_once_are_all_there() -> None:
    do(queues.declare, "orders", {})
    do(topics.declare, "news", {})

    def bind(name: str) -> None:
        for n in range(6):
            do(topics.bind, "news", [Binding(f"{name}.{n}", "queue:orders")])
            if n:
                do(topics.unbind, "news", [Binding(f"{name}.{n - 1}", "queue:orders")])

    in_threads(*(partial(bind, name) for name in "abc"))
    [shown] = topics.describe([topics.find("news")])
    assert sorted(binding["pattern"] for binding in shown["bindings"]) == ["a.5", "b.5", "c.5"]


def test_a_transaction_that_is_sent_from_everywhere_happens_once() -> None:
    declare()
    do(queues.declare, "orders", {})
    publish = [Publish(to, [TopicMessage(NewMessage(b"1"))]) for to in ("queue:orders", "stream:events")]
    answers: list[Any] = []

    def once(dedup_id: str) -> None:
        answers.append(do(transacting.transact, TransactRequest(publish=publish, dedup_id=dedup_id), owner="me"))

    in_threads(*(partial(once, dedup_id) for dedup_id in "aabbab"))
    assert Counter(answer.duplicate for answer in answers) == {False: 2, True: 4}
    assert len({bytes(answer.publish) for answer in answers}) == 2
    assert (bodies("orders"), Record.objects.count()) == (["1", "1"], 2)


def test_a_sign_in_code_lets_one_in() -> None:
    user = get_user_model()._default_manager.create_user("ann")
    code, entered = signin.create_code(user), list[str]()

    def enter() -> None:
        try:
            entered.append(signin.redeem(code).username)
        except Unauthenticated:
            return

    in_threads(*[enter] * 4)
    assert entered == ["ann"]
