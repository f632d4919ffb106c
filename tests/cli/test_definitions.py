"""``brokerweb definitions``: what is taken away, what is brought in, and how it ends where that cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command
from tests.clients import Rest

KINDS = ["queues", "streams", "groups", "topics", "masks", "schemas", "alert_channels", "alert_rules"]


@pytest.fixture
def document(tmp_path: Path) -> Any:
    def written(content: Any) -> str:
        place = tmp_path / "document.json"
        place.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return str(place)

    return written


def test_what_is_exported_is_imported_and_nothing_is_to_be_done(command: Command, rest: Rest):
    rest.declare("exported", max_failures=3)
    taken = command("definitions", "export")
    assert list(taken.json) == KINDS
    assert [queue["max_failures"] for queue in taken.json["queues"] if queue["name"] == "exported"] == [3]
    assert list(command("definitions", "export", "--only", "topics,queues").json) == ["queues", "topics"]
    assert command("definitions", "import", input=taken.out).lines == ["All that it names is so already."]
    assert command("definitions", "import", "--json", input=taken.out).json == []


def test_it_is_shown_asked_about_and_done(command: Command, rest: Rest, document: Any):
    rest.declare("changed", max_failures=3)
    file = document({"queues": [{"name": "changed", "max_failures": 5, "lease": 30}, {"name": "created"}]})
    refused = command("definitions", "import", file, input="n\n")
    assert refused.status == 1
    assert "nothing was done" in refused.err
    dry = command("definitions", "import", file, "--dry-run")
    for ran in (refused, dry):
        shown = [line.split() for line in ran.out.splitlines()]
        assert ["ACT", "KIND", "NAME", "SETTINGS"] in shown
        assert ["create", "queue", "created"] in shown
        assert ["change", "queue", "changed", "max_failures"] in shown
    assert "Create 1 and change 1?" in refused.out
    assert rest.queue("changed")["max_failures"] == 3
    done = command("definitions", "import", file, input="y\n")
    assert done.status == 0, done.err
    assert done.out.count("created") == 1, "what was shown before is not shown again"
    assert rest.queue("changed")["max_failures"] == 5
    assert rest.queue("created")["max_failures"] == 10, "by default"


def test_for_programs_the_steps_are_json(command: Command, rest: Rest, document: Any):
    file = document({"queues": {"programs": {"lease": 7}}})
    for arguments in (["--dry-run"], ["--yes"]):
        [step] = command("definitions", "import", file, "--json", *arguments).json
        assert (step["act"], step["kind"], step["name"], step["before"]) == ("create", "queue", "programs", None)
        assert (step["after"], step["named"]) == ({"lease": 7}, True)
    [asked] = [command("definitions", "import", document({"queues": {"programs": {"lease": 8}}}), "--json")]
    assert (asked.status, "--yes answers it" in asked.err) == (1, True)
    assert rest.queue("programs")["lease"] == 7


def test_only_some_kinds_are_brought_in(command: Command, rest: Rest, document: Any):
    file = document({"queues": [{"name": "left-out"}], "streams": [{"name": "brought-in"}]})
    [step] = command("definitions", "import", file, "--only", "streams", "--yes", "--json").json
    assert (step["kind"], step["name"]) == ("stream", "brought-in")
    assert command("queue", "show", "left-out").status == 5


def test_a_new_webhooks_secret_is_said_once_beside_the_table(command: Command, document: Any):
    hook = {"name": "cli-hook", "kind": "webhook", "to": "https://ops.example/a-secret-path"}
    done = command("definitions", "import", document({"alert_channels": [hook]}), "--yes")
    assert ["create", "alert", "channel", "cli-hook"] in [line.split() for line in done.lines]
    assert "The secret of cli-hook, shown this once: whsec_" in done.err
    assert "a-secret-path" not in done.out + command("definitions", "export").out
    [step] = command(
        "definitions", "import", document({"alert_channels": [{**hook, "name": "cli-hook-2"}]}), "--yes", "--json"
    ).json
    assert step["secret"].startswith("whsec_")
    assert "whsec_" not in command("definitions", "export").out


@pytest.mark.parametrize(
    ("content", "arguments", "status", "said"),
    [
        ("no JSON", [], 1, "JSON"),
        ("[]", [], 1, "invalid"),
        ({"queues": [{"name": "a b"}, {"name": "c", "leese": 1}]}, [], 1, "did you mean lease?"),
        ({"queues": [{"name": "a b"}]}, ["--dry-run"], 1, "/queues/0/name"),
        ({"tokens": []}, [], 1, "/tokens"),
        ({"topics": [{"name": "t", "bindings": [{"pattern": "a", "to": "queue:nowhere"}]}]}, [], 1, "There is no queue nowhere."),
        ({}, ["--only", "tokens"], 1, "/only"),
        ({}, ["--token", "wrong"], 4, "unauthenticated"),
        ({}, ["--url", "http://127.0.0.1:9"], 3, "no broker answers"),
        ({}, ["--what"], 2, "No such option"),
    ],
)
def test_what_cannot_be_brought_in_is_said_with_a_status(
    command: Command, document: Any, content: Any, arguments: list[str], status: int, said: str
):
    ran = command("definitions", "import", document(content), "--yes", *arguments)
    assert (ran.status, ran.out) == (status, "")
    assert said in ran.err


def test_a_file_that_cannot_be_read_and_who_may_not(command: Command, tmp_path: Path):
    missing = command("definitions", "import", str(tmp_path / "none.json"))
    assert (missing.status, "none.json cannot be read" in missing.err) == (1, True)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert "cannot be read" in command("definitions", "import", str(tmp_path / "bytes")).err
    [token] = command("token", "create", "manager", "--grant", "*=browse,manage,publish").lines
    for arguments in (["export"], ["import", "--yes"]):
        assert command("definitions", *arguments, "--token", token, input="{}").status == 4


def test_its_help_says_what_is_in_it_and_what_becomes_of_it(command: Command):
    whole, export, import_ = (command("definitions", *which, "--help").out for which in ([], ["export"], ["import"]))
    for kind in ("queues", "masks", "rules of alerts"):
        assert kind in " ".join(whole.split())
    for kind in KINDS:
        assert kind in export
        assert kind in import_
    assert "secrets are not in it" in " ".join(export.split())
    for words in ("Nothing is deleted", "--dry-run", "--only", "--yes", "--json", "- for standard input"):
        assert words in " ".join(import_.split())
