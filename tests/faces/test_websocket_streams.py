"""Streams over WebSocket: subscribe alone and in groups, credit, seek, commit, shared groups; alike on both servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients import Json, Rest, Socket
from tests.eventually import eventually
from tests.faces.sockets import deliveries, error, frames_until, made_token, stranger
from tests.server import Server

QUIET = 0.15  # seconds in which what must not come would have come


@pytest.fixture
def operator(either: Server) -> Iterator[Rest]:
    with either.rest() as client:
        yield client


@pytest.fixture
def socket(either: Server) -> Iterator[Socket]:
    with either.socket() as client:
        yield client


@pytest.fixture
def stream(operator: Rest, name: str) -> str:
    """A stream of one partition with the records 0, 1, 2."""
    operator.call("PUT", f"/streams/{name}", {})
    append(operator, name, 0, 1, 2)
    return name


def append(rest: Rest, stream: str, *bodies: Any, **fields: Any) -> None:
    rest.call("POST", f"/streams/{stream}/records", {"records": [{"body": body, **fields} for body in bodies]})


def grouped(rest: Rest, stream: str, **settings: Any) -> None:
    rest.call("PUT", f"/streams/{stream}/groups/billing", settings)


def billing(rest: Rest, stream: str) -> Json:
    return dict(rest.call("GET", f"/streams/{stream}/groups/billing"))


def subscribe(socket: Socket, stream: str, start: Any = "earliest", **asked: Any) -> str:
    fields = {"from": start} if "group" not in asked else {}
    return str(socket.call("subscribe", stream=stream, **fields, **asked)["sub"])


def records(socket: Socket, count: int) -> list[Json]:
    """The next records, at least ``count``, however many frames they take."""
    found: list[Json] = []
    while len(found) < count:
        found += frames_until(socket, "records")["records"]
    return found


def bodies(found: list[Json]) -> list[Any]:
    return [record["body"] for record in found]


def nothing_comes(socket: Socket) -> None:
    """But, perhaps, a new generation."""
    while (frame := socket.next(QUIET)) is not None:
        assert (frame["op"], frame.get("partitions")) == ("assigned", {})


def newly_assigned(socket: Socket, timeout: float = 10) -> dict[str, Any]:
    """The next frame that assigns partitions; one without any tells the group's new generation."""
    while not (frame := frames_until(socket, "assigned", timeout))["partitions"]:
        pass
    return frame


# By oneself


def test_stored_records_come_and_then_live_ones(socket: Socket, operator: Rest, stream: str) -> None:
    sub = subscribe(socket, stream)
    first = frames_until(socket, "records")
    assert (first["sub"], first["partition"]) == (sub, 0)
    assert [(r["offset"], r["body"]) for r in first["records"]] == [("0", 0), ("1", 1), ("2", 2)]
    append(operator, stream, {"any": "JSON"}, key="k", headers={"a": "b"})
    [live] = records(socket, 1)

    assert live["body"] == {"any": "JSON"}
    assert (live["partition"], live["offset"], live["key"], live["headers"]) == (0, "3", "k", {"a": "b"})
    assert live["content_type"] == "application/json"
    assert live["appended_at"].endswith("Z")


def test_binary_bodies_and_answers_of_publish(socket: Socket, stream: str) -> None:
    subscribe(socket, stream, "latest")
    answer = socket.call("publish", to=f"stream:{stream}", messages=[{"body_base64": "AP8=", "dedup_id": "d"}, {"body": 1}])

    assert [(r["partition"], r["offset"], r["duplicate"]) for r in answer["results"]] == [(0, "3", False), (0, "4", False)]
    assert [r.get("body_base64", r.get("body")) for r in records(socket, 2)] == ["AP8=", 1]
    again = socket.call("publish", to=f"stream:{stream}", messages=[{"body_base64": "AP8=", "dedup_id": "d"}])
    assert again["results"] == [{"partition": 0, "offset": "3", "duplicate": True}]
    nothing_comes(socket)


