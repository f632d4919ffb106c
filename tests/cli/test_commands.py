"""What people and scripts type, against a broker that runs."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from brokerweb.cli import client
from tests.cli.conftest import Command
from tests.clients import Rest
from tests.eventually import eventually
from tests.server import Server


def test_a_queue_from_its_creation_to_its_end(command: Command):
    made = command("queue", "create", "orders", "--set", "max_failures=1", "--set", "ttl=null", "--json").json
    assert (made["max_failures"], made["ttl"]) == (1, None)
    assert "max_failures" in command("queue", "show", "orders").out
    [line] = [line for line in command("queue", "list", "--prefix", "ord").lines if line.startswith("orders")]
    assert line.split()[1:6] == ["0"] * 5
    assert [queue["name"] for queue in command("queue", "list", "--prefix", "orders", "--json").json] == ["orders"]

    refused = command("queue", "delete", "orders", input="n\n")
    assert refused.status == 1
    assert "its 0 messages" in refused.out
    assert command("queue", "delete", "orders", "--yes").status == 0
    gone = command("queue", "show", "orders")
    assert (gone.status, gone.out) == (5, "")
    assert "not_found" in gone.err


def test_a_message_is_printed_as_the_text_it_was_published_as(command: Command):
    command("queue", "create", "texts")
    [id] = command(
        "publish", "texts", '{"price": 1.10, "price": 2}', "--key", "k", "--header", "source=shop", "--set", "priority=7"
    ).lines
    [peeked] = command("peek", "texts", "--json").json
    assert (peeked["id"], peeked["key"], peeked["headers"], peeked["priority"]) == (id, "k", {"source": "shop"}, 7)
    assert '{"price": 1.10, "price": 2}' in command("peek", "texts").out
    assert command("consume", "texts", "-n", "1").out == '{"price": 1.10, "price": 2}\n'
    assert command("peek", "texts").lines == ["There is nothing."]


def test_what_is_no_json_is_a_text_and_what_is_none_is_bytes(command: Command, rest: Rest):
    command("queue", "create", "mixed")
    command("publish", "mixed", "plain words")
    command("publish", "mixed", "12", "--text")
    command("publish", "mixed", input=b"\xff\x00")
    types = [message["content_type"] for message in command("peek", "mixed", "--json").json]
    assert types == ["text/plain; charset=utf-8", "text/plain; charset=utf-8", "application/octet-stream"]
    assert command("consume", "mixed", "-n", "2").lines == ["plain words", "12"]


def test_lines_are_messages_and_come_out_in_their_order(command: Command):
    command("queue", "create", "lines")
    sent = command("publish", "lines", "--lines", input="".join(f"{n}\n" for n in range(1200)))
    assert len(sent.lines) == 1200
    assert "1200 stored" in sent.err
    assert command("consume", "lines", "--once").lines == [str(n) for n in range(1200)]


def test_what_is_kept_goes_back_unharmed(command: Command):
    command("queue", "create", "kept")
    command("publish", "kept", "1")
    [taken] = map(json.loads, command("consume", "kept", "-n", "1", "--keep", "--json").lines)
    [there] = command("peek", "kept", "--state", "ready", "--json").json
    assert (there["id"], there["attempts"], there["failures"]) == (taken["id"], 1, 0)


def test_all_that_is_ready_is_kept_once_and_goes_back(command: Command):
    command("queue", "create", "looked.at")
    command("publish", "looked.at", "--lines", input="1\n2\n3\n")
    assert command("consume", "looked.at", "--once", "--keep").lines == ["1", "2", "3"]
    assert [m["failures"] for m in command("peek", "looked.at", "--state", "ready", "--json").json] == [0, 0, 0]
    assert command("consume", "looked.at", "--keep").status == 2, "it would go on for ever"


def test_what_is_told_to_end_ends_although_it_waits(command: Command, rest: Rest):
    command("queue", "create", "followed")
    command("publish", "followed", "1")
    with subprocess.Popen([sys.executable, "-m", "brokerweb", "consume", "followed"], stdout=subprocess.PIPE) as consumer:
        try:
            eventually(lambda: not any(rest.queue("followed")["counts"].values()), why="it has the message, and waits")
            consumer.terminate()
            assert (consumer.wait(30), consumer.communicate()[0]) == (143, b"1\n")
        finally:
            consumer.kill()


def test_a_reader_that_is_gone_has_a_status_and_what_it_did_not_get_is_given_back(command: Command, rest: Rest):
    command("queue", "create", "piped")
    command("publish", "piped", "1")
    for arguments in (["consume", "piped"], ["queue", "list"]):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run([sys.executable, "-m", "brokerweb", *arguments], stdout=writing, stderr=subprocess.PIPE, timeout=60)
        os.close(writing)
        assert (done.returncode, done.stderr) == (141, b"")
    assert rest.queue("piped")["counts"]["ready"] == 1


def test_the_doctor_looks_at_the_broker_that_is_named(server: Server, tmp_path: Path):
    doctor = [sys.executable, "-m", "brokerweb", "doctor", "--json", "--data", str(tmp_path / "none"), "--url"]
    for url, state, said in ((server.url, "ok", "says ok"), ("http://127.0.0.1:9", "wrong", "does not answer")):
        done = subprocess.run([*doctor, url], capture_output=True, timeout=60)
        found = {finding["check"]: finding for finding in json.loads(done.stdout)}
        assert (found["broker"]["state"], f"{url} {said}" in found["broker"]["detail"]) == (state, True), found["broker"]


def test_a_duplicate_says_so(command: Command):
    command("queue", "create", "once")
    [id] = command("publish", "once", "1", "--set", "dedup_id=a").lines
    assert command("publish", "once", "1", "--set", "dedup_id=a").lines == [f"{id}\tduplicate"]
    assert json.loads(command("publish", "once", "1", "--set", "dedup_id=a", "--json").out) == {"id": id, "duplicate": True}


def test_streams_groups_and_topics(command: Command):
    command("stream", "create", "events", "--set", "partitions=2")
    command("queue", "create", "copies")
    command("topic", "create", "news")
    command("topic", "bind", "news", "orders.#", "queue:copies")
    command("topic", "bind", "news", "orders.#", "stream:events")
    assert "queue:copies" in command("topic", "show", "news").out
    assert "unroutable" in command("publish", "topic:news", "1", "--routing-key", "invoices").err
    routed = command("publish", "topic:news", '"hello"', "--routing-key", "orders.eu.created").lines
    assert sorted(copy.split()[0] for copy in routed[0].split("\t")) == ["queue:copies", "stream:events"]
    assert command("tail", "events", "--from", "earliest", "-n", "1").lines == ['"hello"']

    assert command("group", "create", "events", "billing", "--set", "start=earliest").status == 0
    assert command("group", "list", "events").lines[1].split()[:4] == ["billing", "partitioned", "0", "1"]
    assert [line.split()[0] for line in command("group", "show", "events", "billing").lines[-2:]] == ["0", "1"]
    command("topic", "unbind", "news", "orders.#", "stream:events")
    assert len(command("topic", "show", "news", "--json").json["bindings"]) == 1
    for kind, *names in (("group", "events", "billing"), ("topic", "news"), ("stream", "events")):
        assert command(kind, "delete", *names, "--yes").status == 0
    assert "events" not in command("stream", "list").out


def test_dead_letters_are_put_back_after_a_question(command: Command, rest: Rest):
    command("queue", "create", "failing", "--set", "max_failures=1")
    command("publish", "failing", "--lines", input="1\n2\n")
    taken = rest.call("POST", "/queues/failing/receive", {"max": 2})["messages"]
    rest.call("POST", "/queues/failing/settle", {"dead": [{"receipt": m["receipt"], "reason": "no stock"} for m in taken]})
    assert command("redrive", "failing", "--dry-run").lines == ["2 dead messages match."]
    assert command("redrive", "failing", input="n\n").status == 1
    assert command("redrive", "failing", "--id", taken[0]["id"], "--yes").lines[-1] == "1 put back."
    assert command("redrive", "failing", "--yes", "--rate", "1000").lines[-1] == "1 put back."  # by a job
    assert command("consume", "failing", "--once").lines == ["1", "2"]
    assert command("redrive", "failing").lines == ["0 dead messages match."]


def test_a_token_is_printed_once_and_may_what_it_says(command: Command, monkeypatch: pytest.MonkeyPatch):
    command("queue", "create", "mine")
    [text] = command("token", "create", "worker", "--grant", "queue:mine=publish,consume", "--expires", "2h").lines
    [listed] = [token for token in command("token", "list", "--json").json if token["name"] == "worker"]
    assert listed["expires_at"] is not None
    assert text not in command("token", "list").out
    monkeypatch.setenv("BROKERWEB_TOKEN", text)
    assert command("publish", "mine", "1").status == 0
    assert command("publish", "orders", "1").status == 4
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["queue", "create", "bad", "--set", "max_failures"], 2, "NAME=VALUE"),
        (["publish", "bad", "1", "--header", "source"], 2, "NAME=VALUE"),
        (["queue", "create", "bad", "--set", "max_failures=-1"], 1, "/max_failures"),
        (["queue", "create", "bad name"], 1, "invalid"),
        (["publish", "somewhere:else", "1"], 2, "queue:NAME"),
        (["publish", "topic:t", "1"], 2, "--routing-key"),
        (["publish", "nowhere", "1"], 5, "nowhere"),
        (["tail", "queue:orders"], 2, "stream:NAME"),
        (["token", "create", "t"], 2, "--grant"),
        (["token", "create", "t", "--grant", "x"], 2, "PATTERN=VERB"),
        (["token", "create", "t", "--admin", "--expires", "soon"], 2, "12h"),
        (["token", "revoke", "999999", "--yes"], 5, "not_found"),
        (["queue", "list", "--token", "wrong"], 4, "unauthenticated"),
        (["queue", "list", "--url", "http://127.0.0.1:9"], 3, "no broker answers"),
        (["queue", "create", "bad", "--set", "max_failuers=1"], 1, "did you mean max_failures?"),
        (["publish", "bad", '{"order": 1001,'], 2, "line 1, column 16); --text"),
        (["publish", "bad", "1", "--lines"], 2, "not both"),
        (["publish", "bad"], 2, "the body is empty"),
        (["quue"], 2, "No such command"),
    ],
)
def test_what_cannot_be_done_is_said_on_stderr_with_a_status(command: Command, arguments: list[str], status: int, said: str):
    ran = command(*arguments)
    assert (ran.status, ran.out) == (status, "")
    assert said in ran.err


def test_what_looks_like_json_and_is_none_is_stored_where_that_is_meant(command: Command):
    command("queue", "create", "slips")
    assert len(command("publish", "slips", "[red] alert", "--text").lines) == 1
    assert len(command("publish", "slips", "[red] alert", "--set", "content_type=text/plain").lines) == 1
    ran = command("publish", "slips", "--lines", input='1\n\n{"a"\n')
    assert (ran.status, "line 3 of the input is no JSON" in ran.err) == (2, True), ran.err
    [first, *_] = command("peek", "slips", "--json").json
    assert base64.b64decode(first["body_base64"]) == b"[red] alert"


def test_what_is_wrong_is_said_once(command: Command):
    command("queue", "create", "strict")
    said = command("publish", "strict", "1", "--set", "priority=99").err
    assert said.count("priority") == 1, said
    assert command("queue", "create", "strict", "--set", "ttl=-1").err.count("/ttl") == 1


def test_one_is_one_and_a_question_that_nobody_answers_is_not_answered(command: Command, rest: Rest):
    command("queue", "create", "single")
    command("publish", "single", "1")
    [message] = rest.call("POST", "/queues/single/receive", {"max": 1})["messages"]
    rest.call("POST", "/queues/single/settle", {"dead": [{"receipt": message["receipt"], "reason": "no stock"}]})
    assert command("redrive", "single", "--dry-run").lines == ["1 dead message matches."]
    asked = command("redrive", "single")
    assert (asked.status, "Put 1 dead message of single back?" in asked.out) == (1, True)
    assert "nothing was done; --yes answers it" in asked.err
    assert "its 1 message?" in command("queue", "delete", "single", input="n\n").out


def test_an_empty_list_says_whose_it_is(command: Command):
    [token] = command("token", "create", "blind", "--grant", "queue:nothing.here=consume").lines
    for kind in ("queue", "stream", "topic"):
        assert command(kind, "list", "--token", token).lines == [f"There are no {kind}s that this token may see."]


def test_in_a_project_the_broker_is_started_by_manage_py(command: Command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(client, "DEFAULT_URL", "http://127.0.0.1:9")
    arguments = ("queue", "list", "--url", "http://127.0.0.1:9")
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    assert "start one with: brokerweb serve\n" in command(*arguments).err
    monkeypatch.setenv("BROKERWEB_DATA", "/nowhere")
    assert "no server has run in /nowhere (BROKERWEB_DATA) either; start one with" in command(*arguments).err
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.settings")
    assert "start one with: manage.py serve, or name it by BROKERWEB_URL" in command(*arguments).err


def test_every_command_has_help(command: Command):
    names = [
        line.split()[0]
        for line in command("--help").out.partition("Commands:")[2].partition("\n\n")[0].splitlines()
        if line.startswith("  ")
    ]
    assert {"publish", "queue", "backup", "doctor", "serve", "token"} <= set(names)
    for name in set(names) - {"serve", "signin", "demo", "copy"}:
        assert command(name, "--help").status == 0, name
