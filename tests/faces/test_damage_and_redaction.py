"""What is damaged on disk is told over every face and served over none; what is redacted says so, and is settled as before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest

from brokerweb.faces.codec import answers
from brokerweb.storage.driver import sqlite
from tests.clients import Json, Rest, Socket
from tests.eventually import eventually
from tests.faces.events import follow
from tests.faces.sockets import frames_until
from tests.faces.test_rest_queues import refusal
from tests.server import Server

SECRET = "hunter2"


@pytest.fixture
def socket(server: Server) -> Iterator[Socket]:
    with server.socket() as client:
        yield client


@pytest.fixture
def stream(rest: Rest, name: str) -> str:
    """The records 1, SECRET, 3 in one partition, of which the second is damaged."""
    rest.call("PUT", f"/streams/{name}")
    rest.call("POST", f"/streams/{name}/records", {"records": [{"body": 1}, {"body": f"{SECRET}-{name}"}, {"body": 3}]})
    return name


def spoil(server: Server, table: str, body: str) -> None:
    """As a disk does it, behind the running broker's back."""
    with closing(sqlite.connect(server.data / "brokerweb.sqlite3", isolation_level=None, timeout=10)) as raw:
        changed = raw.execute(
            f"UPDATE brokerweb_{table} SET body = CAST(replace(CAST(body AS TEXT), 'h', 'i') AS BLOB) WHERE body = ?",
            [body.encode()],
        )
        assert changed.rowcount == 1


def seen(records: list[Json]) -> list[object]:
    msgspec.convert(records, list[answers.Record])
    return [(r["offset"], "damaged" if r.get("damaged") else r["body"]) for r in records]


TOLD = [("0", 1), ("1", "damaged"), ("2", 3)]


def test_a_damaged_message_is_received_over_no_face(rest: Rest, server: Server, socket: Socket, queue: str) -> None:
    bodies = [f"{SECRET}-{queue}-{n}" for n in range(2)]
    ids = [made["id"] for made in rest.publish(queue, *({"body": body} for body in bodies))]
    for body in bodies:
        spoil(server, "queues_content", f'"{body}"')
    [shown, _] = rest.browse(queue)
    msgspec.convert(shown, answers.Message)
    assert shown["damaged"] is True
    assert not {"body", "body_base64"} & shown.keys()
    assert rest.receive(queue) == []
    dead = rest.call("GET", f"/queues/{queue}/messages/{ids[0]}")
    assert (dead["state"], dead["reason"], dead["damaged"]) == ("dead", "damaged", True)
    rest.call("POST", f"/queues/{queue}/redrive")
    socket.consume(queue)
    eventually(lambda: rest.queue(queue)["counts"]["dead"] == 2)
    [whole] = rest.publish(queue, {"body": "whole"})
    [got] = frames_until(socket, "deliver")["messages"]
    assert (got["id"], got["body"]) == (whole["id"], "whole")
    metrics = rest.http.get(f"{server.url}/metrics").text
    assert f'brokerweb_queue_damaged_total{{queue="{queue}"}} 4.0' in metrics
    assert "brokerweb_sweep_rows_total" in metrics


def test_a_damaged_record_is_told_over_every_face(rest: Rest, server: Server, socket: Socket, stream: str) -> None:
    spoil(server, "streams_record", f'"{SECRET}-{stream}"')
    batch = rest.call("GET", f"/streams/{stream}/records")
    assert (seen(batch["records"]), batch["next"]) == (TOLD, "3")
    assert seen(rest.call("GET", f"/streams/{stream}/records", None, offset=1, limit=1)["records"]) == TOLD[1:2]
    with follow(server, stream, **{"from": "earliest"}) as live:
        assert seen([event.json for event in live.take(3)]) == TOLD
    socket.call("subscribe", stream=stream, **{"from": "earliest"})
    assert seen(frames_until(socket, "records")["records"]) == TOLD
    rest.call("PUT", f"/streams/{stream}/groups/g", {"kind": "shared", "start": "earliest"})
    got = rest.call("POST", f"/streams/{stream}/groups/g/receive", {"max": 10})["messages"]
    assert [m["offset"] for m in got] == ["0", "2"]
    [dead] = rest.call("GET", f"/streams/{stream}/groups/g/dead")["items"]
    assert (dead["reason"], dead["offset"], dead["damaged"]) == ("damaged", "1", True)


def test_a_replay_counts_a_damaged_record_as_failed(rest: Rest, server: Server, queue: str, stream: str) -> None:
    spoil(server, "streams_record", f'"{SECRET}-{stream}"')
    job = rest.call("POST", f"/streams/{stream}/replay", {"to": f"queue:{queue}"})["job"]
    done = eventually(lambda: (found := rest.call("GET", f"/jobs/{job['id']}"))["state"] == "done" and found)
    assert (done["done"], done["failed"], "0-1" in done["error"], "damaged" in done["error"]) == (2, 1, True, True)
    assert [m["body"] for m in rest.browse(queue)] == [1, 3]


def test_a_message_is_redacted_and_settled(rest: Rest, socket: Socket, queue: str) -> None:
    [made] = rest.publish(queue, {"body": SECRET, "headers": {"a": SECRET}, "key": "k"})
    [held] = rest.receive(queue)
    shown = rest.call("POST", f"/queues/{queue}/messages/{made['id']}/redact")
    msgspec.convert(shown, answers.Message)
    assert (shown["state"], shown["body"], shown["headers"], shown["key"]) == ("leased", None, {}, "k")
    assert shown["redacted"]["by"]
    assert rest.settle(queue, release=[held["receipt"]])[0]["status"] == "ok"
    socket.consume(queue)
    [got] = frames_until(socket, "deliver")["messages"]
    msgspec.convert(got, answers.Delivered)
    assert (got["body"], got["redacted"]) == (None, shown["redacted"])
    socket.call("ack", receipts=[got["receipt"]])
    # Its history is left, which says that it was redacted, and may be redacted again.
    assert rest.http.post(f"/queues/{queue}/messages/{made['id']}/redact").status_code == 204
    assert refusal(rest, "POST", f"/queues/{queue}/messages/{int(made['id']) + 1_000_000}/redact").code == "not_found"


def test_a_record_is_redacted(rest: Rest, server: Server, stream: str) -> None:
    for _ in range(2):
        assert rest.http.delete(f"/streams/{stream}/records/0/1").status_code == 204
    [told] = rest.call("GET", f"/streams/{stream}/records", None, offset=1, limit=1)["records"]
    msgspec.convert(told, answers.Record)
    assert (told["body"], set(told["redacted"])) == (None, {"by", "at"})
    with follow(server, stream, **{"from": "earliest"}) as live:
        assert [event.json["body"] for event in live.take(3)] == [1, None, 3]
    for place, code in (
        ("0/3", "not_found"),
        ("0/4", "offset_out_of_range"),
        ("1/0", "not_found"),
        ("x/0", "not_found"),
        ("0/-1", "not_found"),
    ):
        assert refusal(rest, "DELETE", f"/streams/{stream}/records/{place}").code == code, place
    assert refusal(rest, "DELETE", "/streams/nobody/records/0/0").code == "not_found"