@pytest.mark.parametrize("start", ["latest", None])
def test_from_the_end_is_the_default(socket: Socket, operator: Rest, stream: str, start: str | None) -> None:
    socket.call("subscribe", stream=stream, **({"from": start} if start else {}))
    nothing_comes(socket)
    append(operator, stream, "new")
    assert bodies(records(socket, 1)) == ["new"]


def test_from_offsets_and_instants(socket: Socket, operator: Rest, stream: str) -> None:
    subscribe(socket, stream, {"0": "2"})
    assert bodies(records(socket, 1)) == [2]
    instant = operator.call("GET", f"/streams/{stream}/records", None, offset=1)["records"][0]["appended_at"]
    subscribe(socket, stream, instant)
    assert bodies(records(socket, 3)) == [0, 1, 2], "they were appended together"
    subscribe(socket, stream, "2999-01-01T00:00:00Z")
    nothing_comes(socket)


def test_what_cannot_be_subscribed_to(socket: Socket, stream: str) -> None:
    gone = error(socket, "subscribe", stream=stream, **{"from": {"0": "4"}})
    assert (gone["code"], gone["low"], gone["end"]) == ("offset_out_of_range", "0", "3")
    for wrong, pointer in (("soon", "/from"), ("", "/from"), ({"0": "x"}, "/from/0"), ({"9": "0"}, "/from/9"), ({}, "/from")):
        refused = error(socket, "subscribe", stream=stream, **{"from": wrong})
        assert (refused["code"], refused["errors"][0]["pointer"]) == ("invalid", pointer)
    assert error(socket, "subscribe", stream=stream, **{"from": 7})["code"] == "invalid"
    assert error(socket, "subscribe", stream="nothing-of-this-name")["code"] == "not_found"
    assert error(socket, "subscribe", stream=".hidden")["code"] == "invalid"
    assert error(socket, "subscribe", stream=stream, group="g", **{"from": "earliest"})["code"] == "invalid"
    assert error(socket, "subscribe", stream=stream, prefetch=0)["code"] == "invalid"


def test_credit_is_a_window(socket: Socket, stream: str) -> None:
    sub = subscribe(socket, stream, prefetch=2)
    assert bodies(records(socket, 2)) == [0, 1]
    nothing_comes(socket)
    assert socket.call("credit", sub=sub, n=1)["op"] == "ok"
    assert bodies(records(socket, 1)) == [2]
    assert error(socket, "credit", sub=sub, n=0)["code"] == "invalid"
    assert error(socket, "credit", sub="nobody", n=1)["code"] == "not_found"


def test_seek_goes_on_from_there(socket: Socket, operator: Rest, stream: str) -> None:
    sub = subscribe(socket, stream)
    records(socket, 3)
    assert socket.call("seek", sub=sub, to={"0": "1"})["op"] == "ok"
    assert bodies(records(socket, 2)) == [1, 2]
    socket.call("seek", sub=sub, to="earliest")
    assert bodies(records(socket, 3)) == [0, 1, 2]
    socket.call("seek", sub=sub, to="latest")
    append(operator, stream, "new")
    assert bodies(records(socket, 1)) == ["new"]
    assert error(socket, "seek", sub=sub, to={"0": "9"})["code"] == "offset_out_of_range"
    assert error(socket, "seek", sub=sub, to="never")["errors"][0]["pointer"] == "/to"
    assert error(socket, "seek", sub=sub, to={"9": "0"})["errors"][0]["pointer"] == "/to/9"
    assert error(socket, "seek", sub="nobody", to="latest")["code"] == "not_found"
    assert error(socket, "commit", sub=sub, offsets={"0": "1"})["code"] == "conflict"


def test_cancel_ends_it_and_its_name_is_free(socket: Socket, operator: Rest, stream: str) -> None:
    socket.send_as(77, "subscribe", stream=stream, **{"from": "earliest"})
    assert frames_until(socket, "ok")["sub"] == "77"
    records(socket, 3)
    socket.send_as(77, "subscribe", stream=stream)
    assert frames_until(socket, "error")["code"] == "conflict"
    socket.call("cancel", sub="77")
    append(operator, stream, "unheard")
    nothing_comes(socket)
    socket.send_as(77, "subscribe", stream=stream, **{"from": {"0": "3"}})
    assert bodies(records(socket, 1)) == ["unheard"]


