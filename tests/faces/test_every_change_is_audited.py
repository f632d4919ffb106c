"""Whatever changes something, by REST or on a page, writes its row of the audit trail, or stands here with a reason why not."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from brokerweb.faces.rest.openapi import calls
from tests.clients import Rest
from tests.server import ROOT, Server

TRAFFIC = "what programs publish, take, settle and commit is no change of anything declared"
UNWRITTEN = {
    **dict.fromkeys(("publishMessages", "publishRaw", "receiveMessages", "settleMessages", "appendRecords"), TRAFFIC),
    **dict.fromkeys(("commitGroup", "receiveRecords", "settleRecords", "publishToTopic", "transact"), TRAFFIC),
    "routeMessage": "a dry run",
    "closeConnection": "of a live socket: tests/faces/test_rest_access.py",
    "undoJob": "of a job that has run: tests/jobs/test_audit.py",
    "testAlertChannel": "tells somebody, and writes that it did: tests/alerts",
    "cancelJob": "of a job that runs: tests/jobs/test_audit.py",
}
Q, S, T, G = "/queues/NAME", "/streams/NAME", "/topics/NAME", "/streams/NAME/groups/g"
BOUND = {"bindings": [{"pattern": "a", "to": "queue:NAME"}]}
# What each call is, and its body, in an order in which all of them can be made; NAME, and what stands in brackets, is put in.
CHANGES: dict[str, tuple[str, Any]] = {
    "declareQueue": (f"PUT {Q}", {}),
    "changeQueue": (f"PATCH {Q}", {"lease": 9}),
    "pauseQueue": (f"POST {Q}/pause", {"reason": "x"}),
    "resumeQueue": (f"POST {Q}/resume", {}),
    "rescheduleMessage": (f"PATCH {Q}/messages/[first]", {"delay": 5}),
    "requeueMessage": (f"POST {Q}/messages/[first]/requeue", {}),
    "redactMessage": (f"POST {Q}/messages/[first]/redact", {}),
    "deleteMessage": (f"DELETE {Q}/messages/[first]", None),
    "purgeQueue": (f"POST {Q}/purge", {}),
    "redriveQueue": (f"POST {Q}/redrive", {}),
    "actOnMany": ("POST /bulk", {"action": "purge", "select": {"in": ["queue:NAME"]}}),
    "declareStream": (f"PUT {S}", {}),
    "changeStream": (f"PATCH {S}", {"retention_age": 9_000}),
    "redactRecord": (f"DELETE {S}/records/0/0", None),
    "replayStream": (f"POST {S}/replay", {"from": "earliest", "to": "queue:NAME"}),
    "declareGroup": (f"PUT {G}", {"kind": "shared"}),
    "seekGroup": (f"POST {G}/seek", {"to": "earliest"}),
    "undoSeek": (f"POST {G}/undo", {}),
    "redriveDeadRecords": (f"POST {G}/redrive", {}),
    "deleteGroup": (f"DELETE {G}", None),
    "declareTopic": (f"PUT {T}", {}),
    "changeTopic": (f"PATCH {T}", {"unrouted": "drop"}),
    "addBindings": (f"POST {T}/bindings", BOUND),
    "removeBindings": (f"DELETE {T}/bindings", BOUND),
    "putDefinitions": ("PUT /definitions", {"queues": [{"name": "NAME", "max_failures": 7}]}),
    "declareAlertRule": ("PUT /alerts/rules/NAME", {"figure": "dead", "target": "queue:NAME", "over": 0, "for": 60}),
    "deleteAlertRule": ("DELETE /alerts/rules/NAME", None),
    "declareAlertChannel": ("PUT /alerts/channels/NAME", {"kind": "webhook", "to": "https://127.0.0.1:9/x"}),
    "deleteAlertChannel": ("DELETE /alerts/channels/NAME", None),
    "beginAlertSilence": ("POST /alerts/silences", {"target": "queue:NAME", "seconds": 60, "reason": "x"}),
    "endAlertSilence": ("DELETE /alerts/silences/[silence]", None),
    "putMasks": ("PUT /masks", {"masks": [{"pattern": "queue:NAME", "fields": ["key"]}]}),
    "declareSchema": ("PUT /schemas/NAME", {"kind": "avro", "pattern": "queue:NAME", "source": '"int"'}),
    "deleteSchema": ("DELETE /schemas/NAME", None),
    "noteMark": ("POST /marks", {"text": "deploy"}),
    "createToken": ("POST /tokens", {"name": "x", "grants": []}),
    "revokeToken": ("DELETE /tokens/[token]", None),
    "createUser": ("POST /users", {"name": "NAME", "role": "viewer"}),
    "changeUser": ("PATCH /users/NAME", {"role": "operator"}),
    "inviteUser": ("POST /users/NAME/invite", {}),
    "deleteUser": ("DELETE /users/NAME", None),
    "deleteTopic": (f"DELETE {T}", None),
    "deleteStream": (f"DELETE {S}", None),
    "deleteQueue": (f"DELETE {Q}", None),
}


def test_every_call_that_changes_is_here() -> None:
    changing = {row.id for _, method, row in calls() if method != "get"}
    assert changing == CHANGES.keys() | UNWRITTEN.keys()
    assert not CHANGES.keys() & UNWRITTEN.keys()


def test_each_writes_its_row(rest: Rest, name: str) -> None:
    known: dict[str, str] = {"NAME": name}
    for id, (call, body) in CHANGES.items():
        before = newest(rest)
        answer = ask(rest, call, body, known)
        assert newest(rest) > before, id
        if id == "declareQueue":
            known["[first]"] = rest.publish(name, {"body": 1, "delay": 600})[0]["id"]
        elif id == "declareStream":
            rest.call("POST", f"/streams/{name}/records", {"records": [{"body": 1}]})
        elif id in ("createToken", "beginAlertSilence"):
            known["[token]" if id == "createToken" else "[silence]"] = str(answer["id"])


def test_what_changes_nothing_writes_none(anywhere: Server, name: str) -> None:
    with anywhere.rest() as rest:
        changed_twice(rest, name)


def changed_twice(rest: Rest, name: str) -> None:
    known: dict[str, str] = {"NAME": name}
    again = {id for id, (call, _) in CHANGES.items() if call.startswith(("PUT ", "PATCH "))} - {"rescheduleMessage"}
    again |= {"addBindings", "removeBindings"}
    needed = {"createUser", "deleteUser", *(id for id in CHANGES if id.startswith("delete")), "declareQueue"}
    for id, (call, body) in CHANGES.items():
        if id not in again | needed or "[" in call:
            continue
        ask(rest, call, body, known)
        if id in again:
            before = newest(rest)
            ask(rest, call, body, known)
            assert newest(rest) == before, id
    rest.call("PUT", "/masks", {"masks": []})


def test_a_webhook_that_leads_elsewhere_on_its_host_has_changed(rest: Rest, name: str) -> None:
    place, whole = f"/alerts/channels/{name}", {"kind": "webhook", "to": "https://127.0.0.1:9/x"}
    secret = rest.call("PUT", place, whole)["secret"]
    for change, changes in (({"to": "https://127.0.0.1:9/y"}, True), ({"to": "https://127.0.0.1:9/y"}, False)):
        before = newest(rest)
        assert "secret" not in rest.call("PUT", place, whole | change)
        assert (newest(rest) > before) == changes
    assert secret.startswith("whsec_")
    rest.call("DELETE", place)


def newest(rest: Rest) -> int:
    return int(rest.call("GET", "/audit", None, limit="1")["items"][0]["id"])


def ask(rest: Rest, call: str, body: Any, known: Mapping[str, str]) -> Any:
    text = json.dumps([call, body])
    for word, meant in known.items():
        text = text.replace(word, meant)
    call, body = json.loads(text)
    method, _, path = call.partition(" ")
    return rest.call(method, path, body)


# On pages: what is done by POST stands in a noun's ``actions``, and each says there what the trail is to have.

WRITERS = {"audited", "remembered", "with_entry", "deed"}
BY_ITSELF = {  # these write the row themselves
    "identity.create", "identity.revoke", "people.create", "people.change", "people.remove", "people.invite",
    "signin.check_password", "signin.redeem", "invitations.redeem", "vouched.sign_in", "importing.apply",
    "linking.link", "linking.accept", "linking.unlink",
    "rules.declare", "rules.delete", "channels.declare", "channels.delete", "silences.begin", "silences.end",
    "notices.try_out", "schemas.declare", "schemas.delete",
}  # fmt: skip
QUIET = {
    "lists/actions.py look": "the person's own browser",
    "overview/actions.py theme": "the person's own browser",
    "overview/actions.py hide_steps": "the person's own browser",
    "overview/actions.py zone": "the person's own browser",
    "publishing/actions.py publish_file": "messages, which say themselves who published them",
    "signin/actions.py out": "a session, which is the person's own",
}


ACTING = {"form", "action", "choice", "require_POST"}


def posts() -> list[tuple[str, ast.FunctionDef]]:
    """Every view of the console that acts: where it is, and itself."""
    console, found = ROOT / "console", []
    for path in sorted(console.glob("*/*.py")):
        views = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
        acting = [view for view in views if {_name(decorator) for decorator in view.decorator_list} & ACTING]
        found += [(f"{path.relative_to(console)} {view.name}", view) for view in acting]
    return found


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        return _name(node.func)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def writes(noun: Path, view: ast.FunctionDef) -> bool:
    """Whether a view, or a function that it leads to in its noun or in what nouns share, writes to the trail."""
    reached, todo = {""}, [names_in(view)]
    while todo:
        named = todo.pop()
        if named & BY_ITSELF or {name.rpartition(".")[2] for name in named} & WRITERS:
            return True
        for key, inner in functions(noun).items():
            if key not in reached and key.rpartition(".")[2] in {name.rpartition(".")[2] for name in named}:
                reached.add(key)
                todo.append(inner)
    return False


def names_in(node: ast.AST) -> set[str]:
    return {ast.unparse(each) for each in ast.walk(node) if isinstance(each, ast.Name | ast.Attribute)}


@cache
def functions(noun: Path) -> dict[str, set[str]]:
    """Those of a noun, and of what nouns share in order to act, with the names in each."""
    modules = [*sorted(noun.glob("*.py")), *(noun.parent / f"{name}.py" for name in ("releasing", "undoing"))]
    return {
        f"{module.stem}.{node.name}": names_in(node)
        for module in modules
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.FunctionDef) and not {_name(decorator) for decorator in node.decorator_list} & ACTING
    }


def test_every_page_that_acts_writes_its_row() -> None:
    silent = {place for place, node in posts() if not writes(ROOT / "console" / place.partition("/")[0], node)}
    assert silent == QUIET.keys()
