"""Jobs over REST: made by purge, redrive and replay, shown to who may see them, cancelled."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from brokerweb.faces.rest import job_shapes
from tests.clients import Rest
from tests.eventually import eventually
from tests.faces.test_rest_access import made
from tests.faces.test_rest_queues import refusal
from tests.server import Server


def fill(rest: Rest, queue: str, n: int) -> None:
    for i in range(0, n, 1000):
        rest.publish(queue, *({"body": i + k} for k in range(min(1000, n - i))))


def job_of(answer: Any) -> dict[str, Any]:
    return dict(msgspec.to_builtins(msgspec.convert(answer["job"], job_shapes.Job)))


def finished(rest: Rest, job: dict[str, Any]) -> dict[str, Any]:
    def state() -> bool:
        return rest.call("GET", f"/jobs/{job['id']}")["finished_at"] is not None

    eventually(state, why="the job ends")
    return dict(rest.call("GET", f"/jobs/{job['id']}"))


@pytest.fixture
def slow(rest: Rest, queue: str) -> Iterator[dict[str, Any]]:
    """A job that would take days."""
    fill(rest, queue, 2)
    job = job_of(rest.call("POST", f"/queues/{queue}/purge", {"rate": 0.001}))
    yield job
    if rest.call("GET", f"/jobs/{job['id']}")["finished_at"] is None:
        rest.call("DELETE", f"/jobs/{job['id']}")


def test_a_purge_of_many_is_a_job(rest: Rest, queue: str) -> None:
    fill(rest, queue, 5000)
    answer = rest.http.post(f"/queues/{queue}/purge")
    assert answer.status_code == 202
    job = job_of(answer.json())
    assert (job["kind"], job["target"], job["total"], job["created_by"]) == ("purge", f"queue:{queue}", 5000, "admin")
    done = finished(rest, job)
    assert (done["state"], done["done"], rest.queue(queue)["counts"]["ready"]) == ("done", 5000, 0)


def test_few_are_answered_at_once_and_with_a_rate_by_a_job(rest: Rest, queue: str) -> None:
    rest.publish(queue, {"body": 1}, {"body": 2})
    [first, second] = rest.receive(queue)
    rest.settle(queue, dead=[{"receipt": m["receipt"]} for m in (first, second)])
    assert rest.call("POST", f"/queues/{queue}/redrive", {"filter": {"ids": [first["id"]]}}) == {"affected": 1}
    job = job_of(rest.call("POST", f"/queues/{queue}/redrive", {"rate": 100}))
    assert finished(rest, job)["done"] == 1
    assert rest.queue(queue)["counts"]["ready"] == 2
    for rate in (0, -1, True, "1"):
        assert refusal(rest, "POST", f"/queues/{queue}/redrive", {"rate": rate}).code == "invalid"


def test_a_job_is_listed_read_and_cancelled(rest: Rest, queue: str, slow: dict[str, Any]) -> None:
    listed = rest.call("GET", "/jobs", None, target=f"queue:{queue}")
    msgspec.convert(listed, job_shapes.JobList)
    assert [job["id"] for job in listed["items"]] == [slow["id"]]
    answer = rest.http.delete(f"/jobs/{slow['id']}")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert refusal(rest, "DELETE", f"/jobs/{slow['id']}").code == "conflict"
    for id in ("0", "x", "9" * 30):
        assert refusal(rest, "GET", f"/jobs/{id}").status == 404
    assert refusal(rest, "GET", "/jobs", None, target="orders").code == "invalid"


def test_jobs_are_shown_to_who_may_browse_and_cancelled_by_who_may_manage(
    rest: Rest, server: Server, queue: str, slow: dict[str, Any]
) -> None:
    tokens = {verb: made(rest, (queue, [verb]))["token"] for verb in ("browse", "manage", "publish")}
    path = f"/jobs/{slow['id']}"
    with Rest(server.url, tokens["browse"]) as looker:
        assert looker.call("GET", path)["id"] == slow["id"]
        assert looker.call("GET", "/jobs")["items"]
        assert refusal(looker, "DELETE", path).code == "forbidden"
    with Rest(server.url, tokens["publish"]) as publisher:
        assert publisher.call("GET", "/jobs")["items"] == []
        assert refusal(publisher, "GET", path).code == "forbidden"
    with Rest(server.url, made(rest)["token"]) as nobody:
        assert refusal(nobody, "GET", path).code == "not_found"
        assert refusal(nobody, "DELETE", path).code == "not_found"
    with Rest(server.url, tokens["manage"]) as manager:
        assert manager.call("DELETE", path)["state"] == "cancelled"


def test_jobs_page(rest: Rest, queue: str) -> None:
    ids = [job_of(rest.call("POST", f"/queues/{queue}/purge", {"rate": 1}))["id"] for _ in range(3)]
    first = rest.call("GET", "/jobs", None, limit=2, target=f"queue:{queue}")
    second = rest.call("GET", "/jobs", None, limit=2, target=f"queue:{queue}", after=first["next"])
    assert [job["id"] for job in first["items"] + second["items"]] == ids[::-1]
    assert second["next"] is None
    assert refusal(rest, "GET", "/jobs", None, after=first["next"]).code == "invalid"


def test_a_stream_is_replayed_into_a_queue(rest: Rest, queue: str) -> None:
    stream = f"s-{secrets.token_hex(4)}"
    rest.call("PUT", f"/streams/{stream}", {})
    records = [{"body": {"n": n}, "key": "a" if n % 2 else "b"} for n in range(1000)]
    rest.call("POST", f"/streams/{stream}/records", {"records": records})
    asked = {"from": {"0": "100"}, "filter": {"key": "a"}, "to": f"queue:{queue}"}
    answer = rest.http.post(f"/streams/{stream}/replay", json=asked)
    assert answer.status_code == 202
    done = finished(rest, job_of(answer.json()))
    assert (done["state"], done["done"], done["params"]["from"]) == ("done", 450, {"0": "100"})
    [first] = rest.receive(queue, max=1)
    assert (first["body"], first["headers"]) == ({"n": 101}, {"x-replayed-from": f"{stream}/0/101"})
    assert refusal(rest, "POST", f"/streams/{stream}/replay", {**asked, "from": {"0": 1001}}).code == "offset_out_of_range"
    assert refusal(rest, "POST", f"/streams/{stream}/replay", {**asked, "speed": 0}).code == "invalid"
    assert refusal(rest, "POST", f"/streams/{stream}/replay", {**asked, "to": "queue:none"}).code == "not_found"


def test_replay_needs_publish_where_it_copies_to(rest: Rest, server: Server, queue: str) -> None:
    token = made(rest, ("mine.*", ["manage"]))["token"]
    with Rest(server.url, token) as manager:
        assert refusal(manager, "POST", "/streams/mine.s/replay", {"to": f"queue:{queue}"}).code == "forbidden"
