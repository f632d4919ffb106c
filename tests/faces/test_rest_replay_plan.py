"""The plan of a replay over REST."""

from __future__ import annotations

import msgspec

from brokerweb.faces.rest import job_shapes
from tests.clients import Rest
from tests.faces.test_rest_access import made
from tests.faces.test_rest_queues import refusal
from tests.server import Server


def test_a_replay_says_what_it_would_copy_to_who_may_start_it(rest: Rest, server: Server, queue: str, name: str) -> None:
    rest.call("PUT", f"/streams/{name}")
    rest.call("POST", f"/streams/{name}/records", {"records": [{"body": n} for n in range(7)]})
    asked = {"to": f"queue:{queue}", "from": {"0": "2"}, "dry_run": True}
    answer = rest.http.post(f"/streams/{name}/replay", json=asked)
    assert answer.status_code == 200
    plan = msgspec.convert(answer.json(), job_shapes.ReplayPlan)
    assert (plan.records, plan.exact, [record.body for record in plan.samples]) == (5, True, [2, 3, 4, 5, 6])
    assert answer.json()["partitions"] == [{"partition": 0, "from": "2", "to": "7", "records": 5, "exact": True}]
    assert rest.queue(queue)["counts"]["ready"] == 0
    with Rest(server.url, made(rest, (name, ["manage"]))["token"]) as manager:
        assert refusal(manager, "POST", f"/streams/{name}/replay", asked).code == "forbidden"
    with Rest(server.url, made(rest, (name, ["manage"]), (queue, ["publish"]))["token"]) as manager:
        told = manager.call("POST", f"/streams/{name}/replay", asked)
        assert (told["records"], told["samples"]) == (5, []), "nothing of what one may not browse"
    with Rest(server.url, made(rest, (name, ["browse"]))["token"]) as browser:
        assert refusal(browser, "POST", f"/streams/{name}/replay", asked).code == "forbidden"
