"""Each verdict of a queue, brought about by clients, and the sentence read; and what of it is stuck."""

from __future__ import annotations

import re
from typing import Any

from tests.answers.clients import publish, receive, rels, socket
from tests.clients import Json, Rest
from tests.eventually import eventually
from tests.faces.test_rest_access import made
from tests.server import Server


def why(rest: Rest, queue: str) -> Json:
    return dict(rest.queue(queue)["verdict"])


def stuck(rest: Rest, destination: str) -> Json | None:
    items = rest.call("GET", "/stuck", None, limit=1000)["items"]
    return next((item for item in items if item["destination"] == destination), None)


def test_idle(rest: Rest, queue: str) -> None:
    assert (why(rest, queue)["code"], why(rest, queue)["text"]) == ("idle", "Nothing waits in it.")
    publish(rest, queue, 1, delay=60)
    assert why(rest, queue)["text"] == "Nothing waits in it but 1 for later."


def test_paused(rest: Rest, queue: str) -> None:
    publish(rest, queue, 1, 2)
    rest.call("POST", f"/queues/{queue}/pause", {"reason": "stocktaking"})
    verdict = why(rest, queue)
    assert (verdict["code"], verdict["facts"]["also"]) == ("paused", ["no_consumer"])
    assert verdict["text"].endswith("just now: “stocktaking”. 2 messages wait until it is resumed.")
    assert rels(verdict)[0] == "resume"


def test_no_consumer_and_the_list_of_what_is_stuck(rest: Rest, server: Server, queue: str) -> None:
    with socket(server, "till-1") as till:
        till.consume(queue)
    eventually(lambda: rest.queue(queue)["consumers"] == 0)
    publish(rest, queue, 1, 2)
    verdict = why(rest, queue)
    assert verdict["code"] == "no_consumer"
    assert verdict["text"].startswith(f"Nobody consumes {queue}, and 2 messages wait. till-1 was the last, ")
    assert stuck(rest, f"queue:{queue}") is None, "an ordinary short wait"
    item = eventually(lambda: stuck(rest, f"queue:{queue}"), timeout=20) or {}
    assert (item["group"], item["held"], item["verdict"]["code"]) == (None, 2, "no_consumer")
    assert item["verdict"]["text"].startswith(f"Nobody consumes {queue}, and 2 messages wait. till-1 was the last, ")
    with Rest(server.url, made(rest, (queue, ["consume", "publish"]))["token"]) as stranger:
        assert stuck(stranger, f"queue:{queue}") is None
    with Rest(server.url, made(rest, (queue, ["browse"]))["token"]) as reader:
        seen = reader.call("GET", "/stuck")["items"]
        assert [(item["destination"], rels(item["verdict"])) for item in seen] == [(f"queue:{queue}", ["messages"])]


def test_what_acts_is_shown_to_those_who_may(rest: Rest, server: Server, queue: str) -> None:
    [id] = publish(rest, queue, 1)
    rest.call("POST", f"/queues/{queue}/pause", {})
    for verbs, may in ((["browse"], False), (["browse", "manage"], True)):
        with Rest(server.url, made(rest, (queue, verbs))["token"]) as asker:
            assert ("resume" in rels(why(asker, queue))) is may
            assert ("resume" in rels(asker.call("GET", f"/queues/{queue}/messages/{id}")["verdict"])) is may
    rest.call("POST", f"/queues/{queue}/resume")
    with socket(server, "till-1") as till, Rest(server.url, made(rest, (queue, ["browse", "manage"]))["token"]) as asker:
        till.consume(queue)
        till.receive()
        verdict = asker.call("GET", f"/queues/{queue}/messages/{id}")["verdict"]
        assert (verdict["facts"]["client"], rels(verdict)) == ("till-1", ["queue"]), "closing a connection is an administrator's"


