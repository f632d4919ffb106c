"""Everything declared as one document, on each database."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients import Refused, Rest
from tests.faces.test_rest_audit import trail
from tests.faces.test_rest_queues import refusal
from tests.server import Server

KINDS = ("queues", "streams", "groups", "topics", "masks", "schemas", "alert_channels", "alert_rules")
ORDER = '{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}'


@pytest.fixture(params=["server", "node"])
def root(request: pytest.FixtureRequest) -> Iterator[Rest]:
    broker: Server = request.getfixturevalue(request.param)
    with broker.rest() as rest:
        yield rest


@pytest.fixture
def made(root: Rest) -> Iterator[str]:
    """A name under which there is one of each."""
    name = f"d-{secrets.token_hex(4)}"
    root.declare(name, max_failures=3, search=["$.order.id"])
    root.call("PUT", f"/streams/{name}", {"partitions": 2})
    root.call("PUT", f"/streams/{name}/groups/g", {"kind": "shared", "lease": 7})
    root.call("PUT", f"/topics/{name}", {"bindings": [{"pattern": "a.*", "to": f"queue:{name}", "headers": {"x": "y"}}]})
    root.call("PUT", "/masks", {"masks": [{"pattern": f"queue:{name}", "fields": ["$.card", "key"]}]})
    root.call("PUT", f"/schemas/{name}", {"kind": "avro", "pattern": f"queue:{name}", "source": ORDER})
    root.call("PUT", f"/alerts/channels/{name}", {"kind": "email", "to": "ada@shop.example"})
    rule = {"figure": "oldest_age", "target": f"queue:{name}", "over": 60, "for": 30, "channels": [name]}
    root.call("PUT", f"/alerts/rules/{name}", rule)
    yield name
    channels = (f"/alerts/channels/{name}{end}" for end in ("", "-hook", "-chat"))
    for place in (f"/alerts/rules/{name}", *channels, f"/schemas/{name}"):  # of which there may be some only
        with contextlib.suppress(Refused):
            root.call("DELETE", place)
    root.call("PUT", "/masks", {"masks": []})


def mine(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Of a document what tests of this name made."""
    ours = (name, f"queue:{name}")
    return {
        kind: [one for one in document[kind] if {one.get("name"), one.get("stream"), one.get("pattern")} & {*ours}]
        for kind in document
    }


def steps(plan: dict[str, Any], act: str, name: str) -> list[tuple[str, str]]:
    return [(step["kind"], step["name"]) for step in plan[act] if name in step["name"]]


def test_what_was_taken_away_makes_the_same_again(root: Rest, made: str) -> None:
    before = mine(root.call("GET", "/definitions"), made)
    assert [len(before[kind]) for kind in KINDS] == [1] * len(KINDS)
    assert (before["queues"][0]["max_failures"], before["groups"][0]["lease"]) == (3, 7)
    assert before["masks"] == [{"pattern": f"queue:{made}", "fields": ["$.card", "key"]}]
    assert before["alert_channels"] == [{"name": made, "kind": "email", "to": "ada@shop.example"}]
    assert (before["alert_rules"][0]["over"], before["alert_rules"][0]["for"]) == (60, 30)
    assert (before["schemas"][0]["source"], before["schemas"][0]["content_type"]) == (ORDER, None)
    for kind in ("topics", "streams", "queues", "alerts/rules", "alerts/channels", "schemas"):
        root.call("DELETE", f"/{kind}/{made}")
    root.call("PUT", "/masks", {"masks": []})
    plan = root.call("PUT", "/definitions", before)
    everything = [("queue", made), ("stream", made), ("group", f"{made}/g"), ("topic", made)]
    everything += [("mask", f"queue:{made}"), ("schema", made), ("alert_channel", made), ("alert_rule", made)]
    assert steps(plan, "create", made) == everything
    assert mine(root.call("GET", "/definitions"), made) == before
    again = root.call("PUT", "/definitions", before)
    assert (again["create"], again["change"], steps(again, "leave", made)) == ([], [], everything)
    (entry,) = trail(root, target=f"queue:{made}")[-1:]
    assert (entry["action"], entry["before"], entry["after"]["max_failures"]) == ("queue.declare", None, 3)


