"""What people and scripts type, against a broker that runs."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Command
from tests.clients import Rest


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
        (["quue"], 2, "No such command"),
    ],
)
def test_what_cannot_be_done_is_said_on_stderr_with_a_status(command: Command, arguments: list[str], status: int, said: str):
    ran = command(*arguments)
    assert (ran.status, ran.out) == (status, "")
    assert said in ran.err


def test_every_command_has_help(command: Command):
    names = [line.split()[0] for line in command("--help").out.partition("Commands:")[2].splitlines() if line.startswith("  ")]
    assert {"publish", "queue", "backup", "doctor", "serve", "token"} <= set(names)
    for name in set(names) - {"serve", "signin", "demo", "copy", "Exit", "broker"}:
        assert command(name, "--help").status == 0, name
