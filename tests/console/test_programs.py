"""What a form holds, as programs to copy: each publishes just that, whatever it is."""

from __future__ import annotations

import ast
import base64
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from brokerweb.cli import messages
from brokerweb.cli.main import app
from brokerweb.console.publishing.programs import LONGEST, Call, programs
from brokerweb.console.snippets import Host
from tests.console.browser import chromium
from tests.console.conftest import HOSTILE
from tests.console.test_funnels import JSON
from tests.server import ROOT, TOKEN, Server, inherited

HOST = Host("http://localhost:8000", "ws://localhost:8000")
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
    st.sampled_from(
        [*(each.replace("\0", "") for each in HOSTILE), "'", "\"'\\", "$(id)`id`", "-", "--", "\r\n", "${x}", "'''", "a=b"]
    ),
)
NAMES = TEXTS.filter(lambda name: len(name.strip()) > 0)


@st.composite
def sent(draw: st.DrawFn) -> dict[str, Any]:
    """A message as a form makes it, but for a JSON body, which is beside it."""
    fields: dict[str, Any] = {}
    for name in ("key", "content_type", "dedup_id", "correlation_id"):
        if draw(st.booleans()):
            fields[name] = draw(NAMES)
    if draw(st.booleans()):
        fields["headers"] = draw(st.dictionaries(NAMES, TEXTS, max_size=3))
    if draw(st.booleans()):
        fields |= {"priority": draw(st.integers(0, 9)), "delay": draw(st.floats(0, 1e6)), "deliver_at": "2031-01-02T03:04:05Z"}
    return fields


def called(fields: dict[str, Any], body: bytes | str, kind: str = "queue", times: int = 1) -> Call:
    if isinstance(body, bytes):
        parts = fields | {"body_base64": base64.b64encode(body).decode(), "ttl": None}
    else:
        parts = fields | {"body": msgspec.Raw(body.encode()), "ttl": None}
    return Call(kind, "orders", msgspec.json.encode(parts), times)


def meant(call: Call) -> Any:
    return {name: value for name, value in exactly(call.message.decode()).items() if value is not None or name == "body"}


def exactly(text: str) -> Any:
    """JSON with every number as the text that it stands there."""
    return json.loads(text, parse_int=lambda n: ("n", n), parse_float=lambda n: ("n", n))


def of(call: Call) -> dict[str, str]:
    return {each.language: each.text for each in programs(HOST, call)}


BODIES = st.one_of(
    JSON.map(lambda body: json.dumps(body, ensure_ascii=False, indent=2)), TEXTS.map(str.encode), st.binary(max_size=40)
)
NUMBERS = '{"big": 9007199254740993, "exact": 1.10, "far": 1e400, "twice": 1, "twice": 2}'


@given(sent(), BODIES)
def test_a_shell_reads_the_line_of_curl_as_the_message(fields: dict[str, Any], body: bytes | str):
    words = shlex.split(of(called(fields, body))["curl"].replace("\\\n", ""))
    assert words[:4] == ["curl", "-X", "POST", "http://localhost:8000/api/v1/queues/orders/messages"]
    [message] = exactly(words[words.index("-d") + 1])["messages"]
    assert message == meant(called(fields, body))


@given(sent(), BODIES)
def test_python_reads_its_program_as_the_message(fields: dict[str, Any], body: bytes | str):
    program = ast.parse(of(called(fields, body))["Python"])
    [written] = [
        node.value for node in program.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "message"
    ]
    assert exactly(ast.literal_eval(written)) == meant(called(fields, body))


@given(sent(), BODIES)
def test_a_script_reads_its_program_as_the_message(fields: dict[str, Any], body: bytes | str):
    [written] = re.findall(
        r"^const message = (.*?);\nconst answer", of(called(fields, body))["JavaScript"], re.DOTALL | re.MULTILINE
    )
    text = json.loads(written) if written.startswith('"') else written[1:-1]
    if written.startswith("`"):
        assert not re.search(r"[`\\]|\$\{", text)
    assert exactly(text) == meant(called(fields, body))


@given(sent(), BODIES)
def test_all_of_a_program_is_seen(fields: dict[str, Any], body: bytes | str):
    for text in of(called(fields, body)).values():
        assert all(char.isprintable() or char in "\n\t\r" for char in text)