def test_a_dry_run_says_what_would_change_and_changes_nothing(root: Rest, made: str) -> None:
    wanted = {
        "queues": [{"name": made, "max_failures": 5, "backoff": {"max": 60}, "lease": None}, {"name": f"{made}-new"}],
        "streams": [{"name": made, "partitions": 3}],
        "topics": {made: {"bindings": [{"pattern": "b", "to": f"queue:{made}-new"}]}},
    }
    for plan in (
        root.call("PUT", "/definitions", wanted, dry_run="true"),
        root.call("PUT", "/definitions", {**wanted, "dry_run": True}),
    ):
        assert plan["dry_run"] is True
        assert steps(plan, "create", made) == [("queue", f"{made}-new")]
        assert steps(plan, "change", made) == [("queue", made), ("stream", made), ("topic", made)]
        assert steps(plan, "leave", made)[0] == ("group", f"{made}/g")
        queue = plan["change"][0]
        assert queue["before"]["max_failures"] == 3
        assert (queue["after"]["max_failures"], queue["after"]["backoff"]["max"], "lease" in queue["after"]) == (5, 60, False)
    assert root.queue(made)["max_failures"] == 3
    root.call("PUT", "/definitions", wanted)
    assert (root.queue(made)["max_failures"], root.queue(made)["backoff"]["initial"]) == (5, 1)


def test_only_some_kinds_are_read_and_written(root: Rest, made: str) -> None:
    assert set(root.call("GET", "/definitions", None, only="queues")) == {"queues"}
    assert list(root.call("GET", "/definitions", None, only="topics,streams")) == ["streams", "topics"]
    wanted = {"queues": [{"name": made, "max_failures": 9}], "streams": [{"name": made, "partitions": 4}]}
    plan = root.call("PUT", "/definitions", wanted, only="queues")
    assert {step["kind"] for act in ("create", "change", "leave") for step in plan[act]} == {"queue"}
    assert root.call("GET", f"/streams/{made}")["partitions"] == 2
    assert refusal(root, "GET", "/definitions", None, only="tokens").code == "invalid"


