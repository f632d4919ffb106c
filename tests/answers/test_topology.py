"""Where messages go, over REST: who published, what is bound, and who consumes now."""

from __future__ import annotations

import secrets

import pytest

from brokerweb.answers.topology import _ranked
from brokerweb.answers.verdicts.reading import QueueRow
from tests.answers.clients import publish, receive, socket
from tests.clients import Json, Rest
from tests.eventually import eventually
from tests.faces.test_rest_access import made
from tests.server import Server


def around(rest: Rest, thing: str) -> Json:
    return dict(rest.call("GET", "/topology", None, around=thing))


def ways(found: Json) -> set[tuple[str, str]]:
    return {(edge["from"], edge["to"]) for edge in found["edges"]}


def ids(found: Json, kind: str) -> list[str]:
    return [each["id"] for each in found[kind]]


def flows(rest: Rest, server: Server, queue: str) -> None:
    topic, other = f"{queue}-topic", f"{queue}-other"
    rest.declare(other)
    rest.call("PUT", f"/topics/{topic}", {"bindings": [{"pattern": "a.#", "to": f"queue:{queue}"}]})
    token = made(rest, (topic, ["publish"]), (other, ["publish"]), name=f"{queue}-till")["token"]
    with Rest(server.url, token) as till, socket(server, f"{queue}-worker") as worker:
        till.call("POST", f"/topics/{topic}/messages", {"messages": [{"routing_key": "a.b", "body": n} for n in range(20)]})
        till.call("POST", f"/queues/{other}/messages", {"messages": [{"body": 1}]})
        worker.consume(queue, prefetch=100)
        worker.receive()
        eventually(lambda: around(rest, f"queue:{queue}")["consumers"])
        found = around(rest, f"queue:{queue}")
    publisher, consumer = f"publisher:{queue}-till", f"consumer:{queue}-worker"
    assert ways(found) == {(publisher, f"topic:{topic}"), (f"topic:{topic}", f"queue:{queue}"), (f"queue:{queue}", consumer)}
    assert (ids(found, "publishers"), found["publishers"][0]["kind"]) == ([publisher], "token")
    assert found["topics"][0]["bindings"] == [{"pattern": "a.#", "to": f"queue:{queue}"}]
    rates = {(edge["from"], edge["to"]): edge["rate"] for edge in found["edges"]}
    assert rates[publisher, f"topic:{topic}"] > 0
    assert rates[f"topic:{topic}", f"queue:{queue}"] > 0, "what a binding copied is counted by itself"
    assert found["consumers"][0]["unsettled"] == 20
    assert ways(around(rest, f"queue:{other}")) == {(publisher, f"queue:{other}")}
    of_publisher = around(rest, publisher)
    assert {f"topic:{topic}", f"queue:{other}", f"queue:{queue}"} <= {end for way in ways(of_publisher) for end in way}


@pytest.mark.parametrize("broker", ["server", "node"])
def test_publishers_topics_queues_and_consumers(broker: str, request: pytest.FixtureRequest) -> None:
    """On each database."""
    server: Server = request.getfixturevalue(broker)
    queue = f"mapped-{secrets.token_hex(4)}"
    with server.rest() as rest:
        rest.declare(queue)
        flows(rest, server, queue)


def test_streams_groups_and_readers(rest: Rest, server: Server, name: str) -> None:
    rest.call("PUT", f"/streams/{name}")
    rest.call("PUT", f"/streams/{name}/groups/g")
    rest.call("POST", f"/streams/{name}/records", {"records": [{"body": 1}]})
    with socket(server, f"{name}-member") as member, socket(server, f"{name}-reader") as reader:
        member.call("subscribe", stream=name, group="g", prefetch=10)
        reader.call("subscribe", stream=name, prefetch=10)
        expected = {
            (f"stream:{name}", f"group:{name}/g"),
            (f"group:{name}/g", f"consumer:{name}-member"),
            (f"stream:{name}", f"consumer:{name}-reader"),
        }
        eventually(lambda: expected <= ways(around(rest, f"stream:{name}")))
        found = around(rest, f"stream:{name}")
    assert found["groups"][0]["stream"] == name
    assert found["around"] == f"stream:{name}"
    assert (f"stream:{name}", f"group:{name}/g") in ways(around(rest, f"group:{name}/g"))


