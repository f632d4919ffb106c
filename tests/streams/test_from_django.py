"""The names of streams that Django code works with, in the caller's transaction and by themselves."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction

from brokerweb import queues, streams
from brokerweb.core.errors import Conflict, Invalid, NotFound, OffsetOutOfRange, TooLarge
from tests.queues.bench import Time


class Changed(Exception):
    """The project has changed its mind."""


@pytest.fixture(autouse=True)
def events(database: str) -> None:
    streams.declare("events", partitions=2)
    streams.declare("line")


def bodies(stream: str = "line", **asked: object) -> list[object]:
    return [record.body for record in streams.read(stream, **asked).records]  # type: ignore[arg-type]  # arguments of several kinds in one mapping


def test_a_record_there_and_back():
    appended = streams.append("events", {"price": Decimal("1.5")}, key="k", headers={"source": "shop"}, partition=1)
    assert appended == (1, 0, False)
    part = streams.read("events", partition=1)
    [record] = part.records
    assert (record.stream, record.partition, record.offset) == ("events", 1, 0)
    assert (record.body, record.text, record.key, record.headers) == (
        {"price": "1.5"},
        '{"price":"1.5"}',
        "k",
        {"source": "shop"},
    )
    assert (part.partition, part.next, part.low, part.end) == (1, 1, 0, 1)
    assert (record.receipt, record.attempts, record.damaged) == (None, 1, False)


def test_bytes_come_back_as_bytes():
    streams.append("line", b"\xff\x00", content_type="image/png")
    [record] = streams.read("line").records
    assert (record.body, record.text, record.content_type) == (b"\xff\x00", None, "image/png")


def test_many_are_appended_all_or_none():
    given: list[dict[str, object]] = [{"body": 1, "dedup_id": "a"}, {"body": 2}, {"body": 1, "dedup_id": "a"}]
    assert [(a.offset, a.duplicate) for a in streams.append_many("line", given)] == [(0, False), (1, False), (0, True)]
    wrong_ones: list[list[dict[str, object]]] = [
        [{"body": 3}, {"key": "no body"}],
        [{"body": 3}] * 1001,
        [{"body": 3}, {"body": 4, "partition": 9}],
    ]
    for wrong in wrong_ones:
        with pytest.raises(Invalid):
            streams.append_many("line", wrong)
    with pytest.raises(TooLarge):
        streams.append_many("line", [{"body": 3}, {"body": b"x" * 20_000_000}])
    assert streams.append_many("line", []) == []
    assert bodies() == [1, 2]


def test_an_append_joins_the_callers_transaction():
    def undone() -> None:
        streams.append("line", "undone")
        assert bodies() == ["undone"]
        raise Changed

    with pytest.raises(Changed):
        transaction.atomic(undone)()
    with transaction.atomic():
        streams.append("line", "done")
    assert bodies() == ["done"]


def test_an_expected_offset_is_compared():
    streams.append("line", 1, expected_offset=0)
    with pytest.raises(Conflict):
        streams.append("line", 2, expected_offset=0)
    assert bodies() == [1]


def test_reading_goes_on_where_it_ended(time: Time):
    streams.append_many("line", [{"body": n} for n in range(5)])
    part = streams.read("line", limit=3)
    assert part.next == 3
    assert bodies(offset=part.next) == [3, 4]
    assert bodies(start="latest") == []
    last = streams.read("line").records[-1].appended_at
    assert bodies(start=last + timedelta(seconds=1)) == []
    assert bodies(start=last) == [0, 1, 2, 3, 4]
    with pytest.raises(OffsetOutOfRange) as refused:
        streams.read("line", offset=6)
    assert refused.value.extra["end"] == "5"


@pytest.mark.parametrize("asked", [{"limit": 0}, {"limit": 1001}, {"start": "sometime"}, {"partition": -1}, {"offset": -1}])
def test_what_cannot_be_read_is_refused(asked: dict[str, object]):
    with pytest.raises(Invalid):
        streams.read("line", **asked)  # type: ignore[arg-type]  # arguments of several kinds in one mapping


def test_of_several_partitions_one_is_named():
    with pytest.raises(Invalid, match="name one"):
        streams.read("events")
    with pytest.raises(NotFound):
        streams.read("nothing")


def test_a_group_commits_with_the_callers_rows():
    streams.declare_group("line", "billing")
    streams.append_many("line", [{"body": n} for n in range(3)])
    assert streams.committed("line", "billing") == {0: 0}
    queues.declare("bills")

    def undone() -> None:
        queues.publish("bills", 1)
        streams.commit("line", "billing", {0: 2})
        raise Changed

    with pytest.raises(Changed):
        transaction.atomic(undone)()
    assert streams.committed("line", "billing") == {0: 0}
    with transaction.atomic():
        queues.publish("bills", 1)
        streams.commit("line", "billing", {0: 2})
    assert streams.committed("line", "billing") == {0: 2}
    assert len(queues.receive("bills", limit=9)) == 1
    with pytest.raises(Conflict):
        streams.commit("line", "billing", {0: 1})
    [move] = streams.seek("line", "billing", "earliest")
    assert (move.origin, move.to) == (2, 0)
    streams.delete_group("line", "billing")
    with pytest.raises(NotFound):
        streams.committed("line", "billing")


def test_records_of_a_shared_group_are_leased_and_settled():
    streams.declare_group("line", "mails", kind="shared")
    streams.append_many("line", [{"body": n, "key": "k"} for n in range(3)])
    first, second, third = streams.receive("line", "mails", limit=9, lease=5)
    assert [(r.partition, r.offset, r.body, r.key, r.attempts, r.lease) for r in (first, third)] == [
        (0, 0, 0, "k", 1, 5),
        (0, 2, 2, "k", 1, 5),
    ]
    settled = streams.settle("line", "mails", ack=[first, second], nack=[{"receipt": third.receipt, "delay": 0}])
    assert [each.status for each in settled] == ["ok", "ok", "ok"]
    [again] = streams.receive("line", "mails")
    assert (again.offset, again.attempts, again.failures) == (2, 2, 1)
    assert [each.status for each in streams.settle("line", "mails", ack=[third, again])] == ["lease_lost", "ok"]


def test_the_other_kind_of_group_leases_nothing():
    streams.declare_group("line", "billing")
    with pytest.raises(Conflict):
        streams.receive("line", "billing")
    with pytest.raises(Conflict):
        streams.settle("line", "billing", ack=["1-1-1"])


def test_a_stream_is_deleted():
    streams.append("line", 1)
    with pytest.raises(Conflict):
        streams.delete("line", if_empty=True)
    streams.delete("line")
    with pytest.raises(NotFound):
        streams.read("line")


@pytest.mark.django_db(transaction=True)
def test_a_coroutine_appends():
    assert async_to_sync(streams.aappend)("line", {"n": 1}).offset == 0
    assert bodies() == [{"n": 1}]