def test_all_partitions_each_in_its_order(socket: Socket, operator: Rest, name: str) -> None:
    operator.call("PUT", f"/streams/{name}", {"partitions": 3})
    subscribe(socket, name)
    for number in range(3):
        append(operator, name, *range(5), partition=number)
    found = records(socket, 15)

    for number in range(3):
        assert [r["body"] for r in found if r["partition"] == number] == list(range(5))


def test_a_stream_that_grows_is_read_whole(socket: Socket, operator: Rest, stream: str) -> None:
    subscribe(socket, stream, "latest")
    operator.call("PUT", f"/streams/{stream}", {"partitions": 2})
    append(operator, stream, "in the new one", partition=1)
    assert bodies(records(socket, 1)) == ["in the new one"]


def test_a_deleted_stream_ends_its_subscriptions(socket: Socket, operator: Rest, stream: str) -> None:
    sub = subscribe(socket, stream, "latest")
    operator.call("DELETE", f"/streams/{stream}")
    closed = frames_until(socket, "closed")
    assert (closed["sub"], closed["code"]) == (sub, "deleted")
    assert socket.call("ping")["op"] == "pong"


def test_retention_that_passes_a_slow_reader_is_said_with_the_bounds(socket: Socket, operator: Rest, name: str) -> None:
    operator.call("PUT", f"/streams/{name}", {"retention_records": 3})
    append(operator, name, *range(5))
    sub = subscribe(socket, name, prefetch=1)
    first = int(records(socket, 1)[0]["offset"])
    append(operator, name, *range(20))
    eventually(lambda: int(operator.call("GET", f"/streams/{name}")["low"]["0"]) > first + 1, why="retention ran")
    socket.send("credit", sub=sub, n=100)
    closed = frames_until(socket, "closed")

    assert (closed["sub"], closed["code"], closed["end"]) == (sub, "offset_out_of_range", "25")
    assert int(closed["low"]) > first + 1


def test_a_stream_needs_the_right_to_consume_it(either: Server, operator: Rest, stream: str) -> None:
    token = made_token(either, (f"stream:{stream}", ["publish"]), ("queue:*", ["consume"]))["token"]
    with stranger(either, token=token) as socket:
        assert socket.receive(10)["op"] == "hello"
        assert error(socket, "subscribe", stream=stream)["code"] == "forbidden"
        assert error(socket, "subscribe", stream="nothing-of-this-name")["code"] == "forbidden"
        assert error(socket, "publish", to="stream:other", messages=[{"body": 1}])["code"] == "forbidden"
        assert socket.call("publish", to=f"stream:{stream}", messages=[{"body": 1}])["op"] == "ok"


# In a group


def test_a_member_is_told_its_partitions_reads_and_commits(socket: Socket, operator: Rest, stream: str) -> None:
    grouped(operator, stream, start="earliest")
    sub = subscribe(socket, stream, group="billing")
    assigned = newly_assigned(socket)
    assert (assigned["sub"], assigned["partitions"]) == (sub, {"0": "0"})
    assert bodies(records(socket, 3)) == [0, 1, 2]
    assert socket.call("commit", sub=sub, offsets={"0": "2"})["op"] == "ok"

    shown = billing(operator, stream)
    assert (shown["committed"], shown["lag"], shown["generation"]) == ({"0": "2"}, 1, assigned["generation"])
    assert [member["partitions"] for member in shown["members"]] == [[0]]
    assert error(socket, "commit", sub=sub, offsets={"0": "1"})["code"] == "conflict"
    assert error(socket, "commit", sub=sub, offsets={"0": "9"})["code"] == "offset_out_of_range"
    assert error(socket, "commit", sub=sub, offsets={"7": "0"})["code"] == "invalid"
    assert error(socket, "seek", sub=sub, to="earliest")["code"] == "conflict"
    assert error(socket, "commit", sub="nobody", offsets={"0": "1"})["code"] == "not_found"


