"""Consumer groups over REST: positions that are committed, sought and taken back; and shared ones, which lease records."""

from __future__ import annotations

import threading
import time
from typing import Any

import msgspec
import pytest

from brokerweb.faces.codec import answers
from brokerweb.faces.rest import stream_shapes
from tests.clients import Json, Rest
from tests.faces.test_rest_queues import refusal
from tests.faces.test_rest_streams import append
from tests.server import Server


@pytest.fixture
def stream(rest: Rest, name: str) -> str:
    """A stream of two partitions with three records in each."""
    rest.call("PUT", f"/streams/{name}", {"partitions": 2})
    append(rest, name, *({"body": n, "partition": n % 2} for n in range(6)))
    return name


@pytest.fixture
def group(rest: Rest, stream: str) -> str:
    """The path of a group that begins at the start."""
    rest.call("PUT", f"/streams/{stream}/groups/g", {"start": "earliest"})
    return f"/streams/{stream}/groups/g"


@pytest.fixture
def shared(rest: Rest, stream: str) -> str:
    rest.call("PUT", f"/streams/{stream}/groups/s", {"kind": "shared", "start": "earliest", "max_failures": 1})
    return f"/streams/{stream}/groups/s"


def moves(answer: Json) -> list[tuple[int, str, str, int]]:
    msgspec.convert(answer, stream_shapes.SeekAnswer)
    return [(m["partition"], m["from"], m["to"], m["records"]) for m in answer["partitions"]]


def committed(rest: Rest, group: str) -> Json:
    return dict(rest.call("GET", group)["committed"])


def test_a_group_is_declared_read_listed_and_deleted(rest: Rest, stream: str) -> None:
    path = f"/streams/{stream}/groups/g"
    answer = rest.http.put(path, json={"start": "earliest", "session_timeout": 30})
    assert answer.status_code == 201
    msgspec.convert(answer.json(), stream_shapes.Group)
    assert answer.json()["committed"] == {"0": "0", "1": "0"}
    assert (answer.json()["lag"], answer.json()["members"], answer.json()["kind"]) == (6, [], "partitioned")
    assert rest.http.put(path).status_code == 200
    read = rest.call("GET", path)
    assert read.pop("verdict")["code"] == "no_members"
    assert read == answer.json()
    rest.call("PUT", f"/streams/{stream}/groups/h")
    first = rest.call("GET", f"/streams/{stream}/groups", None, limit=1)
    assert [item["name"] for item in first["items"]] == ["g"]
    second = rest.call("GET", f"/streams/{stream}/groups", None, limit=1, after=first["next"])
    assert ([item["name"] for item in second["items"]], second["next"]) == (["h"], None)
    assert rest.call("DELETE", path) is None
    assert refusal(rest, "GET", path).code == "not_found"
    assert refusal(rest, "PUT", "/streams/nobody/groups/g").code == "not_found"
    assert refusal(rest, "PUT", f"/streams/{stream}/groups/.g").code == "invalid"
    assert refusal(rest, "PUT", path, {"lease": 3}).code == "invalid"


def test_a_commit_goes_forward_up_to_the_end(rest: Rest, group: str) -> None:
    assert rest.call("POST", f"{group}/commit", {"offsets": {"0": "2", "1": 1}}) == {"committed": {"0": "2", "1": "1"}}
    assert committed(rest, group) == {"0": "2", "1": "1"}
    assert rest.call("GET", group)["lag"] == 3
    rest.call("POST", f"{group}/commit", {"offsets": {"0": "2"}})
    assert refusal(rest, "POST", f"{group}/commit", {"offsets": {"0": "1"}}).status == 409
    beyond = refusal(rest, "POST", f"{group}/commit", {"offsets": {"1": "3", "0": "4"}})
    assert (beyond.status, beyond.answer["end"]) == (416, "3")
    assert committed(rest, group) == {"0": "2", "1": "1"}, "all or none"
    for offsets in ({}, {"7": "1"}, {"a": "1"}, {"0": -1}, {"0": "x"}, {"0": True}, {"0": 1.0}):
        refused = refusal(rest, "POST", f"{group}/commit", {"offsets": offsets})
        place = "".join(f"/{number}" for number in offsets if number != "a")
        assert (refused.code, refused.answer["errors"][0]["pointer"]) == ("invalid", f"/offsets{place}"), offsets


def test_while_there_are_members_a_commit_needs_the_generation(rest: Rest, server: Server, stream: str, group: str) -> None:
    with server.socket() as member:
        member.call("subscribe", stream=stream, group="g")
        generation = rest.call("GET", group)["generation"]
        assert len(rest.call("GET", group)["members"]) == 1
        for given in ({}, {"generation": generation - 1}):
            assert refusal(rest, "POST", f"{group}/commit", {"offsets": {"0": "1"}, **given}).code == "conflict"
        rest.call("POST", f"{group}/commit", {"offsets": {"0": "1"}, "generation": generation})
    assert committed(rest, group)["0"] == "1"


