"""Subscriptions: how they begin, how much they get, and what becomes of what they held when they end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.clients import Rest, Socket
from tests.eventually import eventually
from tests.faces.sockets import deliveries, error, frames_until
from tests.server import Server

QUIET = 0.15  # seconds in which nothing comes


@pytest.fixture
def operator(either: Server) -> Iterator[Rest]:
    with either.rest() as rest:
        yield rest


@pytest.fixture
def orders(operator: Rest, name: str) -> str:
    """A queue with three messages."""
    operator.declare(name)
    operator.publish(name, *({"body": n} for n in range(3)))
    return name


@pytest.fixture
def socket(either: Server) -> Iterator[Socket]:
    with either.socket() as socket:
        yield socket


def bodies(messages: list[dict[str, object]]) -> list[object]:
    return [message["body"] for message in messages]


def all_ready(rest: Rest, queue: str, count: int = 3) -> None:
    eventually(lambda: rest.queue(queue)["counts"]["ready"] == count, why=f"{count} are ready")


def nothing_comes(socket: Socket) -> None:
    assert socket.next(QUIET) is None


# Beginning


def test_the_id_of_a_consume_names_its_subscription(socket: Socket, orders: str) -> None:
    socket.connection.send(json.dumps({"op": "consume", "id": "mine/1", "queue": orders, "prefetch": 1}))
    assert socket.receive() == {"op": "ok", "id": "mine/1", "sub": "mine/1"}
    assert frames_until(socket, "deliver")["sub"] == "mine/1"
    socket.connection.send(json.dumps({"op": "consume", "id": 77, "queue": orders, "prefetch": 1}))
    assert socket.receive() == {"op": "ok", "id": 77, "sub": "77"}


def test_a_live_name_used_again_is_a_conflict_a_cancelled_one_is_not(socket: Socket, orders: str) -> None:
    for id, code in ((5, None), (5, "conflict"), ("5", "conflict")):
        socket.connection.send(json.dumps({"op": "consume", "id": id, "queue": orders, "prefetch": 1}))
        answer = frames_until(socket, "error" if code else "ok")
        assert (answer["id"], answer.get("code")) == (id, code)
    for sub in ("5", 5):
        socket.call("cancel", sub=sub)
        assert error(socket, "cancel", sub=sub)["code"] == "not_found"
        socket.connection.send(json.dumps({"op": "consume", "id": 5, "queue": orders, "prefetch": 1}))
        assert frames_until(socket, "ok")["sub"] == "5"


def test_consume_needs_an_id_and_a_queue_that_is_there(socket: Socket) -> None:
    socket.connection.send(json.dumps({"op": "consume", "queue": "orders"}))
    assert socket.receive()["code"] == "invalid"
    assert error(socket, "consume", queue="nobody")["code"] == "not_found"
    assert error(socket, "consume", queue=".bad")["code"] == "invalid"
    assert error(socket, "cancel", sub="nobody")["code"] == "not_found"
    assert error(socket, "credit", sub="nobody", n=1)["code"] == "not_found"


# Credit


def test_prefetch_bounds_what_is_unsettled_and_settling_brings_more(socket: Socket, operator: Rest, orders: str) -> None:
    socket.consume(orders, prefetch=2)
    first = deliveries(socket, 2)
    assert bodies(first) == [0, 1]
    nothing_comes(socket)
    operator.settle(orders, ack=[first[0]["receipt"]])  # wherever it is settled
    assert bodies(deliveries(socket, 1)) == [2]
    operator.publish(orders, {"body": 3})
    nothing_comes(socket)


def test_credit_comes_back_at_the_deadline(socket: Socket, orders: str) -> None:
    socket.consume(orders, prefetch=2, lease=1)
    assert bodies(deliveries(socket, 2)) == [0, 1]
    assert sorted((m["body"], m["failures"], m["attempts"]) for m in deliveries(socket, 2))[-1] in {(1, 1, 2), (2, 0, 1)}


def test_an_extended_lease_keeps_its_credit_taken(socket: Socket, orders: str) -> None:
    socket.consume(orders, prefetch=1, lease=3)
    (held,) = deliveries(socket, 1)
    answer = socket.call("extend", items=[{"receipt": held["receipt"], "lease": 60}])
    assert answer["results"][0]["lease_until_at"] > held["lease_until_at"]
    assert socket.next(3.3) is None
    assert socket.call("ack", receipts=[held["receipt"]])["op"] == "ok"
    assert bodies(deliveries(socket, 1)) == [1]


def test_without_acknowledgement_only_credit_brings_more(socket: Socket, operator: Rest, orders: str) -> None:
    sub = socket.consume(orders, prefetch=1, ack="none")
    assert [(m["body"], m["receipt"]) for m in deliveries(socket, 1)] == [(0, None)]
    nothing_comes(socket)
    socket.call("credit", sub=sub, n=10)
    assert bodies(deliveries(socket, 2)) == [1, 2]
    assert operator.queue(orders)["counts"]["leased"] == 0


def test_credit_is_not_for_who_settles(socket: Socket, orders: str) -> None:
    sub = socket.consume(orders, prefetch=1)
    assert error(socket, "credit", sub=sub, n=5)["code"] == "conflict"
    assert error(socket, "credit", sub=sub, n=0)["code"] == "invalid"


def test_messages_go_round_fairly(either: Server, operator: Rest, name: str) -> None:
    operator.declare(name)
    with either.socket() as one, either.socket() as other:
        one.consume(name, prefetch=10)
        other.consume(name, prefetch=10)
        operator.publish(name, *({"body": n} for n in range(10)))
        assert (len(deliveries(one, 5)), len(deliveries(other, 5))) == (5, 5)


def test_two_subscriptions_of_one_socket_have_windows_of_their_own(socket: Socket, orders: str) -> None:
    subs = {socket.consume(orders, prefetch=1), socket.consume(orders, prefetch=1)}
    frames = [frames_until(socket, "deliver") for _ in range(2)]
    assert {frame["sub"] for frame in frames} == subs
    nothing_comes(socket)


# Ending


@pytest.mark.parametrize("code", [1000, 1001])
def test_a_clean_close_gives_everything_back_unharmed_at_its_old_place(
    either: Server, operator: Rest, orders: str, code: int
) -> None:
    socket = either.socket()
    socket.consume(orders)
    deliveries(socket, 3)
    operator.publish(orders, {"body": "later"})
    socket.connection.close(code)
    all_ready(operator, orders, 4)
    assert [(m["body"], m["failures"]) for m in operator.receive(orders)] == [(0, 0), (1, 0), (2, 0), ("later", 0)]


def test_what_was_settled_right_before_a_close_is_settled(either: Server, operator: Rest, name: str) -> None:
    operator.declare(name)
    for _ in range(3):
        operator.publish(name, *({"body": n} for n in range(1000)))
    socket = either.socket()
    socket.consume(name, prefetch=1000)
    for message in deliveries(socket, 1000):  # each makes room for another, which is on its way when the client goes
        socket.connection.send(json.dumps({"op": "ack", "receipts": [message["receipt"]]}))
    socket.connection.close(1000)
    all_ready(operator, name, 2000)
    assert all(m["failures"] == 0 for m in operator.browse(name))


def _cut(socket: Socket) -> None:
    socket.cut()


def _close_badly(socket: Socket) -> None:
    socket.connection.close(1011)


def _close_with_a_code_of_its_own(socket: Socket) -> None:
    socket.connection.close(4999)


def _close_without_a_code(socket: Socket) -> None:
    socket.connection.socket.sendall(b"\x88\x80\0\0\0\0")  # a close frame without a word
    socket.until_closed()


@pytest.mark.parametrize("lose", [_cut, _close_badly, _close_with_a_code_of_its_own, _close_without_a_code])
def test_a_lost_consumer_costs_each_message_a_failure_and_then_they_go_alone(
    either: Server, operator: Rest, orders: str, lose: Callable[[Socket], None]
) -> None:
    socket = either.socket()
    socket.consume(orders)
    deliveries(socket, 3)
    lose(socket)
    all_ready(operator, orders)
    with either.socket() as heir:
        heir.consume(orders)
        for n in range(3):
            (message,) = frames_until(heir, "deliver")["messages"]
            assert (message["body"], message["failures"], message["attempts"]) == (n, 1, 2)
            nothing_comes(heir)
            heir.call("ack", receipts=[message["receipt"]])
    assert sum(operator.queue(orders)["counts"].values()) == 0


def test_a_lost_message_waits_for_who_holds_nothing_and_others_go_on(either: Server, operator: Rest, name: str) -> None:
    operator.declare(name)
    operator.publish(name, {"body": "poison"})
    lost = either.socket()
    lost.consume(name)
    deliveries(lost, 1)
    with either.socket() as busy:
        busy.consume(name, prefetch=10)
        operator.publish(name, {"body": "a"})
        (held,) = deliveries(busy, 1)
        lost.cut()
        all_ready(operator, name, 1)
        nothing_comes(busy)  # it holds a message
        busy.call("ack", receipts=[held["receipt"]])
        (poison,) = deliveries(busy, 1)
        operator.publish(name, {"body": "b"})
        nothing_comes(busy)  # poison is alone until it is settled
        busy.call("nack", items=[{"receipt": poison["receipt"], "delay": 60}])
        assert bodies(deliveries(busy, 1)) == ["b"]


def test_cancel_with_release_gives_back_and_without_it_holds_on(socket: Socket, operator: Rest, orders: str) -> None:
    sub = socket.consume(orders, prefetch=2)
    deliveries(socket, 2)
    socket.call("cancel", sub=sub, release=True)
    assert operator.queue(orders)["counts"]["ready"] == 3
    sub = socket.consume(orders, prefetch=2)
    held = deliveries(socket, 2)
    assert [(m["body"], m["failures"]) for m in held] == [(0, 0), (1, 0)]
    socket.call("cancel", sub=sub)
    assert operator.queue(orders)["counts"]["leased"] == 2
    nothing_comes(socket)
    assert socket.call("ack", receipts=[held[0]["receipt"]])["op"] == "ok"
    assert operator.queue(orders)["counts"] | {"leased": 1, "ready": 1} == operator.queue(orders)["counts"]


@pytest.mark.parametrize(("lost", "failures"), [(False, 0), (True, 1)], ids=["closed", "cut"])
def test_what_a_cancelled_subscription_still_held_ends_with_its_socket(
    either: Server, operator: Rest, orders: str, lost: bool, failures: int
) -> None:
    socket = either.socket()
    sub = socket.consume(orders)
    deliveries(socket, 3)
    socket.call("cancel", sub=sub)
    socket.cut() if lost else socket.close()
    all_ready(operator, orders)
    assert [m["failures"] for m in operator.browse(orders)] == [failures] * 3


def test_closing_a_connection_by_an_operator_is_4009_and_gives_back(either: Server, operator: Rest, orders: str) -> None:
    with either.socket() as socket:
        socket.consume(orders)
        deliveries(socket, 3)
        mine = next(
            c for c in operator.call("GET", "/connections", None, limit=1000)["items"] if orders in str(c["subscriptions"])
        )
        assert mine["subscriptions"][0]["unsettled"] == 3
        operator.call("DELETE", f"/connections/{mine['id']}")
        socket.until_closed(10)
        assert (socket.close_code, socket.close_reason) == (4009, "closed by an operator")
    all_ready(operator, orders)
    assert [m["failures"] for m in operator.browse(orders)] == [0, 0, 0]


def test_deleting_the_queue_ends_its_subscriptions_and_nothing_else(socket: Socket, operator: Rest, orders: str) -> None:
    sub = socket.consume(orders, prefetch=3)
    (message, *_) = deliveries(socket, 3)
    operator.call("DELETE", f"/queues/{orders}")
    closed = frames_until(socket, "closed")
    assert (closed["sub"], closed["code"], bool(closed["message"])) == (sub, "deleted", True)
    assert error(socket, "ack", receipts=[message["receipt"]])["code"] == "lease_lost"
    assert error(socket, "cancel", sub=sub)["code"] == "not_found"
    operator.declare(orders)
    operator.publish(orders, {"body": "new"})
    nothing_comes(socket)
    socket.consume(orders)
    assert bodies(deliveries(socket, 1)) == ["new"]


def test_a_long_poll_ends_when_its_queue_is_deleted(either: Server, operator: Rest, name: str) -> None:
    operator.declare(name)
    with either.rest() as poller:
        began = time.monotonic()
        request = poller.http.build_request("POST", f"/queues/{name}/receive", json={"wait": 15})
        with ThreadPoolExecutor() as threads:
            answer = threads.submit(poller.http.send, request)
            for _ in range(5):
                operator.queue(name)
            operator.call("DELETE", f"/queues/{name}")
            assert answer.result(20).status_code == 404
        assert time.monotonic() - began < 10


def test_a_pause_leaves_subscriptions_and_a_resume_wakes_them(socket: Socket, operator: Rest, name: str) -> None:
    operator.declare(name)
    socket.consume(name)
    operator.call("POST", f"/queues/{name}/pause", {"reason": "stocktaking"})
    operator.publish(name, {"body": 1})
    nothing_comes(socket)
    operator.call("POST", f"/queues/{name}/resume")
    assert bodies(deliveries(socket, 1)) == [1]


def test_receipts_are_good_on_every_face_and_connection(either: Server, operator: Rest, orders: str) -> None:
    with either.socket() as consumer, either.socket() as other:
        consumer.consume(orders)
        first, second, third = deliveries(consumer, 3)
        assert other.call("ack", receipts=[first["receipt"]])["op"] == "ok"
        assert operator.settle(orders, nack=[{"receipt": second["receipt"], "delay": 60}])[0]["status"] == "ok"
        assert error(consumer, "ack", receipts=[first["receipt"], third["receipt"]])["results"] == [
            {"receipt": first["receipt"], "status": "lease_lost"},
            {"receipt": third["receipt"], "status": "ok"},
        ]