def test_subscribing_makes_the_group_at_the_end(socket: Socket, operator: Rest, stream: str) -> None:
    subscribe(socket, stream, group="billing")
    assert newly_assigned(socket)["partitions"] == {"0": "3"}
    assert billing(operator, stream)["kind"] == "partitioned"
    append(operator, stream, "new")
    assert bodies(records(socket, 1)) == ["new"]


def test_who_comes_back_goes_on_where_it_committed(either: Server, operator: Rest, stream: str) -> None:
    grouped(operator, stream, start="earliest")
    with either.socket() as first:
        sub = subscribe(first, stream, group="billing")
        records(first, 3)
        first.call("commit", sub=sub, offsets={"0": "1"})
    eventually(lambda: not billing(operator, stream)["members"], why="it has said goodbye")
    with either.socket() as second:
        subscribe(second, stream, group="billing")
        assert newly_assigned(second)["partitions"] == {"0": "1"}
        assert bodies(records(second, 2)) == [1, 2]


def test_partitions_move_one_by_one_and_the_replaced_member_is_fenced(either: Server, operator: Rest, name: str) -> None:
    operator.call("PUT", f"/streams/{name}", {"partitions": 2})
    for number in range(2):
        append(operator, name, *range(3), partition=number)
    grouped(operator, name, start="earliest")
    with either.socket() as a, either.socket() as b:
        one, two = subscribe(a, name, group="billing"), ""
        assert newly_assigned(a)["partitions"] == {"0": "0", "1": "0"}
        records(a, 6)
        two = subscribe(b, name, group="billing")
        revoked = frames_until(a, "revoked")
        [moved] = revoked["partitions"]
        assert revoked["until_at"].endswith("Z")
        nothing_comes(b)  # it has not been let go
        assert a.call("commit", sub=one, offsets={str(moved): "3"})["op"] == "ok"
        assigned = newly_assigned(b)
        assert assigned["partitions"] == {str(moved): "3"}
        assert assigned["generation"] > revoked["generation"] - 1
        assert error(a, "commit", sub=one, offsets={str(moved): "3"})["code"] == "conflict"
        assert a.call("commit", sub=one, offsets={str(1 - moved): "3"})["op"] == "ok"
        append(operator, name, "later", partition=moved)
        assert bodies(records(b, 1)) == ["later"]
        assert b.call("commit", sub=two, offsets={str(moved): "4"})["op"] == "ok"
        nothing_comes(a)


def test_a_lost_member_is_replaced_after_its_session_time_and_one_that_says_goodbye_at_once(
    either: Server, operator: Rest, stream: str
) -> None:
    grouped(operator, stream, start="earliest", session_timeout=3)
    with either.socket() as lost, either.socket() as heir:
        subscribe(lost, stream, group="billing")
        records(lost, 3)
        subscribe(heir, stream, group="billing")
        lost.cut()
        assert newly_assigned(heir, 30)["partitions"] == {"0": "0"}
        records(heir, 3)
        grouped(operator, stream, session_timeout=600)  # which nobody waits for below
        with either.socket() as third:
            subscribe(third, stream, group="billing")
            heir.close()
            assert newly_assigned(third)["partitions"] == {"0": "0"}


def test_cancel_is_a_goodbye(either: Server, operator: Rest, stream: str) -> None:
    with either.socket() as a, either.socket() as b:
        sub = subscribe(a, stream, group="billing")
        newly_assigned(a)
        subscribe(b, stream, group="billing")
        a.call("cancel", sub=sub)
        assert newly_assigned(b)["partitions"] == {"0": "3"}


def test_a_seek_of_the_group_sends_its_members_elsewhere(socket: Socket, operator: Rest, stream: str) -> None:
    grouped(operator, stream, start="earliest")
    sub = subscribe(socket, stream, group="billing")
    records(socket, 3)
    socket.call("commit", sub=sub, offsets={"0": "3"})
    moved = operator.call("POST", f"/streams/{stream}/groups/billing/seek", {"to": {"shift": -2}})
    assert moved["partitions"] == [{"partition": 0, "from": "3", "to": "1", "records": 2}]
    assert newly_assigned(socket)["partitions"] == {"0": "1"}
    assert bodies(records(socket, 2)) == [1, 2]


