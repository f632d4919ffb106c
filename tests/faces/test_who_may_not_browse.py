"""Who may manage and not browse acts on messages, and is told how many and how they stand: nothing of what they hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from brokerweb.faces.codec.answers import Message
from brokerweb.faces.rest import shapes
from tests.clients import Rest
from tests.faces.test_rest_access import made
from tests.faces.test_rest_bulk import kill
from tests.server import Server

HELD = ("body-of-ana", "header-of-ana", "key-of-ana", "error-of-ana")
BODY, HEADER, KEY, ERROR = HELD
MESSAGE = {"body": {"name": BODY}, "headers": {"source": HEADER}, "key": KEY}


@pytest.fixture
def scene(rest: Rest, name: str) -> dict[str, str]:
    """A queue with a delayed message and a dead one, and a stream of which a shared group has a dead record; their ids."""
    rest.declare(name)
    rest.declare(f"{name}-to")
    rest.publish(name, MESSAGE)
    [taken] = rest.receive(name)
    rest.settle(name, dead=[{"receipt": taken["receipt"], "reason": ERROR}])
    [delayed] = rest.publish(name, MESSAGE | {"delay": 600})
    rest.call("PUT", f"/streams/{name}", {})
    rest.call("PUT", f"/streams/{name}/groups/g", {"kind": "shared", "start": "earliest"})
    rest.call("POST", f"/streams/{name}/records", {"records": [MESSAGE]})
    [record] = rest.call("POST", f"/streams/{name}/groups/g/receive", {})["messages"]
    dead = [{"receipt": record["receipt"], "reason": ERROR}]
    rest.call("POST", f"/streams/{name}/groups/g/settle", {"dead": dead})
    return {"name": name, "dead": taken["id"], "delayed": delayed["id"]}


@pytest.fixture
def manager(rest: Rest, server: Server, name: str) -> Iterator[Rest]:
    with Rest(server.url, made(rest, (name, ["manage"]))["token"]) as client:
        yield client


def plans(name: str, ids: list[str]) -> dict[str, Any]:
    """Every dry run there is of messages, by its path."""
    purge = {"filter": {"states": ["dead", "scheduled"]}}
    bulk = {"select": {"ids": {name: ids}}}
    return {
        f"/queues/{name}/purge": purge,
        f"/queues/{name}/redrive": {},
        f"/streams/{name}/groups/g/redrive": {},
        f"/streams/{name}/replay": {"from": "earliest", "to": f"queue:{name}"},
        "/bulk": {"action": "purge"} | bulk,
        "/bulk?redrive": {"action": "redrive"} | bulk,
        "/bulk?reschedule": {"action": "reschedule", "due_at": "2020-01-01T00:00:00Z"} | bulk,
        "/bulk?move": {"action": "move", "to": f"{name}-to"} | bulk,
    }


def test_a_plan_shows_nothing_that_is_held_to_who_may_not_browse_it(rest: Rest, server: Server, scene: dict[str, str]) -> None:
    name, ids = scene["name"], [scene["dead"], scene["delayed"]]
    tokens = {verb: made(rest, (f"{name}*", ["manage", "publish", *verb.split()]))["token"] for verb in ("", "browse")}
    for path, asked in plans(name, ids).items():
        for verb, token in tokens.items():
            with Rest(server.url, token) as client:
                told = client.call("POST", path.partition("?")[0], {**asked, "dry_run": True})
            assert told.get("matched", told.get("records")), path
            assert bool(told["samples"]) == (verb == "browse"), path
            assert any(held in json.dumps(told) for held in HELD) == (verb == "browse"), path


def test_a_dry_run_says_how_many_to_who_may_not_browse(manager: Rest, scene: dict[str, str]) -> None:
    told = manager.call("POST", f"/queues/{scene['name']}/redrive", {"dry_run": True})
    assert msgspec.convert(told, shapes.Preview).matched == 1
    assert told["oldest_at"] == told["newest_at"] is not None


ACTS = {
    "requeue": ("POST", "dead", "/requeue", {}, "ready"),
    "reschedule": ("PATCH", "delayed", "", {"delay": 900}, "scheduled"),
    "redact": ("POST", "delayed", "/redact", {}, "scheduled"),
}


@pytest.mark.parametrize("act", ACTS)
def test_an_act_on_one_message_tells_how_it_stands_to_who_may_not_browse(
    manager: Rest, rest: Rest, scene: dict[str, str], act: str
) -> None:
    method, which, path, body, state = ACTS[act]
    told = manager.call(method, f"/queues/{scene['name']}/messages/{scene[which]}{path}", body)
    msgspec.convert(told, Message)
    assert (told["id"], told["state"]) == (scene[which], state)
    assert not any(held in json.dumps(told) for held in HELD)
    assert told.keys().isdisjoint({"body", "body_base64", "failed", "timeline", "family"})
    if act != "redact":
        shown = rest.call("GET", f"/queues/{scene['name']}/messages/{scene[which]}")
        assert shown["body"] == MESSAGE["body"]


def test_by_what_a_job_chose_is_not_told_to_who_may_not_browse(manager: Rest, rest: Rest, queue: str) -> None:
    kill(rest, queue, "x", "y", "z")
    asked = {"action": "redrive", "select": {"q": "$.n>=0", "in": [f"queue:{queue}"]}, "rate": 0.001}
    job = rest.call("POST", "/bulk", asked)["job"]
    assert "$.n" in json.dumps(job["params"])
    cancelled = manager.call("DELETE", f"/jobs/{job['id']}")
    assert (cancelled["state"], "$.n" in json.dumps(cancelled)) == ("cancelled", False)
