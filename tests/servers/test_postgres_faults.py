"""A PostgreSQL that is started anew, or whose standby is gone, under a running broker: what clients are told; and it heals."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients import Refused, Rest
from tests.console.test_pages_on_postgres import signed_in
from tests.eventually import eventually
from tests.postgres import Postgres, of_the_wheel, started
from tests.server import Server


@pytest.fixture(scope="module")
def own() -> Iterator[Postgres]:
    """A server whose settings and life are this module's."""
    programs = of_the_wheel()
    assert programs is not None
    with started(programs) as server:
        yield server


@pytest.fixture(scope="module")
def server(own: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("faults") / "data", postgres=own) as server:
        yield server.start()


def refusal(call: Callable[[], Any]) -> tuple[int, str] | None:
    try:
        call()
    except Refused as refused:
        return refused.status, refused.code
    return None


UNAVAILABLE = 503, "unavailable"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
def test_a_restart_of_the_database_is_told_and_survived(own: Postgres, server: Server, how: signal.Signals):
    queue = f"orders-{how.name}"
    with server.rest() as rest, closing(signed_in(server)) as person:
        rest.declare(queue)
        rest.publish(queue, {"body": 1}, {"body": 2})
        socket = server.socket()
        socket.consume(queue, prefetch=1)
        first = socket.receive()["messages"]
        own.stop(how)
        assert refusal(lambda: rest.publish(queue, {"body": "lost"})) == UNAVAILABLE
        assert refusal(lambda: rest.queue(queue)) == UNAVAILABLE
        assert eventually(lambda: server.readiness() == 503)
        own.run()
        assert eventually(lambda: server.readiness() == 200, 30)
        assert person.get("/queues").status_code == 200
        rest.publish(queue, {"body": 3})
        socket.call("ack", receipts=[message["receipt"] for message in first])
        second = socket.next(20)
        assert second is not None
        assert [message["body"] for message in second["messages"]] == [2]
        counts = rest.queue(queue)["counts"]
        assert (counts["ready"], counts["leased"]) == (1, 1)
        socket.close()


def test_a_server_that_takes_no_writes_any_more_is_told_and_survived(own: Postgres, server: Server):
    with server.rest() as rest, own.connect() as admin:
        rest.declare("read-only")
        admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        admin.execute("SELECT pg_reload_conf()")
        eventually(lambda: refusal(lambda: rest.publish("read-only", {"body": 1})) == UNAVAILABLE)
        eventually(lambda: server.readiness() == 503)
        admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
        admin.execute("SELECT pg_reload_conf()")
        eventually(lambda: server.readiness() == 200, 30)
        rest.publish("read-only", {"body": 2})


@contextmanager
def without_standby(own: Postgres) -> Iterator[None]:
    """Within it commits wait for a standby that is not there."""
    with own.connect() as admin:
        admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        admin.execute("SELECT pg_reload_conf()")
        eventually(lambda: admin.execute("SHOW synchronous_standby_names").fetchone() == ("nobody",))
        try:
            yield
        finally:
            admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
            admin.execute("SELECT pg_reload_conf()")
            admin.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")


def said_of_the_store(server: Server) -> str:
    return str(httpx.get(f"{server.url}/readyz").json()["checks"]["store"])


def test_a_commit_whose_wait_for_the_standby_was_cancelled_is_not_confirmed(own: Postgres, server: Server):
    with server.rest() as rest, ThreadPoolExecutor() as threads, own.connect() as admin:
        rest.declare("cancelled")
        with without_standby(own):
            published = threads.submit(refusal, lambda: rest.publish("cancelled", {"body": 1}))
            waiting = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            eventually(lambda: admin.execute(waiting).fetchall() and published.done(), 30)
            assert published.result(30) == UNAVAILABLE
        eventually(lambda: server.readiness() == 200, 30)


def test_a_repeated_publish_is_not_confirmed_by_what_no_standby_has(own: Postgres, server: Server):
    with server.rest() as rest, ThreadPoolExecutor() as threads, own.connect() as admin:
        rest.declare("repeated")
        message = {"body": 1, "dedup_id": "once"}
        with without_standby(own):
            first = threads.submit(refusal, partial(rest.publish, "repeated", message))
            waiting = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            eventually(lambda: admin.execute(waiting).fetchall() and first.done(), 30)
            assert first.result(30) == UNAVAILABLE
            assert refusal(lambda: rest.publish("repeated", message)) == UNAVAILABLE
        eventually(lambda: server.readiness() == 200, 30)
        [answer] = rest.publish("repeated", message)
        assert answer["duplicate"], "the first was stored, and is confirmed once a standby has it"


def test_a_standby_that_is_gone_is_said_and_callers_are_answered(own: Postgres, server: Server):
    with server.rest() as rest, server.rest() as another, ThreadPoolExecutor() as threads:
        rest.declare("standby")
        with without_standby(own):
            calls = [threads.submit(refusal, partial(each.publish, "standby", {"body": 1})) for each in (rest, another)]
            eventually(lambda: server.readiness() == 503 and said_of_the_store(server) == "waits for the standby")
            assert {call.result(40) for call in calls} == {UNAVAILABLE}
        assert eventually(lambda: server.readiness() == 200, 30)
        assert rest.publish("standby", {"body": 2})[0]["id"]


def test_nodes_replaced_one_after_the_other_lose_nothing(own: Postgres, tmp_path: Path):
    """A rolling restart under load: each client goes on with whichever node is there."""
    with Server(tmp_path / "one", postgres=own) as one:
        one.start()
        with Server(tmp_path / "two", postgres=own, environment=one.environment) as two, two.start().rest() as rest:
            rest.declare("rolling", keyed=True)
            confirmed: list[int] = []
            socket = one.socket()
            socket.consume("rolling", prefetch=10)
            confirmed += publish(rest, range(20))
            held = socket.receive()["messages"]
            assert one.terminate() == 0
            assert closed(socket) == 1001
            one.start()
            with one.rest() as other:
                confirmed += publish(other, range(20, 40))
                assert two.terminate() == 0
                taken = drained(other)
            assert sorted(taken) == sorted(confirmed)
            assert {message["body"] for message in held} <= set(taken)


def publish(rest: Rest, numbers: range) -> list[int]:
    rest.publish("rolling", *({"body": n, "key": str(n % 7)} for n in numbers))
    return list(numbers)


def drained(rest: Rest) -> list[int]:
    taken: list[int] = []
    while messages := rest.receive("rolling", max=100, wait=2):
        rest.settle("rolling", ack=[message["receipt"] for message in messages])
        taken += [message["body"] for message in messages]
    return taken


def closed(socket: Any) -> int | None:
    eventually(lambda: socket.connection.close_code is not None)
    return int(socket.connection.close_code)
