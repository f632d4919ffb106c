"""Samples and marks over REST, of a real broker on each database: taken while the test looks on."""

from __future__ import annotations

import secrets
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from brokerweb.core import clock
from brokerweb.faces.rest import sample_shapes
from tests.clients import Rest
from tests.eventually import eventually
from tests.faces.test_rest_access import made
from tests.faces.test_rest_queues import refusal
from tests.server import Server


@pytest.fixture(params=["server", "node"])
def broker(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.mark.long
def test_everything_is_sampled_every_ten_seconds(broker: Server) -> None:
    name = f"sampled-{secrets.token_hex(4)}"
    with broker.rest() as rest:
        rest.declare(name)
        rest.call("PUT", f"/streams/{name}", {})
        rest.call("PUT", f"/streams/{name}/groups/g", {"start": "earliest"})
        rest.call("PUT", f"/topics/{name}", {"bindings": [{"pattern": "#", "to": f"queue:{name}"}]})

        def sampled(path: str, column: str, figure: float) -> dict[str, Any]:
            found: dict[str, Any] = rest.call("GET", f"{path}/samples", None, range="15m")
            return found if figure in found[column] else {}

        assert eventually(lambda: sampled(f"/queues/{name}", "ready", 0), 60, interval=0.5)
        rest.call("POST", f"/topics/{name}/messages", {"messages": [{"body": n, "routing_key": "a"} for n in range(4)]})
        rest.call("POST", f"/streams/{name}/records", {"records": [{"body": n} for n in range(3)]})
        of_queue = eventually(lambda: sampled(f"/queues/{name}", "ready", 4), 60, interval=0.5)
        of_stream = eventually(lambda: sampled(f"/streams/{name}", "ready", 3), 60, interval=0.5)
        of_group = eventually(lambda: sampled(f"/streams/{name}/groups/g", "lag", 3), 60, interval=0.5)
        of_topic = eventually(lambda: sampled(f"/topics/{name}", "in", 0.4), 60, interval=0.5)
        of_all = rest.call("GET", "/samples")
    for found, shape in (
        (of_queue, sample_shapes.QueueSamples),
        (of_stream, sample_shapes.Samples),
        (of_group, sample_shapes.GroupSamples),
        (of_topic, sample_shapes.Samples),
        (of_all, sample_shapes.AllSamples),
    ):
        msgspec.convert(found, shape)
        columns = [column for column in found.values() if isinstance(column, list)]
        assert {len(column) for column in columns} == {360 if found is of_all else 90}
        instants = [clock.parse_rfc3339(at) for at in found["at"]]
        assert {b - a for a, b in pairwise(instants)} == {clock.seconds(found["step"])}
    assert round(sum(figure or 0 for figure in of_queue["in"]) * 10) == 4
    assert of_queue["ready"][0] is None, "there was no such queue"
    assert max(figure or 0 for figure in of_all["ready"]) >= 4
    assert set(of_topic["ready"]) == {None}


def test_ranges_are_those_that_are_named(rest: Rest, queue: str) -> None:
    steps = {named: rest.call("GET", f"/queues/{queue}/samples", None, range=named) for named in ("15m", "1h", "6h", "24h", "7d")}
    assert {named: (found["step"], len(found["at"])) for named, found in steps.items()} == {
        "15m": (10, 90), "1h": (10, 360), "6h": (60, 360), "24h": (60, 1440), "7d": (60, 10_080),
    }  # fmt: skip
    assert refusal(rest, "GET", f"/queues/{queue}/samples", None, range="2h").code == "invalid"
    assert refusal(rest, "GET", "/queues/nobody/samples").code == "not_found"
    assert refusal(rest, "GET", "/streams/nobody/groups/g/samples").code == "not_found"


def test_who_may_browse_some_has_the_sum_of_these(rest: Rest, server: Server) -> None:
    for grants in ([], [("nothing.*", ["browse"])]):
        with Rest(server.url, made(rest, *grants)["token"]) as stranger:
            found = stranger.call("GET", "/samples")
        assert {figure for figure in found["ready"] if figure is not None} <= {0}
        assert "appended" not in found


def test_a_mark_is_noted_and_listed(broker: Server) -> None:
    with broker.rest() as rest:
        queue = f"marked-{secrets.token_hex(4)}"
        rest.declare(queue)
        at = clock.rfc3339(clock.wall() - clock.seconds(3600))
        noted = rest.call("POST", "/marks", {"text": "shop 2.4 <b>é</b>", "at": at, "target": f"queue:{queue}"})
        msgspec.convert(noted, sample_shapes.Mark)
        assert (noted["at"], noted["kind"], noted["by"]) == (at, "note", noted["by"])
        rest.call("POST", f"/queues/{queue}/pause", {"reason": "stocktaking"})
        rest.call("POST", f"/queues/{queue}/pause", {"reason": "again"})
        rest.call("POST", f"/queues/{queue}/resume")
        found = rest.call("GET", "/marks", None, range="6h", limit=1000)
        msgspec.convert(found, sample_shapes.MarkList)
        mine = [(mark["kind"], mark["text"]) for mark in found["items"] if mark["target"] == f"queue:{queue}"]
        assert mine == [
            ("note", "shop 2.4 <b>é</b>"), ("pause", f"{queue} paused: stocktaking"), ("resume", f"{queue} resumed"),
        ]  # fmt: skip
        week = rest.call("GET", "/marks", None, limit=1000)["items"]
        assert any(mark["kind"] == "start" and mark["target"] is None for mark in week)
        assert len(rest.call("GET", "/marks", None, limit=1)["items"]) == 1
        lately = rest.call("GET", "/marks", None, range="15m", limit=1000)["items"]
        assert not any("2.4" in mark["text"] for mark in lately if mark["target"] == f"queue:{queue}")


def test_seeks_redrives_and_jobs_mark_themselves(rest: Rest, queue: str, name: str) -> None:
    rest.call("PUT", f"/streams/{name}", {})
    rest.call("PUT", f"/streams/{name}/groups/g", {})
    rest.call("POST", f"/streams/{name}/groups/g/seek", {"to": "earliest", "dry_run": True})
    rest.call("POST", f"/streams/{name}/groups/g/seek", {"to": "earliest"})
    rest.publish(queue, {"body": 1})
    rest.settle(queue, dead=[{"receipt": m["receipt"]} for m in rest.receive(queue)])
    rest.call("POST", f"/queues/{queue}/redrive")
    rest.call("POST", f"/queues/{queue}/redrive")
    job = rest.call("POST", f"/queues/{queue}/purge", {"rate": 1000})["job"]
    marks = rest.call("GET", "/marks", None, range="15m", limit=1000)["items"]
    mine = [(mark["kind"], mark["text"]) for mark in marks if mark["target"] in (f"queue:{queue}", f"stream:{name}")]
    assert mine == [
        ("seek", f"g of {name} moved"),
        ("redrive", f"{queue}: messages put back"),
        ("purge", f"Job {job['id']}: purge of {queue}"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {}, {"text": ""}, {"text": "x" * 201}, {"text": "x", "at": "soon"}, {"text": "x", "at": "2020-01-01T00:00:00Z"},
        {"text": "x", "at": "2100-01-01T00:00:00Z"}, {"text": "x", "target": "orders"}, {"text": "a\0b"}, {"text": "x", "y": 1},
    ],
)  # fmt: skip
def test_marks_are_read_strictly(rest: Rest, body: dict[str, Any]) -> None:
    assert refusal(rest, "POST", "/marks", body).code == "invalid"


def test_a_mark_needs_manage_on_what_it_is_of(rest: Rest, server: Server) -> None:
    manager = made(rest, ("mine.*", ["manage"]))["token"]
    with Rest(server.url, manager) as mine:
        assert mine.call("POST", "/marks", {"text": "a deploy"})["target"] is None
        assert mine.call("POST", "/marks", {"text": "x", "target": "queue:mine.a"})["target"] == "queue:mine.a"
        assert refusal(mine, "POST", "/marks", {"text": "x", "target": "queue:theirs"}).code == "forbidden"
        assert not any(mark["target"] for mark in mine.call("GET", "/marks")["items"]), "which takes browse"
    with Rest(server.url, made(rest, ("*", ["browse", "publish"]))["token"]) as other:
        assert refusal(other, "POST", "/marks", {"text": "x"}).code == "forbidden"
        assert any(mark["target"] == "queue:mine.a" for mark in other.call("GET", "/marks", None, limit=1000)["items"])
