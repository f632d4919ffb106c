"""The audit trail over REST, on each database: what changes is in it once, with what was before and after."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
import pytest

from brokerweb.core import clock
from brokerweb.faces.rest import shapes
from tests.clients import Rest
from tests.faces.test_rest_queues import refusal
from tests.server import Server


@pytest.fixture(params=["server", "node"])
def broker(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


def trail(rest: Rest, **filters: str) -> list[dict[str, Any]]:
    """What the trail has, the oldest first."""
    found = rest.call("GET", "/audit", None, **filters)
    msgspec.convert(found, shapes.AuditList)
    return list(reversed(found["items"]))


def told(rest: Rest, **filters: str) -> list[tuple[Any, ...]]:
    return [(e["action"], e["before"], e["after"]) for e in trail(rest, **filters)]


def test_declarations_say_what_was_before_and_after(broker: Server) -> None:
    name = f"audited-{secrets.token_hex(4)}"
    with broker.rest() as rest:
        rest.call("PUT", f"/queues/{name}", {"max_failures": 3})
        rest.call("PATCH", f"/queues/{name}", {"max_failures": 4, "lease": 31})
        rest.call("DELETE", f"/queues/{name}")
        made, changed, gone = told(rest, target=f"queue:{name}")
    assert made[:2] == ("queue.declare", None)
    assert made[2]["max_failures"] == 3
    assert changed == ("queue.declare", {"max_failures": 3, "lease": made[2]["lease"]}, {"max_failures": 4, "lease": 31})
    assert gone == ("queue.delete", {**made[2], **changed[2]}, None)


def test_streams_groups_and_topics_do_too(broker: Server) -> None:
    name = f"audited-{secrets.token_hex(4)}"
    bound = {"bindings": [{"pattern": "a", "to": f"stream:{name}"}]}
    with broker.rest() as rest:
        rest.call("PUT", f"/streams/{name}", {"partitions": 1})
        rest.call("PUT", f"/streams/{name}", {"partitions": 2})
        rest.call("PUT", f"/streams/{name}/groups/g", {"kind": "shared", "max_failures": 2})
        rest.call("PUT", f"/streams/{name}/groups/g", {"max_failures": 5})
        rest.call("PUT", f"/topics/{name}", {})
        rest.call("POST", f"/topics/{name}/bindings", bound)
        rest.call("DELETE", f"/streams/{name}/groups/g")
        of_stream, of_topic = told(rest, target=f"stream:{name}"), told(rest, target=f"topic:{name}")
    assert of_stream[1] == ("stream.declare", {"partitions": 1}, {"partitions": 2})
    assert of_stream[3] == ("group.declare", {"max_failures": 2}, {"max_failures": 5})
    assert of_stream[4][0] == "group.delete"
    assert (of_stream[4][1]["max_failures"], of_stream[4][2]) == (5, None)
    assert of_topic[1][0] == "topic.bind"
    assert (of_topic[1][1]["bindings"], len(of_topic[1][2]["bindings"])) == ([], 1)


def test_it_says_who_from_where_and_which_job(broker: Server) -> None:
    name = f"audited-{secrets.token_hex(4)}"
    with broker.rest() as rest:
        rest.declare(name)
        rest.publish(name, {"body": 1})
        job = rest.call("POST", "/bulk", {"action": "purge", "select": {"in": [f"queue:{name}"]}})["job"]["id"]
        (entry,) = trail(rest, target=f"queue:{name}", action="bulk.purge")
        assert (entry["job"], entry["from"]) == (job, "127.0.0.1")
        assert entry["owner"].startswith("token:")
        (same,) = trail(rest, target=f"queue:{name}", action="bulk", who=entry["owner"], since=entry["at"])
        assert same == entry
        assert trail(rest, target=f"queue:{name}", who="nobody") == []
        later = clock.rfc3339(clock.parse_rfc3339(entry["at"]) + 1)
        assert trail(rest, target=f"queue:{name}", since=later) == []


def test_what_is_refused_or_only_read_is_not_in_it(broker: Server) -> None:
    name = f"audited-{secrets.token_hex(4)}"
    with broker.rest() as rest:
        rest.declare(name)
        assert refusal(rest, "PATCH", f"/queues/{name}", {"lease": -1}).code == "invalid"
        rest.call("GET", f"/queues/{name}")
        rest.call("GET", "/audit")
        assert [entry["action"] for entry in trail(rest, target=f"queue:{name}")] == ["queue.declare"]


def test_pages_go_on_where_the_last_ended(broker: Server) -> None:
    name = f"audited-{secrets.token_hex(4)}"
    with broker.rest() as rest:
        for lease in range(1, 6):
            rest.call("PUT", f"/queues/{name}", {"lease": lease})
        page = rest.call("GET", "/audit", None, target=f"queue:{name}", limit="2")
        seen = [entry["after"]["lease"] for entry in page["items"]]
        while page["next"]:
            page = rest.call("GET", "/audit", None, target=f"queue:{name}", limit="2", after=page["next"])
            seen += [entry["after"]["lease"] for entry in page["items"]]
        assert seen == [5, 4, 3, 2, 1]
        first = rest.call("GET", "/audit", None, target=f"queue:{name}", limit="2")
        assert refusal(rest, "GET", "/audit", None, target="queue:other", after=first["next"]).code == "invalid"
        assert refusal(rest, "GET", "/audit", None, since="yesterday").code == "invalid"