@pytest.mark.parametrize(
    ("part", "pointer"),
    [
        ({"queues": [{"name": "fine"}, {"name": "b d"}]}, "/queues/1/name"),
        ({"queues": [{"name": "fine", "lease": 0}]}, "/queues/0/lease"),
        ({"queues": {"fine": {"leese": 3}}}, "/queues/fine/leese"),
        ({"queues": [{"name": "fine"}, {"name": "fine"}]}, "/queues/1"),
        ({"queues": [{}]}, "/queues/0/name"),
        ({"queues": 3}, "/queues"),
        ({"tokens": []}, "/tokens"),
        ({"groups": [{"name": "g", "stream": "nothing-there"}]}, "/groups/0/stream"),
        ({"streams": [{"name": "MADE", "partitions": 1}]}, "/streams/0/partitions"),
        ({"groups": [{"stream": "MADE", "name": "g", "kind": "partitioned"}]}, "/groups/0/kind"),
        ({"topics": [{"name": "MADE", "bindings": [{"pattern": "a", "to": "queue:nothing-there"}]}]}, "/topics/0/bindings/0/to"),
        ({"masks": [{"pattern": "a b", "fields": ["key"]}]}, "/masks/0/pattern"),
        ({"masks": [{"pattern": "a", "fields": ["card"]}]}, "/masks/0/fields"),
        ({"masks": [{"pattern": "a"}]}, "/masks/0/fields"),
        ({"masks": [{"pattern": "a", "fields": ["key"], "for": "ada"}]}, "/masks/0/for"),
        ({"masks": {"a": {"fields": ["key"]}, "b": None}}, "/masks/b/fields"),
        ({"masks": [{"pattern": "a.**", "fields": ["key"]}, {"pattern": "a.*", "fields": ["key"]}]}, "/masks/1"),
        ({"masks": [{"pattern": f"m{n}", "fields": ["key"]} for n in range(101)]}, "/masks"),
        ({"schemas": [{"name": "s", "kind": "avro", "pattern": "*", "source": "{"}]}, "/schemas/0/source"),
        ({"schemas": [{"name": "s", "kind": "avro", "pattern": "*"}]}, "/schemas/0/source"),
        ({"schemas": [{"name": "s", "kind": "avro", "source": ORDER}]}, "/schemas/0/pattern"),
        ({"schemas": [{"name": "s", "kind": "protobuf", "pattern": "*", "source_base64": "?"}]}, "/schemas/0/source_base64"),
        ({"schemas": [{"name": "s", "kind": "avro", "pattern": "topic:a", "source": ORDER}]}, "/schemas/0/pattern"),
        ({"schemas": [{"name": "MADE", "message": "shop.Order"}]}, "/schemas/0/message"),
        ({"alert_channels": [{"name": "c", "kind": "pager", "to": "x"}]}, "/alert_channels/0/kind"),
        ({"alert_channels": [{"name": "c", "to": "x"}]}, "/alert_channels/0/kind"),
        ({"alert_channels": [{"name": "c", "kind": "email", "to": "nobody"}]}, "/alert_channels/0/to"),
        ({"alert_channels": [{"name": "c", "kind": "slack"}]}, "/alert_channels/0/to"),
        ({"alert_channels": [{"name": "c", "kind": "webhook", "to": "https://ops.example/…"}]}, "/alert_channels/0/to"),
        ({"alert_channels": [{"name": "c", "kind": "webhook", "to": "https://a.b", "secret": "x"}]}, "/alert_channels/0/secret"),
        ({"alert_channels": [{"name": "MADE", "kind": "slack", "to": "https://a.b/c"}]}, "/alert_channels/0/kind"),
        ({"alert_rules": [{"name": "r"}]}, "/alert_rules/0/figure"),
        ({"alert_rules": [{"name": "r", "figure": "dead", "target": "queues"}]}, "/alert_rules/0/target"),
        ({"alert_rules": [{"name": "r", "figure": "dead", "target": "queue:*"}]}, "/alert_rules/0/over"),
        ({"alert_rules": [{"name": "r", "figure": "dead", "target": "queue:*", "over": "1"}]}, "/alert_rules/0/over"),
        ({"alert_rules": [{"name": "r", "figure": "lag", "target": "queue:*", "over": 1}]}, "/alert_rules/0/figure"),
        (
            {"alert_rules": [{"name": "r", "figure": "stuck", "target": "queue:*", "channels": ["nowhere"]}]},
            "/alert_rules/0/channels/0",
        ),
        ({"alert_rules": [{"name": "MADE", "under": 3}]}, "/alert_rules/0/over"),
    ],
)
def test_nonsense_is_refused_whole_at_its_places(root: Rest, made: str, part: dict[str, Any], pointer: str) -> None:
    wanted: dict[str, Any] = {}
    for kind, things in part.items():
        wanted[kind] = (
            [{n: made if v == "MADE" else v for n, v in one.items()} for one in things] if isinstance(things, list) else things
        )
    refused = refusal(root, "PUT", "/definitions", {"queues": [{"name": f"{made}-never"}], **wanted})
    assert (refused.code, [fault["pointer"] for fault in refused.answer["errors"]]) == ("invalid", [pointer])
    assert refusal(root, "GET", f"/queues/{made}-never").code == "not_found"


def test_neither_tokens_nor_messages_nor_people_are_in_it(root: Rest, made: str) -> None:
    root.publish(made, {"body": "a-body-of-the-test"})
    assert "a-body-of-the-test" not in str(root.call("GET", "/definitions"))
    assert set(root.call("GET", "/definitions")) == set(KINDS)


