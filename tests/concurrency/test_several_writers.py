"""Several connections that write to one PostgreSQL at the same time: nobody has what another has, and every book is right."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from brokerweb.core.errors import BrokerError, Conflict, NotFound, QueueFull, Unavailable
from brokerweb.identity import masks
from brokerweb.identity.audit import Entry
from brokerweb.identity.models import AuditEntry
from brokerweb.identity.principal import broker_itself
from brokerweb.queues import control, counters, duties, engine, leasing, publish, retirement
from brokerweb.queues.filters import ALL
from brokerweb.queues.messages import Kind, Leased, NewMessage, Settle
from brokerweb.queues.models import Message, Queue, QueueCount
from brokerweb.queues.states import State
from brokerweb.storage.locks import Lock
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.storage.transaction import Transaction
from brokerweb.storage.transaction import transaction as unit
from tests.concurrency.threads import in_threads
from tests.contract.store import NO_JITTER, Orders, Store
from tests.eventually import eventually
from tests.queues.bench import Time

pytestmark = pytest.mark.usefixtures("on_postgres")
WRITERS, ROUNDS = 4, 25
TRIES = 50


def do(verb: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Run a verb in a commit of its own, again where others were in its way, as callers are told to."""
    for _ in range(TRIES):
        try:
            return perform(verb, *args, **options)
        except Unavailable:
            continue
    raise AssertionError(f"{verb.__name__} was refused {TRIES} times")


@pytest.fixture
def store() -> Store:
    return Store(Time())


def declared(store: Store, name: str, **settings: Any) -> Orders:
    perform(control.declare, name, {"backoff": NO_JITTER, "max_failures": None, **settings})
    return Orders(store, name)


def new(n: object, **fields: Any) -> NewMessage:
    return NewMessage(str(n).encode(), **fields)


class Hands:
    """What is held by whom, as the consumers know it: of nothing two, and of a key one."""

    def __init__(self) -> None:
        self.mutex = threading.Lock()
        self.held: dict[object, int] = {}
        self.leases: set[tuple[int, int]] = set()
        self.acked: defaultdict[str | None, list[int]] = defaultdict(list)

    def take(self, messages: list[Leased], *, keyed: bool = False) -> None:
        with self.mutex:
            for m in messages:
                assert (m.id, m.attempts) not in self.leases, "a lease was given twice"
                self.leases.add((m.id, m.attempts))
                what = m.key if keyed else m.id
                assert what not in self.held, f"{what} is held by two"
                self.held[what] = m.id

    def give_back(self, message: Leased, *, acked: bool, keyed: bool = False) -> None:
        """Before it is settled: from then on it may be another's."""
        with self.mutex:
            del self.held[message.key if keyed else message.id]
            if acked:
                self.acked[message.key].append(message.id)


KINDS: list[Kind] = ["ack", "ack", "ack", "nack", "release", "lose", "dead"]


def consume(hands: Hands, name: str, chance: random.Random, *, keyed: bool = False) -> None:
    messages = do(leasing.lease, name, chance.randint(1, 5), leasing.Terms(threading.current_thread().name)).messages
    hands.take(messages, keyed=keyed)
    for message in messages:
        kind = chance.choice(KINDS)
        hands.give_back(message, acked=kind == "ack", keyed=keyed)
        [answer] = do(engine.settle, [Settle(kind, str(message.receipt), delay=0 if kind == "nack" else None)])
        assert answer.status == "ok"


def drain(orders: Orders, hands: Hands, *, keyed: bool = False) -> None:
    while messages := do(leasing.lease, orders.name, 100, leasing.Terms("last")).messages:
        hands.take(messages, keyed=keyed)
        for message in messages:
            hands.give_back(message, acked=True, keyed=keyed)
            assert do(engine.settle, [Settle("ack", str(message.receipt))])[0].status == "ok"


