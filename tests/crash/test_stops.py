"""F5, F6, F19: a server that is told to stop, one that is frozen beyond its leases, and a second one on the same data."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients import Json, Socket
from tests.crash.campaign import Campaign
from tests.crash.dose import rounds
from tests.eventually import eventually
from tests.server import Server


@pytest.mark.long
def test_sigterm_under_traffic_answers_what_is_open_and_tells_everybody(campaign: Campaign) -> None:
    campaign.open()
    with campaign.server.socket() as bystander:
        for number in range(rounds(2, 20)):
            campaign.traffic()
            start = time.monotonic()
            assert campaign.server.terminate() == 0
            assert time.monotonic() - start < 20  # ten, and what a busy machine adds
            campaign.history.outage()
            campaign.audit()
            if number == 0:
                bystander.until_closed()
                assert bystander.close_code == 1001
            campaign.restart()
    campaign.close()


def test_a_stop_releases_what_subscriptions_hold_without_a_failure(server: Server) -> None:
    with server.start().rest() as rest, server.socket() as holder:
        rest.declare("orders", lease=600)
        rest.publish("orders", {"body": 1}, {"body": 2})
        holder.consume("orders")
        taken = _taken(holder, 2)
    server.terminate()

    with server.start().rest() as rest:
        again = rest.receive("orders", max=10, wait=5)

    assert [(m["id"], m["attempts"], m["failures"]) for m in again] == [(m["id"], 2, 0) for m in taken]


def test_a_kill_releases_what_subscriptions_held_without_a_failure(server: Server) -> None:
    with server.start().rest() as rest, server.socket() as holder:
        rest.declare("orders", lease=600)
        rest.publish("orders", {"body": 1}, {"body": 2})
        holder.consume("orders")
        taken = _taken(holder, 2)
        server.kill()

    with server.start().rest() as rest:
        again = rest.receive("orders", max=10, wait=5)

    assert [(m["id"], m["attempts"], m["failures"]) for m in again] == [(m["id"], 2, 0) for m in taken]


@pytest.mark.long
def test_a_server_that_was_frozen_settles_no_lease_that_ended_meanwhile(campaign: Campaign) -> None:
    campaign.open()
    for _ in range(rounds(2, 20)):
        campaign.traffic()
        with campaign.frozen():
            until = time.monotonic() + 2 + campaign.dice.uniform(0.2, 2)  # leases are 2 s
            eventually(lambda: time.monotonic() > until)  # noqa: B023 (called at once)
    campaign.traffic()
    campaign.close()


def test_a_second_server_on_the_same_data_is_refused(server: Server) -> None:
    server.start()
    with Server(server.data) as second:
        second.start(ready=False)

        assert second.exit_status() != 0
        assert "Traceback" not in second.log_tail(30)
    assert server.readiness() == 200


def remove_the_lock(server: Server, other: Path) -> Path:
    (server.data / "lock").unlink()
    return server.data


def replace_the_lock(server: Server, other: Path) -> Path:
    (other / "lock").write_text("")
    (other / "lock").replace(server.data / "lock")
    return server.data


def go_by_a_symbolic_link(server: Server, other: Path) -> Path:
    (other / "brokerweb.sqlite3").symlink_to(server.data / "brokerweb.sqlite3")
    return other


def go_by_a_hard_link(server: Server, other: Path) -> Path:
    for name in ("brokerweb.sqlite3", "brokerweb.sqlite3-wal", "brokerweb.sqlite3-shm"):
        (other / name).hardlink_to(server.data / name)
    return other


@pytest.mark.parametrize("way", [remove_the_lock, replace_the_lock, go_by_a_symbolic_link, go_by_a_hard_link])
def test_no_way_around_the_lock_leads_to_a_second_server(server: Server, tmp_path: Path, way: Callable[[Server, Path], Path]):
    """It would release what the first one's sockets hold."""
    other = tmp_path / "other"
    other.mkdir()
    with server.start().rest() as rest, server.socket() as holder:
        rest.declare("orders", lease=600)
        rest.publish("orders", {"body": 1}, {"body": 2})
        holder.consume("orders")
        taken = _taken(holder, 2)

        with Server(way(server, other)) as second:
            second.start(ready=False)
            assert second.exit_status() == 1
            assert f"process {server.pid}" in second.log_tail()
            assert "Traceback" not in second.log_tail(100)

        assert rest.queue("orders")["counts"]["leased"] == 2
        assert {r["status"] for r in rest.settle("orders", ack=[m["receipt"] for m in taken])} == {"ok"}
    assert server.readiness() == 200


@pytest.mark.parametrize("way", [remove_the_lock, replace_the_lock])
def test_a_killed_server_keeps_nobody_waiting_without_its_lock_either(server: Server, tmp_path: Path, way):
    server.start().kill()
    way(server, tmp_path)

    server.start()

    assert "waiting" not in server.log_tail()


def test_a_killed_server_leaves_no_lock_behind(server: Server) -> None:
    server.start().kill()

    assert server.start().readiness() == 200


def _taken(socket: Socket, number: int) -> list[Json]:
    taken: list[Json] = []
    while len(taken) < number:
        frame = socket.next(10)
        assert frame is not None, f"only {len(taken)} of {number} came"
        taken += frame.get("messages", [])
    return taken