def test_stuck(rest: Rest, server: Server, name: str) -> None:
    rest.declare(name, lease=1)
    with socket(server, "till-1") as till:
        till.consume(name, prefetch=2, lease=60)
        publish(rest, name, 1, 2, 3)
        verdict = eventually(lambda: (found := why(rest, name))["code"] == "stuck" and found)
        said = rf"Nothing of {name} was settled for \d+ seconds?: till-1 holds 2 of 2, and 1 message waits"
        assert re.match(said, verdict["text"]), verdict["text"]
        assert verdict["facts"]["silent"] > 1
        assert [(c["client"], c["unsettled"]) for c in verdict["facts"]["consumers"]] == [("till-1", 2)]
        assert rels(verdict)[0] == "close"
        item = stuck(rest, f"queue:{name}")
        assert item is not None
        assert (item["held"], item["verdict"]["code"]) == (3, "stuck")
        [first, second] = till.receive()["messages"]
        till.call("ack", receipts=[first["receipt"]])
        assert why(rest, name)["code"] != "stuck"
        assert rest.call("GET", f"/queues/{name}/messages/{second['id']}")["verdict"]["code"] == "leased"


def test_key_stuck(rest: Rest, name: str) -> None:
    rest.declare(name, keyed=True)
    head, *_ = publish(rest, name, 1, 2, 3, key="acct-0")
    [message] = receive(rest, name, "till-1")
    assert why(rest, name)["code"] == "flowing", "one that is in work holds nobody up yet"
    rest.settle(name, nack=[{"receipt": message["receipt"], "delay": 60, "error": "no"}])
    verdict = why(rest, name)
    assert (verdict["code"], verdict["facts"]["held"], verdict["facts"]["head"]["id"]) == ("key_stuck", 2, head)
    assert "also" not in verdict["facts"], "it is not idle: two wait"
    assert verdict["text"] == (
        f"Message {head} of key acct-0 has failed 1 time and is tried again; 2 messages of that key wait behind it."
    )
    assert rels(verdict)[0] == "head"


def test_full(rest: Rest, name: str) -> None:
    rest.declare(name, max_length=2)
    publish(rest, name, 1, 2)
    assert why(rest, name)["facts"]["also"] == ["full"]
    receive(rest, name, "till-1", max=2)
    verdict = why(rest, name)
    assert (verdict["code"], verdict["facts"]["max_length"]) == ("full", 2)
    assert "refuses what is published" in verdict["text"]
    assert "settings" in rels(verdict)


def test_flowing_falling_behind_and_catching_up(rest: Rest, queue: str) -> None:
    publish(rest, queue, 1)
    [message] = receive(rest, queue, "till-1")
    assert why(rest, queue)["code"] == "flowing"
    publish(rest, queue, *range(200))
    verdict = why(rest, queue)
    assert (verdict["code"], verdict["facts"]["ready"]) == ("falling_behind", 200)
    assert verdict["facts"]["by"] > 10
    assert "200 messages wait, and they grow by" in verdict["text"]
    rest.settle(queue, ack=[message["receipt"]])

    def works() -> Any:
        taken = receive(rest, queue, "till-1", max=1)
        rest.settle(queue, ack=[message["receipt"] for message in taken])
        return (found := why(rest, queue))["code"] == "catching_up" and found

    verdict = eventually(works, timeout=20, interval=0.3)
    assert verdict["text"].endswith(".")
    assert verdict["facts"]["eta"] is None or verdict["facts"]["eta"] > 0


def test_a_list_has_verdicts_where_they_are_asked_for(rest: Rest, queue: str) -> None:
    [item] = rest.call("GET", "/queues", None, prefix=queue, verdict="true")["items"]
    assert item["verdict"]["code"] == "idle"
    [item] = rest.call("GET", "/queues", None, prefix=queue)["items"]
    assert "verdict" not in item


def test_who_consumed_last_outlives_the_broker(tmp_path: Any) -> None:
    with Server(tmp_path / "data") as server:
        with server.start().rest() as rest:
            rest.declare("orders")
            publish(rest, "orders", 1, 2)
            [message] = receive(rest, "orders", "till-1", max=1)
            rest.settle("orders", ack=[message["receipt"]])
        server.terminate()
        with server.start().rest() as rest:
            verdict = why(rest, "orders")
            assert (verdict["code"], verdict["facts"]["last_consumer"]) == ("no_consumer", "till-1")
            assert "till-1 was the last, " in verdict["text"]