def test_a_key_has_one_holder_and_is_never_stuck(store: Store):
    keyed, hands = declared(store, "keyed", keyed=True), Hands()
    published: list[int] = []

    def work(seed: int) -> Callable[[], None]:
        def run() -> None:
            chance = random.Random(seed)
            for _ in range(ROUNDS):
                keys = [chance.choice("abc") for _ in range(chance.randint(1, 3))]
                published.extend(a.id for a in do(engine.publish, "keyed", [new(key, key=key) for key in keys]))
                consume(hands, "keyed", chance, keyed=True)

        return run

    def others() -> None:
        for _ in range(ROUNDS):
            do(duties.promote)
            do(duties.expire_leases)
            do(counters.fold, 1)

    in_threads(*map(work, range(WRITERS)), others)
    store.check_books()
    assert read(duties.orphaned_keys) == []
    drain(keyed, hands, keyed=True)
    dead = set(Message.objects.filter(state=State.DEAD).values_list("pk", flat=True))
    assert sorted([*dead, *(id for ids in hands.acked.values() for id in ids)]) == sorted(published)
    for ids in hands.acked.values():
        assert ids == sorted(ids), "the order within a key is that of publishing"
    store.check_books()


def test_nothing_is_leased_twice_and_counts_are_exact(store: Store):
    orders, hands = declared(store, "orders"), Hands()
    published: list[int] = []

    def work(seed: int) -> Callable[[], None]:
        def run() -> None:
            chance = random.Random(seed)
            for n in range(ROUNDS):
                published.extend(a.id for a in do(engine.publish, "orders", [new(n) for _ in range(chance.randint(1, 5))]))
                with pytest.raises(NotFound):  # what is undone leaves nothing behind
                    perform(undone, "orders")
                consume(hands, "orders", chance)
                do(counters.fold)

        return run

    in_threads(*map(work, range(WRITERS)))
    store.check_books()
    assert QueueCount.objects.filter(queue_id=orders.row.pk).count() > 1
    drain(orders, hands)
    assert sorted([*hands.acked[None], *Message.objects.values_list("pk", flat=True)]) == sorted(published)
    store.check_books()


def undone(tx: Transaction, name: str) -> None:
    engine.publish(tx, name, [new(1), new(2)])
    leasing.lease(tx, name, 1, leasing.Terms("w"))
    engine.publish(tx, "there is none", [new(1)])


@pytest.mark.parametrize("overflow", ["refuse", "dead_letter_oldest"])
def test_a_limit_is_exact(store: Store, overflow: str):
    short = declared(store, "short", max_length=10, overflow=overflow)
    published: list[int] = []

    def work(seed: int) -> Callable[[], None]:
        def run() -> None:
            chance = random.Random(seed)
            for n in range(ROUNDS):
                try:
                    published.extend(a.id for a in do(engine.publish, "short", [new(n) for _ in range(chance.randint(1, 3))]))
                except QueueFull:
                    assert overflow == "refuse"
                if chance.random() < 0.3:
                    do(leasing.lease, "short", 2, leasing.Terms("w", acknowledge=False))

        return run

    def watch() -> None:
        for _ in range(ROUNDS):
            assert Message.objects.exclude(state=State.DEAD).count() <= 10

    in_threads(*map(work, range(WRITERS)), watch)
    store.check_books()
    live = sum(n for state, n in short.counts().items() if state != "dead")
    assert live <= 10
    assert len(published) == len(set(published))


def test_a_dedup_id_is_one_message_whoever_publishes_it(store: Store):
    declared(store, "orders")
    answers: list[tuple[str, int]] = []

    def work(seed: int) -> Callable[[], None]:
        def run() -> None:
            chance = random.Random(seed)
            for _ in range(ROUNDS):
                ids = chance.sample([f"d{n}" for n in range(60)], 5)
                accepted = do(engine.publish, "orders", [new(id, dedup_id=id) for id in ids])
                answers.extend(zip(ids, (a.id for a in accepted), strict=True))

        return run

    in_threads(*map(work, range(WRITERS)))
    assert len(set(answers)) == len({id for id, _ in answers})
    assert {id for _, id in answers} == set(Message.objects.values_list("pk", flat=True))
    store.check_books()