def test_each_of_several_consumers_has_its_own_rate(rest: Rest, server: Server, queue: str) -> None:
    with socket(server, f"{queue}-quick") as quick, socket(server, f"{queue}-slow") as slow:
        slow.consume(queue, prefetch=1)
        quick.consume(queue, prefetch=100)
        publish(rest, queue, *range(40))
        for each in (quick, slow):
            each.receive()
        there = {f"{queue}-quick", f"{queue}-slow"}
        rates = eventually(lambda: _given(around(rest, f"queue:{queue}"), there))
        [shown] = [each for each in rest.call("GET", "/connections")["items"] if each["client"] == f"{queue}-quick"]
    assert rates[f"{queue}-quick"] > rates[f"{queue}-slow"] > 0, "one took all but one"
    assert shown["subscriptions"][0]["rate"] > 0


def _given(found: Json, clients: set[str]) -> dict[str, float]:
    """The rates of those ways to consumers, once all of them have one."""
    rates = {edge["to"].removeprefix("consumer:"): edge["rate"] for edge in found["edges"] if edge["to"].startswith("consumer:")}
    return rates if clients <= rates.keys() and all(rates.values()) else {}


def test_what_nobody_takes_stands(rest: Rest, server: Server, queue: str) -> None:
    publish(rest, queue, 1)
    [shown] = around(rest, f"queue:{queue}")["queues"]
    assert (shown["stands"], shown["verdict"], shown["ready"]) == (False, "no_consumer", 1), "it has only just come"
    eventually(lambda: around(rest, f"queue:{queue}")["queues"][0]["stands"], timeout=20)
    receive(rest, queue, "till-9")
    found = around(rest, f"queue:{queue}")
    assert not found["queues"][0]["stands"]
    assert (f"queue:{queue}", "consumer:till-9") in ways(found), "who calls receive consumes, too"


def test_only_what_may_be_browsed(rest: Rest, server: Server, queue: str) -> None:
    topic = f"{queue}-topic"
    rest.call("PUT", f"/topics/{topic}", {"bindings": [{"pattern": "#", "to": f"queue:{queue}"}]})
    publish(rest, queue, 1)
    with Rest(server.url, made(rest, (topic, ["browse"]))["token"]) as asker:
        found = asker.call("GET", "/topology")
        assert (ids(found, "topics"), found["queues"], found["publishers"]) == ([f"topic:{topic}"], [], [])
        assert (found["edges"], found["topics"][0]["bindings"]) == ([], [])
        assert asker.http.get("/topology", params={"around": f"queue:{queue}"}).status_code == 403
    assert rest.http.get("/topology", params={"around": "queue:no-such"}).status_code == 404
    for wrong in ("queue", "queue:", "thing:x", "queue:a b", "group:events"):
        assert rest.http.get("/topology", params={"around": wrong}).status_code == 400


def test_what_stands_is_shown_before_what_flows() -> None:
    rows = [QueueRow(n, f"q{n}", 0, 30.0, None, False, None, "refuse", None, "", "", None, None, None, None) for n in range(6)]
    rates = {0: {"published": 5.0, "delivered": 5.0}, 1: {"published": 9.0, "delivered": 9.0}, 2: {"published": 1.0}}
    counts = {2: {"ready": 3}, 3: {"ready": 7}, 4: {"leased": 1}, 5: {"dead": 50}}
    assert [row.id for row in _ranked(rows, rates, counts, 2)] == [3, 2, 1, 0, 5, 4]
    assert [row.id for row in _ranked(rows, rates, counts, 0)] == [1, 0, 2, 5, 3, 4]


def test_more_than_are_shown_are_counted(rest: Rest, queue: str) -> None:
    names = [f"{queue}-{n}" for n in range(4)]
    for name in names:
        rest.declare(name)
    rest.call("PUT", f"/topics/{queue}-all", {"bindings": [{"pattern": "#", "to": f"queue:{name}"} for name in names]})
    found = rest.call("GET", "/topology", None, limit=1)
    assert len(found["queues"]) == 1
    assert found["more"]["queues"] >= 4
    everything = rest.call("GET", "/topology", None, limit=1000)
    assert {(f"topic:{queue}-all", f"queue:{name}") for name in names} <= ways(everything)