def test_a_deleted_group_ends_its_members(socket: Socket, operator: Rest, stream: str) -> None:
    sub = subscribe(socket, stream, group="billing")
    newly_assigned(socket)
    operator.call("DELETE", f"/streams/{stream}/groups/billing")
    closed = frames_until(socket, "closed")
    assert (closed["sub"], closed["code"]) == (sub, "deleted")


# Shared


def test_records_of_a_shared_group_come_with_receipts(either: Server, operator: Rest, stream: str) -> None:
    grouped(operator, stream, kind="shared", start="earliest", lease=60)
    with either.socket() as a, either.socket() as b:
        sub = subscribe(a, stream, group="billing", prefetch=2)
        first = deliveries(a, 2)
        assert [(m["partition"], m["offset"], m["body"]) for m in first] == [(0, "0", 0), (0, "1", 1)]
        assert (first[0]["attempts"], first[0]["failures"], first[0]["lease"]) == (1, 0, 60)
        subscribe(b, stream, group="billing", prefetch=2)
        assert bodies(deliveries(b, 1)) == [2], "more workers than partitions have work"
        append(operator, stream, 3, 4)
        assert bodies(deliveries(b, 1)) == [3]
        nothing_comes(a)
        assert a.call("ack", receipts=[first[1]["receipt"]])["op"] == "ok"
        assert bodies(deliveries(a, 1)) == [4]
        assert a.call("nack", items=[{"receipt": first[0]["receipt"], "delay": 0}])["op"] == "ok"
        [again] = deliveries(a, 1)
        assert (again["body"], again["offset"], again["attempts"], again["failures"]) == (0, "0", 2, 1)
        assert billing(operator, stream)["committed"] == {"0": "0"}
        a.call("cancel", sub=sub, release=True)


def test_new_records_wake_waiting_workers(socket: Socket, operator: Rest, stream: str) -> None:
    grouped(operator, stream, kind="shared")
    subscribe(socket, stream, group="billing")
    for n in range(5):
        append(operator, stream, n)
        [message] = deliveries(socket, 1)
        assert (message["body"], message["offset"]) == (n, str(n + 3))
        socket.call("ack", receipts=[message["receipt"]])


def test_a_deleted_shared_group_ends_its_workers(socket: Socket, operator: Rest, stream: str) -> None:
    grouped(operator, stream, kind="shared")
    sub = subscribe(socket, stream, group="billing")
    operator.call("DELETE", f"/streams/{stream}/groups/billing")
    closed = frames_until(socket, "closed")
    assert (closed["sub"], closed["code"], closed["message"]) == (sub, "deleted", "The group was deleted.")


def test_a_worker_of_a_shared_group_has_no_position(socket: Socket, operator: Rest, stream: str) -> None:
    grouped(operator, stream, kind="shared")
    sub = subscribe(socket, stream, group="billing")
    assert error(socket, "commit", sub=sub, offsets={"0": "1"})["code"] == "conflict"
    assert error(socket, "seek", sub=sub, to="earliest")["code"] == "conflict"


def test_faults_of_records_point_to_the_messages_of_the_frame(socket: Socket, stream: str) -> None:
    refused = error(socket, "publish", to=f"stream:{stream}", messages=[{"body": 1}, {"body": 1, "partition": 9}])
    assert (refused["code"], refused["errors"][0]["pointer"]) == ("invalid", "/messages/1/partition")
    assert refused["message"].startswith("/messages/1/partition: ")


def test_a_lost_worker_costs_each_record_one_failure(either: Server, operator: Rest, stream: str) -> None:
    grouped(operator, stream, kind="shared", start="earliest")
    with either.socket() as lost, either.socket() as other:
        subscribe(lost, stream, group="billing")
        deliveries(lost, 3)
        lost.cut()
        subscribe(other, stream, group="billing")
        seen = []
        for _ in range(3):  # after a lost consumer each goes out alone
            [message] = deliveries(other, 1)
            seen.append((message["body"], message["failures"]))
            other.call("ack", receipts=[message["receipt"]])
        assert seen == [(0, 1), (1, 1), (2, 1)]