def test_two_who_need_the_same_queues_do_not_wait_for_each_other_for_ever(store: Store):
    """One moves from a to b, the other from b to a: whoever is refused tries again, and nothing is lost."""
    declared(store, "a", keyed=True)
    declared(store, "b", keyed=True)
    for name in "ab":
        perform(engine.publish, name, [new(n, key="k") for n in range(10)])
        while messages := perform(leasing.lease, name, 10, leasing.Terms("w")).messages:
            perform(engine.settle, [Settle("dead", str(m.receipt)) for m in messages])

    def move(origin: str, to: str) -> Callable[[], None]:
        def run() -> None:
            for _ in range(10):
                do(control.redrive, origin, ALL, to=to, limit=2)
                while messages := do(leasing.lease, to, 1, leasing.Terms("w")).messages:
                    do(engine.settle, [Settle("dead", str(m.receipt)) for m in messages])

        return run

    in_threads(move("a", "b"), move("b", "a"))
    assert Message.objects.count() == 20
    store.check_books()
    assert read(duties.orphaned_keys) == []


# One after the other, where that is the promise


def waits(n: int = 1) -> bool:
    """Whether so many transactions wait for another's end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return int(cursor.fetchone()[0]) >= n


@contextmanager
def beside(*verbs: Callable[[], Any]) -> Iterator[Transaction]:
    """A transaction, while which these begin and wait for it."""
    threads = [threading.Thread(target=each) for each in verbs]
    with unit() as tx:
        yield tx
        tx.flush()
        for thread in threads:
            thread.start()
        eventually(lambda: waits(len(threads)), why="the others wait")
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_a_limit_counts_what_another_is_about_to_store(store: Store):
    short, answers = declared(store, "short", max_length=10), list[Any]()
    with beside(lambda: answers.append(refused(engine.publish, "short", [new(11)]))) as tx:
        engine.publish(tx, "short", [new(n) for n in range(10)])
    assert answers == [QueueFull]
    assert short.counts() == {"ready": 10}


def test_who_joins_a_key_whose_head_is_about_to_go_is_its_head(store: Store):
    keyed, ids = declared(store, "keyed", keyed=True), list[int]()
    keyed.publish(1, key="k")
    head = keyed.take()
    with beside(lambda: ids.extend(a.id for a in perform(engine.publish, "keyed", [new(2, key="k")]))) as tx:
        engine.settle(tx, [Settle("ack", str(head.receipt))])
    assert store.states(ids) == ["ready"]


def test_who_leaves_a_key_sees_who_is_about_to_join_it(store: Store):
    keyed, ids = declared(store, "keyed", keyed=True), list[int]()
    keyed.publish(1, key="k")
    head = keyed.take()
    with beside(lambda: perform(engine.settle, [Settle("ack", str(head.receipt))])) as tx:
        ids.extend(a.id for a in engine.publish(tx, "keyed", [new(2, key="k")]))
    assert store.states(ids) == ["ready"]
    store.check_books()


def refused(verb: Callable[..., Any], *args: Any, **options: Any) -> type[BrokerError] | None:
    try:
        perform(verb, *args, **options)
    except BrokerError as error:
        return type(error)
    return None


def test_of_two_who_wait_for_each_other_one_is_refused_and_has_done_nothing(store: Store):
    first, second = declared(store, "first", keyed=True), declared(store, "second", keyed=True)
    both, answers = threading.Barrier(2), list[Any]()

    def publish_to_both(tx: Transaction, *names: str) -> None:
        for name in names:
            engine.publish(tx, name, [new(1, key="k")])
            if name == names[0]:
                both.wait(20)

    in_threads(
        lambda: answers.append(refused(publish_to_both, "first", "second")),
        lambda: answers.append(refused(publish_to_both, "second", "first")),
    )
    assert sorted(map(str, answers)) == sorted(map(str, [None, Unavailable]))
    assert (first.counts(), second.counts()) == ({"ready": 1}, {"ready": 1})
    store.check_books()


def test_what_must_be_seen_empty_waits_for_who_is_publishing(store: Store):
    """The delete of an empty queue, and the change to a keyed one: they see what was published while they waited."""
    orders, answers = declared(store, "orders"), list[Any]()
    verbs = [
        lambda: answers.append(refused(control.delete, "orders", if_empty=True)),
        lambda: answers.append(refused(control.declare, "orders", {"keyed": True})),
    ]
    with beside(*verbs) as tx:
        engine.publish(tx, "orders", [new(1)])
    assert answers == [Conflict, Conflict]
    assert not orders.row.keyed


def test_one_declares_a_queue_that_all_declare(store: Store):
    created: list[bool] = []
    in_threads(*[lambda: created.append(perform(control.declare, "orders", {"lease": 5})[1]) for _ in range(WRITERS)])
    assert sorted(created) == [False] * (WRITERS - 1) + [True]


def test_masks_are_changed_by_one_at_a_time(store: Store):
    first, second = masks.parse([{"pattern": name, "fields": ["key"]} for name in ("a", "b")])
    entry = Entry(broker_itself(), "masks.put", "masks", {}, None)
    with beside(lambda: masks.put(entry, [second])) as tx:
        masks.change(tx, entry, lambda there: [*there, first])
    assert masks.stored() == (second,)
    put = AuditEntry.objects.order_by("id").last()
    assert put is not None
    assert put.detail["before"] == {"masks": [first.as_json()]}, "what it took the place of"


# A caller's own transaction, which may last


def test_an_open_transaction_keeps_nobody_from_publishing_with_the_same_key(store: Store):
    keyed = declared(store, "keyed", keyed=True)

    def elsewhere() -> None:
        published.append(perform(engine.publish, "keyed", [new(2, key="k")])[0].id)

    published: list[int] = []
    with transaction.atomic():
        published.append(publish("keyed", 1, key="k"))
        in_threads(elsewhere)
        assert keyed.store.state(published[0]) == "blocked"
    assert store.states(published) == ["blocked", "ready"]  # who committed first was there first
    store.check_books()


def test_a_key_is_free_again_when_an_open_transaction_has_ended(store: Store):
    declared(store, "keyed", keyed=True)
    with transaction.atomic():
        id = publish("keyed", 1, key="k")
    assert store.state(id) == "ready"
    store.check_books()


def test_within_djangos_test_case_a_key_is_free_at_once(store: Store):
    declared(store, "keyed", keyed=True)
    test_case = transaction.atomic()
    test_case._from_testcase = True  # type: ignore[attr-defined]  # as Django marks its own
    with test_case:
        id = publish("keyed", 1, key="k")
        assert store.state(id) == "ready"
        transaction.set_rollback(True)


def test_a_queue_is_not_swept_while_somebody_may_still_be_publishing_to_it(store: Store):
    declared(store, "orders")

    def elsewhere() -> None:
        do(control.delete, "orders")
        assert perform(retirement.sweep_deleted) == 0

    with transaction.atomic():
        publish("orders", 1)
        in_threads(elsewhere)
    assert Message.objects.count() == 1
    while perform(retirement.sweep_deleted):
        pass
    assert not Message.objects.exists()
    assert not Queue.objects.exists()
    assert not QueueCount.objects.exists()


# What a rolled back statement leaves to others


def test_what_somebody_is_about_to_lease_is_passed_over(store: Store):
    orders = declared(store, "orders")
    first, second = (a.id for a in perform(engine.publish, "orders", [new(1), new(2)]))

    def elsewhere() -> None:
        found.extend(perform(leasing.lease, "orders", 5, leasing.Terms("w")).messages)

    found: list[Leased] = []
    with transaction.atomic():
        mine = perform(leasing.lease, "orders", 1, leasing.Terms("v")).messages
        in_threads(elsewhere)
        transaction.set_rollback(True)
    assert ([m.id for m in mine], [m.id for m in found]) == ([first], [second])
    assert orders.counts() == {"ready": 1, "leased": 1}


def test_turns_are_given_back_with_the_transaction(store: Store):
    with pytest.raises(NotFound):
        perform(taking_a_turn)
    in_threads(lambda: perform(lambda tx: tx.alone(Lock.TURN, 1)))


def taking_a_turn(tx: Transaction) -> None:
    tx.alone(Lock.TURN, 1)
    raise NotFound("nothing")
