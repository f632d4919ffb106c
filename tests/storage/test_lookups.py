"""What the committer keeps of its lookups: until somebody changes it, whoever that is and however it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from brokerweb.core.errors import Conflict, NotFound, TooLarge, Unavailable
from brokerweb.queues import control, definitions, engine
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Message, Queue
from brokerweb.storage.lookups import MOST, Lookups
from brokerweb.storage.transaction import Transaction
from tests.storage.desk import Desk
from tests.storage.test_committer import failing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    desk.answered(desk.hand_in(control.declare, "orders", {}))
    try:
        yield desk
    finally:
        desk.committer.stop()


def _publish(tx: Transaction, size: int = 10) -> list[Any]:
    return engine.publish(tx, "orders", [NewMessage(b"1" * size)])


def _done(desk: Desk, verb: Callable[..., Any], *args: Any) -> Any:
    call = desk.answered(desk.hand_in(verb, *args))
    if call.error is not None:
        raise call.error
    return call.result


def _read(tx: Transaction) -> list[str]:
    """What is kept of earlier transactions, as texts."""
    return [] if tx.kept is None else [key for key in tx.kept if isinstance(key, str)]


def _limit(tx: Transaction, size: int) -> None:
    control.declare(tx, "orders", {"max_body_bytes": size})


def test_a_queue_is_looked_up_once(desk: Desk):
    assert _done(desk, _read) == []
    _done(desk, _publish)
    assert _done(desk, _read) == ["orders"]


def test_what_another_connection_commits_is_seen_at_once(desk: Desk):
    _done(desk, _publish)
    Queue.objects.filter(name="orders").update(max_body_bytes=5)
    with pytest.raises(TooLarge):
        _done(desk, _publish)
    Queue.objects.filter(name="orders").update(name="others")
    with pytest.raises(NotFound):
        _done(desk, _publish)


def test_what_is_changed_here_is_seen_in_the_same_batch_and_in_the_next(desk: Desk):
    _done(desk, _publish)
    before, change, after = desk.together((_publish,), (_limit, 5), (_publish,))
    assert (before.error, change.error) == (None, None)
    assert isinstance(after.error, TooLarge)
    with pytest.raises(TooLarge):
        _done(desk, _publish)
    _done(desk, _limit, 100)
    _done(desk, _publish)


@pytest.mark.parametrize("change", [control.delete, control.pause, control.resume])
def test_every_change_of_a_queue_is_seen_by_the_next(desk: Desk, change: Callable[..., Any]):
    if change is control.resume:
        _done(desk, lambda tx: control.pause(tx, "orders", reason="", by="me"))
    _done(desk, _publish)
    _done(desk, lambda tx: change(tx, "orders", reason="", by="me") if change is control.pause else change(tx, "orders"))
    found = _done(desk, lambda tx: Queue.objects.filter(name="orders", paused_at=None).exists())
    if change is control.delete:
        with pytest.raises(NotFound):
            _done(desk, _publish)
    else:
        assert (_done(desk, lambda tx: definitions.find(tx, "orders").paused_at) is None) == found


def test_a_change_that_is_rolled_back_was_none(desk: Desk):
    _done(desk, _publish)

    def fail(tx: Transaction) -> None:
        _limit(tx, 5)
        definitions.find(tx, "orders")
        raise Conflict("after it wrote")

    with pytest.raises(Conflict):
        _done(desk, fail)
    _done(desk, _publish)


def test_a_commit_that_fails_leaves_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    _done(desk, _publish)

    def spoil(tx: Transaction) -> None:
        _limit(tx, 5)
        definitions.find(tx, "orders")
        failing(monkeypatch, "_commit")

    with pytest.raises(Unavailable):
        _done(desk, spoil)
    monkeypatch.undo()
    _done(desk, _publish)


def test_ids_go_on_from_what_others_gave(desk: Desk):
    first = int(_done(desk, _publish)[0].id)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sqlite_sequence SET seq = %s WHERE name = 'brokerweb_queues_message'", [first + 100])
    assert int(_done(desk, _publish)[0].id) == first + 101
    assert int(_done(desk, _publish)[0].id) == first + 102
    assert Message.objects.count() == 3


def test_what_the_broker_calls_its_own_is_found_by_no_name(desk: Desk):
    queue = Queue.objects.get(name="orders")
    Queue.objects.filter(pk=queue.pk).update(name=".shared-1")
    assert _done(desk, definitions.find_by_id, queue.pk).name == ".shared-1"
    with pytest.raises(NotFound):
        _done(desk, definitions.find, ".shared-1")


def test_another_connections_versions_say_nothing_about_this_one():
    lookups, raw = Lookups(), object()
    found = lookups.taken(raw, 1)
    assert found == {}
    lookups.keep({"a": 1})
    assert lookups.taken(object(), 1) == {}


def test_it_is_bounded_and_not_kept_where_nobody_can_say():
    lookups, raw = Lookups(), object()
    assert lookups.taken(raw, None) is None
    lookups.taken(raw, 1)
    lookups.keep(dict.fromkeys(range(MOST)))
    assert lookups.taken(raw, 1) == {}
    lookups.keep({"a": 1})
    assert lookups.taken(raw, 1) == {"a": 1}
    assert lookups.taken(raw, 1) == {}, "nothing was committed since"