def published_by_command(line: str) -> Any:
    """What the command sends, by the shell's words."""
    words, given_in = shlex.split(line), b""
    if words[0] == "printf":
        assert words[1] == "%s"
        assert words[3:7] == ["|", "base64", "-d", "|"]
        given_in, words = base64.b64decode(words[2]), words[7:]
    assert words[:2] == ["BROKERWEB_URL=http://localhost:8000", "brokerweb"]
    heard: list[str] = []

    class Broker:
        def part(self, *_: Any, text: str) -> list[dict[str, Any]]:
            heard.append(text)
            return [{"id": "1"}]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(messages, "Broker", Broker)
        done = CliRunner().invoke(app, words[2:], input=given_in)
    assert done.exit_code == 0, done.output
    [message] = exactly(heard[0])["messages" if "messages" in exactly(heard[0]) else "records"]
    return message


@given(sent(), BODIES, st.sampled_from(["queue", "stream", "topic"]))
def test_the_command_publishes_the_message(fields: dict[str, Any], body: bytes | str, kind: str):
    call = called(fields, body, kind)
    wanted = meant(call)
    if isinstance(body, bytes):
        wanted.setdefault("content_type", "application/octet-stream")
    if kind == "topic":
        wanted["routing_key"] = ""
    if wanted.get("headers") == {}:
        del wanted["headers"]
    found = published_by_command(of(call)["Command"])
    if "delay" in wanted:
        found["delay"], wanted["delay"] = float(found["delay"][1]), float(wanted["delay"][1])
    assert found == wanted


def test_no_number_is_read():
    found = of(called({}, NUMBERS))
    for text in found.values():
        assert '"exact": 1.10' in text.replace("\\", "")
    assert '"far": 1e400, "twice": 1, "twice": 2' in found["curl"]


def test_a_body_that_python_does_not_read_has_no_command():
    assert list(of(called({}, "1" * 5_000))) == ["curl", "Python", "JavaScript"]


def test_what_is_too_long_for_a_shell_has_no_program():
    assert programs(HOST, called({}, b"x" * LONGEST)) == []


NASTY = {"quotes": 'it\'s "so" $HOME `id` \\', "lines": "a\nb", "big": 12345678901234567890, "tricks": "\u202e</script>"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    with Server(tmp_path_factory.mktemp("programs") / "data") as server:
        server.start()
        with server.rest() as rest:
            rest.declare("orders")
        yield server


def stored(server: Server) -> list[dict[str, Any]]:
    with server.rest() as rest:
        found = rest.receive("orders", max=100)
        rest.settle("orders", ack=[message["receipt"] for message in found])
    return [{name: message[name] for name in ("body", "key", "headers")} for message in found]


def test_the_programs_do_as_they_say(server: Server, tmp_path: Path):
    call = called({"key": "it's", "headers": {"a'b": 'c"d'}}, json.dumps(NASTY, ensure_ascii=False, indent=1), times=2)
    found = {each.language: each.text for each in programs(Host(server.url, ""), call)}
    wanted = [{"body": NASTY, "key": "it's", "headers": {"a'b": 'c"d'}}] * 2
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "brokerweb").write_text(f'#!/bin/sh\nexec {sys.executable} -m brokerweb "$@"\n')
    (commands / "brokerweb").chmod(0o755)
    env = {**inherited(), "BROKERWEB_TOKEN": TOKEN}
    env |= {"PATH": f"{commands}:{env['PATH']}"}
    for shell in ("curl", "Command"):
        subprocess.run(["sh", "-c", found[shell]], env=env, cwd=ROOT, timeout=120, check=True, capture_output=True)
        assert stored(server) == wanted, shell
    subprocess.run([sys.executable, "-c", found["Python"]], env=env, timeout=60, check=True, capture_output=True)
    assert stored(server) == wanted
    with chromium() as browser:
        page = browser.new_page()
        page.on("dialog", lambda dialog: dialog.accept(TOKEN))
        page.goto(f"{server.url}/sign-in")
        page.evaluate(f"async () => {{ {found['JavaScript']} }}")
    assert stored(server) == wanted
