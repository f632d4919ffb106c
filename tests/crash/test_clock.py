"""F10: the wall clock steps under a running broker, and between two starts."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients import Refused, Rest, Socket
from tests.crash.campaign import Campaign
from tests.crash.dose import rounds
from tests.eventually import eventually
from tests.powerfail.shim import WALL_OFFSET_S, Disk
from tests.stepper import SteppedServer

HOUR, DAY, YEARS = 3600, 86_400, 3 * 365 * 86_400
STEPS = [HOUR, -2 * HOUR, DAY]


@pytest.mark.long
def test_steps_of_the_wall_clock_end_no_lease_and_repeat_nothing(disk_campaign: Campaign, disk: Disk) -> None:
    disk_campaign.history.stepped = True
    disk_campaign.open()
    for number in range(max(rounds(1, 10), len(STEPS))):
        disk_campaign.traffic(50)
        disk.set(WALL_OFFSET_S, STEPS[number % len(STEPS)])
    disk_campaign.traffic()
    _no_negative_ages(disk_campaign)
    disk_campaign.close()


@pytest.mark.long
def test_a_lease_outlives_restarts_on_a_stepped_clock(disk_campaign: Campaign, disk: Disk) -> None:
    server = disk_campaign.server
    with server.start().rest() as rest:
        rest.declare("orders", lease=600)
        rest.publish("orders", *({"body": step} for step in STEPS))
        taken = rest.receive("orders", wait=5)
    for step, message in zip(STEPS, taken, strict=True):
        disk.set(WALL_OFFSET_S, step)
        server.terminate()
        with server.start().rest() as rest:
            assert rest.queue("orders")["counts"]["ready"] == 0
            (result,) = rest.settle("orders", ack=[message["receipt"]])

            assert result["status"] == "ok"


def _no_negative_ages(campaign: Campaign) -> None:
    with campaign.server.rest() as rest:
        queues = [*rest.call("GET", "/queues")["items"]]
    assert queues
    assert all(queue["oldest_ready_age"] is None or queue["oldest_ready_age"] >= 0 for queue in queues)


# What people state


@pytest.fixture(params=["uvicorn", "daphne"])
def stepped(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SteppedServer]:
    with SteppedServer(tmp_path / "data", kind=request.param) as server:
        yield server


def state(rest: Rest, id: str) -> str:
    return str(rest.call("GET", f"/queues/orders/messages/{id}")["state"])


def token(server: SteppedServer, rest: Rest, later: float) -> str:
    asked = {"name": "t", "grants": [{"pattern": "*", "verbs": ["browse", "consume"]}], "expires_at": server.wall(later)}
    return str(rest.call("POST", "/tokens", asked)["token"])


def figure(server: SteppedServer, rest: Rest) -> float:
    text = httpx.get(f"{server.url}/metrics", headers=rest.http.headers).text
    return float(text.partition("\nbrokerweb_clock_difference_seconds ")[2].split()[0])


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
def test_what_is_stated_follows_the_wall_and_what_lasts_does_not(tmp_path: Path, kind: str) -> None:
    with SteppedServer(tmp_path / "data", kind=kind) as server, server.start().rest() as rest, ThreadPoolExecutor() as pool:
        assert (server.clock(), figure(server, rest)) == ("ok", 0)
        rest.declare("orders", lease=600)
        rest.call("PUT", "/streams/events", {"retention_age": 600})
        rest.call("POST", "/streams/events/records", {"records": [{"body": 1}]})
        rest.publish("orders", {"body": 1})
        (held,) = rest.receive("orders")
        stated, delayed, kept = rest.publish(
            "orders",
            {"body": 2, "deliver_at": server.wall(HOUR), "ttl": 600},
            {"body": 3, "delay": 600},
            {"body": 4, "ttl": 600},
        )
        rest.declare("empty")
        text = token(server, rest, HOUR)
        ends = [pool.submit(end, server, text) for end in (end_of_a_socket, end_of_an_event_stream, end_of_a_long_poll)]
        eventually(lambda: len(rest.call("GET", "/connections")["items"]) == 2, why="both are connected")

        server.set_wall(2 * HOUR)
        assert [end.result(30) for end in ends] == ["expiring, 4001", "unauthenticated", "401"]
        eventually(lambda: state(rest, stated["id"]) == "ready")
        assert (state(rest, delayed["id"]), state(rest, kept["id"])) == ("scheduled", "ready")
        assert server.clock() == "the wall clock is 7200.0 s (2:00:00) ahead of what was expected"
        assert round(figure(server, rest)) == 2 * HOUR
        assert "7200.0 s (2:00:00) ahead of what was expected" in server.log_tail()
        shown = rest.call("GET", f"/queues/orders/messages/{kept['id']}")["expires_at"]
        assert 500 < server.off(shown) <= 600, "named as the wall names it now"

        server.set_wall(-2 * HOUR)
        (soon,) = rest.publish("orders", {"body": 6, "deliver_at": server.wall(1)})
        (later,) = rest.publish("orders", {"body": 7, "deliver_at": server.wall(HOUR)})
        eventually(lambda: state(rest, soon["id"]) == "ready")
        assert state(rest, later["id"]) == "scheduled"
        assert -30 < server.off(rest.call("GET", f"/queues/orders/messages/{later['id']}")["published_at"]) <= 0
        assert rest.settle("orders", ack=[held["receipt"]])[0]["status"] == "ok"
        assert rest.call("GET", "/streams/events/records?offset=0")["records"]

        server.set_wall(0)
        eventually(lambda: server.clock() == "ok")
        assert figure(server, rest) == 0


def end_of_a_socket(server: SteppedServer, text: str) -> str:
    with Socket.open(server.url.replace("http", "ws", 1) + "/ws", text) as socket:
        frames = socket.until_closed()
        return f"{frames[-1]['op']}, {socket.close_code}"


def end_of_an_event_stream(server: SteppedServer, text: str) -> str:
    headers = {"Authorization": f"Bearer {text}"}
    with httpx.stream("GET", f"{server.url}/api/v1/streams/events/live", headers=headers, timeout=30) as answer:
        said = answer.read().decode()
    return said.rpartition('"code":"')[2].partition('"')[0]


def end_of_a_long_poll(server: SteppedServer, text: str) -> str:
    with Rest(server.url, text) as rest:
        try:
            return str(rest.receive("empty", wait=20))
        except Refused as refused:
            return str(refused.status)


@pytest.mark.parametrize("off", [YEARS, -30 * 365 * DAY])
def test_one_start_with_a_wrong_wall_is_said_and_leaves_the_next_as_it_was(stepped: SteppedServer, off: float) -> None:
    begin(stepped)
    stepped.set_wall(off)
    with stepped.start().rest() as rest:
        assert stepped.clock().endswith("ahead of what was expected" if off > 0 else "behind what was expected")
        assert "Is it right?" in stepped.log_tail()
        assert lasting(rest) == ["leased", "scheduled", "ready", "duplicate", "a record"]
        rest.call("POST", "/streams/events/records", {"records": [{"body": 2}]})
        (here,) = rest.publish("orders", {"body": 5, "deliver_at": stepped.wall(1)})
        eventually(lambda: state(rest, here["id"]) == "ready")
    stepped.terminate()
    stepped.set_wall(0)
    with stepped.start().rest() as rest:
        assert stepped.clock() == "ok"
        assert lasting(rest) == ["leased", "scheduled", "ready", "duplicate", "a record"]
        soon, later = rest.publish(
            "orders", {"body": 6, "deliver_at": stepped.wall(1)}, {"body": 7, "deliver_at": stepped.wall(HOUR)}
        )
        eventually(lambda: state(rest, soon["id"]) == "ready")
        assert state(rest, later["id"]) == "scheduled"
        assert -30 < stepped.off(rest.call("GET", f"/queues/orders/messages/{later['id']}")["published_at"]) <= 0


def begin(stepped: SteppedServer) -> None:
    with stepped.start().rest() as rest:
        rest.declare("orders", lease=600)
        rest.call("PUT", "/streams/events", {"retention_age": 600})
        rest.call("POST", "/streams/events/records", {"records": [{"body": 1}]})
        rest.publish("orders", {"body": 1})
        rest.receive("orders")
        rest.publish("orders", {"body": 2, "delay": 600})
        rest.publish("orders", {"body": 3, "ttl": 600, "dedup_id": "a"})
    stepped.terminate()


def lasting(rest: Rest) -> list[str]:
    """What ``begin`` began."""
    messages: list[dict[str, Any]] = [*rest.browse("orders")]
    (again,) = rest.publish("orders", {"body": 3, "dedup_id": "a"})
    records = rest.call("GET", "/streams/events/records?offset=0")["records"]
    return [
        *(str(message["state"]) for message in messages[:3]),
        "duplicate" if again["duplicate"] else "new",
        "a record" if records[0]["body"] == 1 else "none",
    ]