def test_what_is_secret_of_a_channel_is_neither_taken_away_nor_lost(root: Rest, made: str) -> None:
    hook, chat = f"{made}-hook", f"{made}-chat"
    wanted = [
        {"name": hook, "kind": "webhook", "to": "https://ops.example/a-secret-path"},
        {"name": chat, "kind": "slack", "to": "https://chat.example:8443/another-secret"},
    ]
    plan = root.call("PUT", "/definitions", {"alert_channels": wanted})
    [secret] = [step["secret"] for step in plan["create"] if "secret" in step]
    assert secret.startswith("whsec_")
    assert [step["after"]["to"] for step in plan["create"]] == ["https://ops.example/…", "https://chat.example:8443/…"]
    taken = root.call("GET", "/definitions", None, only="alert_channels")
    assert not [word for word in ("secret", "whsec") if word in str(taken)]
    again = root.call("PUT", "/definitions", taken)
    assert (again["create"], again["change"]) == ([], [])
    assert not [word for word in ("secret", "whsec") if word in str(again)]
    other = "whsec_" + "QUJD" * 8
    changed = root.call(
        "PUT", "/definitions", {"alert_channels": [{"name": hook, "to": "https://ops.example/elsewhere", "secret": other}]}
    )
    assert [(step["name"], step["before"], step["after"]) for step in changed["change"]] == [
        (hook, {"to": "https://ops.example/…", "secret": "whsec_…"}, {"to": "https://ops.example/…", "secret": "whsec_…"})
    ]
    audited = str(trail(root, target=f"alert-channel:{hook}"))
    assert not [word for word in ("secret-path", "elsewhere", other) if word in audited]
    for name in (hook, chat):
        root.call("DELETE", f"/alerts/channels/{name}")
    refused = refusal(root, "PUT", "/definitions", taken)
    assert {fault["pointer"].rpartition("/")[2] for fault in refused.answer["errors"]} == {"to"}
    assert "write where it leads" in refused.answer["detail"]


def test_a_mask_is_changed_and_those_that_are_not_named_stay(root: Rest, made: str) -> None:
    there = [{"pattern": f"queue:{made}", "fields": ["$.a", "key"]}, {"pattern": "x.*", "fields": ["$"]}]
    root.call("PUT", "/masks", {"masks": there})
    wanted = {"masks": {f"queue:{made}": {"fields": ["key", "header.Auth"]}, "y.*": {"fields": ["error"]}}}
    plan = root.call("PUT", "/definitions", wanted, dry_run="true")
    assert (steps(plan, "change", made), steps(plan, "create", "y.*")) == ([("mask", f"queue:{made}")], [("mask", "y.*")])
    assert steps(plan, "leave", "x.*") == [("mask", "x.*")]
    root.call("PUT", "/definitions", wanted)
    assert root.call("GET", "/masks")["masks"] == [
        {"pattern": f"queue:{made}", "fields": ["key", "header.auth"]},
        {"pattern": "x.*", "fields": ["$"]},
        {"pattern": "y.*", "fields": ["error"]},
    ]
    entry = trail(root, target="masks")[-1]
    assert (entry["action"], len(entry["before"]["masks"]), len(entry["after"]["masks"])) == ("masks.put", 2, 3)


def test_a_rule_changes_by_what_is_named_of_it(root: Rest, made: str) -> None:
    changed = root.call("PUT", "/definitions", {"alert_rules": [{"name": made, "over": None, "under": 5, "for": None}]})
    [step] = changed["change"]
    assert (step["before"], step["after"]) == ({"over": 60, "under": None, "for": 30}, {"over": None, "under": 5, "for": 0})
    rule = root.call("GET", f"/alerts/rules/{made}")
    assert (rule["under"], rule["for"], rule["channels"]) == (5, 0, [made])
    assert root.call("GET", f"/alerts/channels/{made}")["to"] == "ada@shop.example"


def test_a_step_says_of_a_schema_what_tells_it_from_another(root: Rest, made: str) -> None:
    other = ORDER.replace("long", "int")
    [step] = root.call("PUT", "/definitions", {"schemas": {made: {"source": other}}})["change"]
    assert (step["kind"], set(step["after"])) == ("schema", {"source"})
    assert step["before"]["source"].startswith(f"{len(ORDER)} bytes, SHA-256 ")
    assert step["before"] != step["after"]
    assert root.call("GET", f"/schemas/{made}")["source"] == other
    (entry,) = trail(root, target=f"schema:{made}")[-1:]
    assert (entry["action"], entry["after"]["size"]) == ("schema.declare", len(other))