def test_a_seek_can_be_tried_made_and_taken_back(rest: Rest, group: str) -> None:
    tried = moves(rest.call("POST", f"{group}/seek", {"to": "latest", "dry_run": True}))
    assert tried == [(0, "0", "3", 3), (1, "0", "3", 3)]
    assert committed(rest, group) == {"0": "0", "1": "0"}
    assert moves(rest.call("POST", f"{group}/seek", {"to": "latest"})) == tried
    assert moves(rest.call("POST", f"{group}/seek", {"to": {"shift": -1}})) == [(0, "3", "2", 1), (1, "3", "2", 1)]
    assert moves(rest.call("POST", f"{group}/undo")) == [(0, "2", "3", 1), (1, "2", "3", 1)]
    assert refusal(rest, "POST", f"{group}/undo").code == "conflict"
    assert moves(rest.call("POST", f"{group}/seek", {"to": {"1": "1"}})) == [(1, "3", "1", 2)]
    assert moves(rest.call("POST", f"{group}/seek", {"to": "2020-01-01T00:00:00Z"}))[0][2] == "0"


@pytest.mark.parametrize("to", [None, "soon", 1, {}, {"shift": "1"}, {"shift": 1, "0": "1"}, {"9": "1"}, []])
def test_where_no_group_can_go_is_invalid(rest: Rest, group: str, to: Any) -> None:
    for dry_run in (True, False):
        assert refusal(rest, "POST", f"{group}/seek", {"to": to, "dry_run": dry_run}).code == "invalid"


# Shared


def receive(rest: Rest, group: str, **asked: Any) -> list[Json]:
    answer = rest.call("POST", f"{group}/receive", asked)
    msgspec.convert(answer, answers.GroupReceiveAnswer)
    return list(answer["messages"])


def test_records_of_a_shared_group_are_leased_settled_and_die(rest: Rest, stream: str, shared: str) -> None:
    messages = receive(rest, shared, max=6)
    assert sorted((m["partition"], m["offset"], m["body"]) for m in messages) == [
        (n % 2, str(n // 2), n) for n in sorted(range(6), key=lambda n: (n % 2, n))
    ]
    done, failed, *_ = messages
    settled = rest.call(
        "POST", f"{shared}/settle", {"ack": [done["receipt"]], "nack": [{"receipt": failed["receipt"], "error": "e"}]}
    )
    assert [result["status"] for result in settled["results"]] == ["ok", "ok"]
    (dead,) = rest.call("GET", f"{shared}/dead")["items"]
    msgspec.convert(dead, stream_shapes.DeadRecord)
    place = failed["partition"], failed["offset"]
    assert (dead["partition"], dead["offset"], dead["last_error"], dead["body"]) == (*place, "e", failed["body"])
    assert rest.call("POST", f"{shared}/redrive", {"dry_run": True})["matched"] == 1
    job = rest.call("POST", f"{shared}/redrive", {"rate": 0.001, "filter": {"ids": []}})["job"]
    assert (job["kind"], job["target"], job["params"]["group"]) == ("redrive", f"stream:{stream}", shared.rpartition("/")[2])
    assert rest.call("POST", f"{shared}/redrive") == {"affected": 1}
    (again,) = receive(rest, shared)
    assert (again["partition"], again["offset"], again["body"]) == (*place, failed["body"])
    assert refusal(rest, "GET", f"/streams/{stream}/groups/nobody/dead").code == "not_found"


def test_a_shared_group_waits_for_what_is_appended(rest: Rest, server: Server, stream: str, shared: str) -> None:
    receive(rest, shared, max=6)
    got: list[Json] = []
    with server.rest() as other:
        waiting = threading.Thread(target=lambda: got.extend(receive(other, shared, wait=20)))
        waiting.start()
        threading.Event().wait(0.3)
        begun = time.monotonic()
        append(rest, stream, {"body": "new", "partition": 1})
        waiting.join(20)
    assert time.monotonic() - begun < 10  # and not the 20 of its wait
    assert [(m["partition"], m["offset"], m["body"]) for m in got] == [(1, "3", "new")]


def test_a_shared_group_is_shown_as_far_as_it_is_done(rest: Rest, shared: str) -> None:
    messages = receive(rest, shared, max=6)
    held = next(m for m in messages if (m["partition"], m["offset"]) == (0, "1"))
    rest.call("POST", f"{shared}/settle", {"ack": [m["receipt"] for m in messages if m is not held]})
    shown = rest.call("GET", shared)
    msgspec.convert(shown, stream_shapes.Group)
    assert shown["committed"] == {"0": "1", "1": "3"}
    assert shown["counts"]["leased"] == 1


def test_a_group_of_the_other_kind_has_no_such_call(rest: Rest, group: str, shared: str) -> None:
    for path in ("receive", "settle", "redrive"):
        assert refusal(rest, "POST", f"{group}/{path}", {}).code == "conflict"
    assert refusal(rest, "GET", f"{group}/dead").code == "conflict"
    assert refusal(rest, "POST", f"{shared}/commit", {"offsets": {"0": "1"}}).code == "conflict"


def test_the_queue_of_a_shared_group_is_nobodys(rest: Rest, shared: str) -> None:
    assert not [item for item in rest.call("GET", "/queues", None, limit=1000)["items"] if item["name"].startswith(".")]
    (message, *_) = receive(rest, shared)
    number = message["receipt"].split("-")[0]
    assert refusal(rest, "GET", f"/queues/.shared-{number}").code == "invalid"
