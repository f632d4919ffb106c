"""Acts on many over REST: the plan, the job, what it could not do, its undo; causes; and who sees and may do what."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from brokerweb.faces.rest import bulk_shapes
from tests.clients import Rest
from tests.faces.test_rest_access import made
from tests.faces.test_rest_jobs import finished, job_of
from tests.faces.test_rest_queues import refusal
from tests.server import Server


def kill(rest: Rest, queue: str, *errors: str) -> list[str]:
    """A dead letter of each error; their ids."""
    ids = [item["id"] for item in rest.publish(queue, *({"body": {"n": n}, "key": "k"} for n in range(len(errors))))]
    taken = {m["id"]: m["receipt"] for m in rest.receive(queue, max=1000)}
    rest.settle(queue, dead=[{"receipt": taken[id], "reason": error} for id, error in zip(ids, errors, strict=True)])
    return ids


def plan_of(rest: Rest, **asked: Any) -> dict[str, Any]:
    answer = rest.http.post("/bulk", json={**asked, "dry_run": True})
    assert answer.status_code == 200, answer.text
    return dict(msgspec.to_builtins(msgspec.convert(answer.json(), bulk_shapes.Plan)))


def causes_of(rest: Rest, path: str = "/dead/groups", /, **query: Any) -> list[dict[str, Any]]:
    found = msgspec.convert(rest.call("GET", path, None, **query), bulk_shapes.CauseList)
    return list(msgspec.to_builtins(found.items))


def test_a_cause_is_found_planned_and_put_back_and_that_is_undone(rest: Rest, queue: str) -> None:
    ids = kill(rest, queue, "HTTP 429 from 'bank'", "HTTP 503 from 'shop'", "no such customer")
    [many, one] = causes_of(rest, f"/queues/{queue}/dead/groups")
    assert (many["count"], many["reason"], many["queues"], many["again"]) == (2, "rejected", [queue], 0)
    assert many["error"] in ("HTTP 429 from 'bank'", "HTTP 503 from 'shop'")
    assert (many["hours"], one["hours"]) == ([0] * 23 + [2], [0] * 23 + [1])
    assert many["sample"]["id"] in ids[:2]
    shown = rest.call("GET", f"/queues/{queue}/messages/{ids[0]}")
    assert (shown["fingerprint"], shown["redrives"]) == (many["fingerprint"], 0)
    assert [m["id"] for m in rest.browse(queue, fingerprint=many["fingerprint"])] == ids[:2]

    select = {"in": [f"queue:{queue}"], "filter": {"fingerprint": many["fingerprint"]}}
    plan = plan_of(rest, action="redrive", select=select)
    assert (plan["matched"], [m["id"] for m in plan["samples"]]) == (2, ids[:2])
    assert [(error["fingerprint"], error["count"]) for error in plan["errors"]] == [(many["fingerprint"], 2)]
    assert {warning["code"] for warning in plan["warnings"]} == {"no_consumer"}
    answer = rest.http.post("/bulk", json={"action": "redrive", "select": select})
    assert answer.status_code == 202
    job = job_of(answer.json())
    assert (job["kind"], job["target"], job["targets"], job["total"], job["created_by"]) == (
        "redrive", f"queue:{queue}", [f"queue:{queue}"], 2, "admin",
    )  # fmt: skip
    assert job["undo_until_at"] is not None
    assert finished(rest, job)["done"] == 2
    assert rest.queue(queue)["counts"] == {"ready": 2, "scheduled": 0, "blocked": 0, "leased": 0, "dead": 1}

    [first] = rest.receive(queue, max=1)
    assert first["redrives"] == 1
    back = finished(rest, job_of(rest.call("POST", f"/jobs/{job['id']}/undo")))
    assert (back["kind"], back["done"], back["gone"]) == ("undo", 1, 1)
    assert back["error"] == "1 was handed out, moved or deleted since, and left as found."
    assert rest.call("GET", f"/jobs/{job['id']}")["undone_by"] == back["id"]
    assert refusal(rest, "POST", f"/jobs/{job['id']}/undo").code == "conflict"
    assert refusal(rest, "POST", f"/jobs/{back['id']}/undo").code == "conflict"

    rest.settle(queue, dead=[{"receipt": first["receipt"], "reason": "HTTP 429 from 'bank'"}])
    assert causes_of(rest, f"/queues/{queue}/dead/groups")[0]["again"] == 0.5
    plan = plan_of(rest, action="redrive", select=select)
    assert [w["text"] for w in plan["warnings"] if w["code"] == "again"] == [
        "1 of these messages is back again: redriven before, and dead once more."
    ]


def test_what_could_not_be_done_is_listed(rest: Rest, queue: str) -> None:
    [id] = kill(rest, queue, "x")
    job = job_of(rest.call("POST", "/bulk", {"action": "redrive", "select": {"ids": {queue: [id, "999999999"]}}}))
    told = finished(rest, job)
    assert (told["done"], told["failed"], told["total"]) == (1, 1, 2)
    listed = rest.call("GET", f"/jobs/{job['id']}/failed")
    msgspec.convert(listed, bulk_shapes.FailedList)
    [item] = listed["items"]
    assert (item["destination"], item["id"], item["code"]) == (f"queue:{queue}", "999999999", "not_found")
    assert refusal(rest, "GET", f"/jobs/{job['id']}/failed", None, after="x").code == "invalid"


def test_the_plan_says_what_speaks_against_it(rest: Rest, queue: str, name: str) -> None:
    target = f"{name}-target"
    rest.declare(target, keyed=True, max_length=2, max_body_bytes=5)
    rest.call("POST", f"/queues/{target}/pause", {})
    kill(rest, queue, "x", "x", "y")
    held = rest.publish(queue, {"body": 1}) and rest.receive(queue)
    select = {"in": [f"queue:{queue}"], "filter": {"states": ["dead", "leased"]}}
    plan = plan_of(rest, action="move", select=select, to=target)
    told = {warning["code"]: (warning["n"], warning["text"]) for warning in plan["warnings"]}
    assert (plan["matched"], len(held)) == (4, 1)
    refused = "publishers are refused until it has room."
    of, end = "3 of these messages are", "they join the end of their keys, behind what was published after them."
    assert told == {
        "target_full": (2, f"queue:{target} holds 2 messages at most, and would have 2 more: {refused}"),
        "target_paused": (1, f"Paused, and handing out nothing until resumed: queue:{target}."),
        "no_consumer": (1, f"Nobody consumes, so that what is put there waits: queue:{target}."),
        "too_large": (3, f"{of} too large: queue {target} takes 5 bytes from publishers, and these all the same."),
        "keyed": (3, f"{of} in an order within keys: {end}"),
        "in_flight": (1, "1 of these messages is with a consumer, who loses the lease and may have done the work."),
    }  # fmt: skip
    assert [error["count"] for error in plan["errors"]] == [2, 1]
    assert rest.queue(queue)["counts"]["dead"] == 3, "nothing was done"


def test_who_works_on_what_it_received_is_a_consumer_of_the_plan(rest: Rest, queue: str) -> None:
    kill(rest, queue, "x")
    codes = lambda: {w["code"] for w in plan_of(rest, action="redrive", select={"in": [f"queue:{queue}"]})["warnings"]}
    assert codes() == {"no_consumer"}
    rest.publish(queue, {"body": 1})
    [held] = rest.receive(queue)
    assert codes() == set()
    rest.settle(queue, ack=[held["receipt"]])
    assert codes() == {"no_consumer"}


def test_causes_over_queues_are_those_that_one_may_browse(rest: Rest, server: Server) -> None:
    mark = secrets.token_hex(4)
    mine, theirs = f"mine.{mark}", f"theirs.{mark}"
    error = f"unheard {''.join(c for c in mark if c.isalpha())}zz"
    for queue in (mine, theirs):
        rest.declare(queue)
        kill(rest, queue, error, error)
    patterns = [f"queue:{mine}", f"queue:*.{mark}"]
    [cause] = causes_of(rest, **{"in": patterns})
    assert (cause["count"], sorted(cause["queues"]), cause["destinations"]) == (4, [mine, theirs], 2)
    with Rest(server.url, made(rest, (mine, ["browse"]))["token"]) as browser:
        [seen] = causes_of(browser, **{"in": patterns})
        assert (seen["count"], seen["queues"], seen["sample"]["destination"]) == (2, [mine], f"queue:{mine}")
        assert causes_of(browser, **{"in": f"queue:{theirs}"}) == []
        assert refusal(browser, "GET", f"/queues/{theirs}/dead/groups").code == "forbidden"
    with Rest(server.url, made(rest, (mine, ["manage"]))["token"]) as manager:
        assert causes_of(manager) == []
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert causes_of(rest, **{"in": patterns, "since": soon}) == []
    for query in ({"in": "topic:x"}, {"in": "x"}, {"since": "soon"}, {"after": "x"}, {"limit": 0}, {"x": 1}):
        assert refusal(rest, "GET", "/dead/groups", None, **query).code == "invalid"


def test_dead_records_of_shared_groups_are_causes_too_and_put_back(rest: Rest, name: str) -> None:
    rest.call("PUT", f"/streams/{name}")
    rest.call("PUT", f"/streams/{name}/groups/g", {"kind": "shared", "start": "earliest"})
    rest.call("POST", f"/streams/{name}/records", {"records": [{"body": 1}, {"body": 2}]})
    taken = rest.call("POST", f"/streams/{name}/groups/g/receive", {})["messages"]
    rest.call("POST", f"/streams/{name}/groups/g/settle", {"dead": [{"receipt": m["receipt"], "reason": "odd"} for m in taken]})
    [cause] = causes_of(rest, **{"in": f"stream:{name}"})
    assert (cause["queues"], cause["count"]) == ([f"stream:{name}/g"], 2)
    assert (cause["sample"]["group"], cause["sample"]["partition"], cause["sample"]["offset"]) == ("g", 0, "1")
    of_cause = rest.call("GET", f"/streams/{name}/groups/g/dead", None, fingerprint=cause["fingerprint"])["items"]
    assert len(of_cause) == 2
    ids = {f"stream:{name}/g": [m["id"] for m in of_cause]}
    job = finished(rest, job_of(rest.call("POST", "/bulk", {"action": "redrive", "select": {"ids": ids}})))
    assert (job["target"], job["done"]) == (f"stream:{name}", 2)
    again = rest.call("POST", f"/streams/{name}/groups/g/receive", {})["messages"]
    assert [(m["offset"], m["redrives"]) for m in again] == [("0", 1), ("1", 1)]


def test_an_act_needs_manage_on_all_of_it_and_shows_itself_to_who_may_browse_all(rest: Rest, server: Server) -> None:
    mark = secrets.token_hex(4)
    a, b = f"mine.{mark}.a", f"mine.{mark}.b"
    for queue in (a, b):
        rest.declare(queue)
        kill(rest, queue, "x")
    select = {"in": [f"queue:mine.{mark}.*"]}
    asked = {"action": "redrive", "select": select, "rate": 0.001}
    with Rest(server.url, made(rest, (a, ["browse", "manage"]), (b, ["browse"]))["token"]) as some:
        for dry_run in (True, False):
            assert refusal(some, "POST", "/bulk", {**asked, "dry_run": dry_run}).code == "forbidden"
        assert refusal(some, "POST", "/bulk", {**asked, "select": {"in": [f"queue:{a}"]}, "to": b}).code == "forbidden"
        job = job_of(rest.call("POST", "/bulk", asked))
        assert some.call("GET", f"/jobs/{job['id']}")["targets"] == [f"queue:{a}", f"queue:{b}"]
        for method, path in (("DELETE", f"/jobs/{job['id']}"), ("POST", f"/jobs/{job['id']}/undo")):
            assert refusal(some, method, path).code == "forbidden"
    with Rest(server.url, made(rest, (a, ["browse", "manage"]))["token"]) as half:
        assert job["id"] not in {item["id"] for item in half.call("GET", "/jobs", None, limit=1000)["items"]}
        for method, path in (("GET", ""), ("GET", "/failed"), ("DELETE", ""), ("POST", "/undo")):
            assert refusal(half, method, f"/jobs/{job['id']}{path}").code == "not_found"
    assert job["id"] in {item["id"] for item in rest.call("GET", "/jobs", None, target=f"queue:{b}")["items"]}
    rest.call("DELETE", f"/jobs/{job['id']}")


def test_who_may_manage_and_not_browse_is_told_how_many(rest: Rest, server: Server, queue: str) -> None:
    ids = kill(rest, queue, "x", "y")
    asked = {"action": "redrive", "select": {"ids": {queue: ids}}, "dry_run": True}
    with Rest(server.url, made(rest, (queue, ["manage"]))["token"]) as manager:
        told = manager.call("POST", "/bulk", asked)
        assert (told["matched"], told["samples"], told["errors"]) == (2, [], [])
        assert refusal(manager, "POST", "/bulk", {"action": "redrive", "select": {"in": [f"queue:{queue}"]}}).code == "not_found"


def test_a_query_selects_and_its_plan_says_what(rest: Rest, queue: str) -> None:
    ids = kill(rest, queue, "x", "x", "y")
    select = {"q": "$.n>=1", "in": [f"queue:{queue}"]}
    plan = plan_of(rest, action="redrive", select=select)
    assert (plan["matched"], plan["complete"], [m["id"] for m in plan["samples"]]) == (2, True, ids[1:])
    assert sorted(error["count"] for error in plan["errors"]) == [1, 1]
    job = finished(rest, job_of(rest.call("POST", "/bulk", {"action": "redrive", "select": select})))
    assert (job["done"], job["total"], job["params"]["q"]) == (2, 2, "$.n>=1 state:dead")
    wrong = refusal(rest, "POST", "/bulk", {"action": "redrive", "select": {"q": "state:odd"}})
    [error] = wrong.answer["errors"]
    assert (wrong.code, error["pointer"]) == ("invalid", "/select/q")
    assert error["detail"].startswith("column 7: ")


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"action": "redrive"},
        {"action": "x", "select": {"in": ["queue:a"]}},
        {"action": "purge", "select": {"filter": {}}},
    ],
    ids=str,
)
def test_acts_are_asked_for_strictly(rest: Rest, body: Any) -> None:
    assert refusal(rest, "POST", "/bulk", body).code == "invalid"
    assert (
        refusal(rest, "POST", "/bulk", {"action": "redrive", "select": {"in": ["queue:none-of-that-name"]}}).code == "not_found"
    )
    assert (
        refusal(rest, "POST", "/bulk", {"action": "redrive", "select": {"ids": {"none-of-that-name": ["1"]}}}).code == "not_found"
    )
