"""A job whose broker is killed in the middle of it, on a real server."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.clients import Rest
from tests.eventually import eventually
from tests.server import Server

N = 6_000


def make_dead(rest: Rest, queue: str) -> None:
    for _ in range(N // 1000):
        rest.publish(queue, *({"body": n} for n in range(1000)))
        rest.settle(queue, dead=[{"receipt": m["receipt"]} for m in rest.receive(queue, max=1000)])


def has_come(rest: Rest, job: str, least: int) -> bool:
    return bool(rest.call("GET", f"/jobs/{job}")["done"] >= least)


def test_a_redrive_goes_on_after_sigkill_without_duplicates_or_gaps(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server, server.start().rest() as rest:
        rest.declare("orders")
        rest.declare("again")
        make_dead(rest, "orders")
        job = rest.call("POST", "/queues/orders/redrive", {"to": "again", "rate": 5_000})["job"]
        for least in (600, 2_400, 4_200):
            eventually(partial(has_come, rest, job["id"], least), why="it gets on")
            server.kill()
            server.start()
        eventually(lambda: rest.call("GET", f"/jobs/{job['id']}")["state"] == "done", why="it ends")
        told = rest.call("GET", f"/jobs/{job['id']}")
        assert (told["done"], told["failed"], told["total"], told["error"]) == (N, 0, N, None)
        assert rest.queue("orders")["counts"]["dead"] == 0
        assert rest.queue("again")["counts"]["ready"] == N
        ids = [int(message["id"]) for message in rest.browse("again")]
        assert len(set(ids)) == N
