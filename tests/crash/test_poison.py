"""F16: messages no consumer can handle, with the server killed in between."""

from __future__ import annotations

from tests.clients import Json, Rest
from tests.crash import books
from tests.crash.dose import rounds
from tests.eventually import eventually
from tests.server import Server

LIMIT = 3


def _nack_some(rest: Rest, number: int) -> None:
    taken = rest.receive("poison", max=number, wait=1)
    nacks = [{"receipt": m["receipt"], "delay": 0, "error": f"attempt {m['attempts']}"} for m in taken]
    if nacks:
        assert {r["status"] for r in rest.settle("poison", nack=nacks)} == {"ok"}


def test_poison_is_dead_once_after_exactly_its_attempts_also_across_kills(server: Server) -> None:
    number = rounds(20, 200)
    with server.start().rest() as rest:
        rest.declare("poison", max_failures=LIMIT)
        results = rest.publish("poison", *({"body": n} for n in range(number)))
        _nack_some(rest, number // 2)
        _nack_some(rest, number)
    server.kill()
    assert books.wrongs(server.data) == []
    with server.start().rest() as rest:
        eventually(lambda: _all_dead(rest, number), 60, why="all poison is dead")
        dead: list[Json] = [*rest.browse("poison", state="dead")]

    assert sorted(m["id"] for m in dead) == sorted(r["id"] for r in results)
    assert {(m["attempts"], m["failures"], m["reason"]) for m in dead} == {(LIMIT, LIMIT, "max_failures")}
    assert {m["last_error"] for m in dead} == {f"attempt {LIMIT}"}


def _all_dead(rest: Rest, number: int) -> bool:
    _nack_some(rest, 100)
    return bool(rest.queue("poison")["counts"]["dead"] == number)


def test_a_poison_message_that_kills_its_consumers_takes_no_other_with_it(server: Server) -> None:
    """A message whose last failure is a lost consumer goes out alone, so the messages around it survive."""
    with server.start().rest() as rest:
        rest.declare("orders", max_failures=LIMIT, lease=600)
        rest.publish("orders", *({"body": n} for n in range(5)))

        def consume_until_it_kills() -> bool:
            with server.socket() as socket:
                socket.consume("orders", prefetch=5)
                while (frame := socket.next(2)) is not None:
                    for message in frame.get("messages", []):
                        if message["body"] == 2:
                            socket.cut()
                            return False
                        socket.call("ack", receipts=[message["receipt"]])
            left = {state: n for state, n in rest.queue("orders")["counts"].items() if n}
            return left == {"dead": 1}

        eventually(consume_until_it_kills, 60, why="the queue is empty")
        (dead,) = rest.browse("orders")

    assert (dead["body"], dead["state"], dead["reason"], dead["failures"]) == (2, "dead", "max_failures", LIMIT)
