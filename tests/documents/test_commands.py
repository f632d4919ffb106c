"""Every command of the documents is typed, against a broker that all share, or is in a list that says why it is not."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents import lists
from tests.documents.blocks import DOCUMENTS, Block, Command, blocks, commands
from tests.documents.typist import Typist
from tests.server import ROOT, TOKEN, Server, free_port, inherited

pytestmark = pytest.mark.long

ALL = commands()
TYPED_ELSEWHERE = ("docs/django.md", "docs/first-steps.md")  # they begin with nothing but the wheel: tests/test_wheel.py
WITH_COMMANDS = [
    document
    for document in DOCUMENTS
    if any(block.commands for block in blocks(document)) and str(document.relative_to(ROOT)) not in TYPED_ELSEWHERE
]
LINKED = ("deploy", "examples", "docs", "manage.py", "compose.yaml", "Dockerfile", "Makefile")
PROGRAMS = "brokerweb|cat|cd|cp|curl|docker|echo|export|git|gunicorn|helm|kubectl|make|manage.py|pip|printf|python3?|systemctl"
LOOKS_TYPED = re.compile(rf"^(?:\$ )?(?:\S*/)?(?:{PROGRAMS}) \S")


class TypedServer(Server):
    """Begun as documents begin it."""

    program = ("-m", "brokerweb", "serve")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with TypedServer(tmp_path_factory.mktemp("documents") / "data") as server:
        yield server.start()


def folder_of(document: Path, tmp_path: Path) -> Path:
    """Where somebody is who reads it: the example's own folder, else a checkout."""
    folder = tmp_path / "here"
    if document.parent.parent == ROOT / "examples":
        shutil.copytree(document.parent, folder, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3*"))
    else:
        folder.mkdir()
        for name in LINKED:
            (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    return folder


def environment(tmp_path: Path) -> dict[str, str]:
    """Who types has the programs of the environment; a call that is refused makes ``curl`` fail."""
    (tmp_path / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    given = inherited()
    return given | {
        "PATH": f"{Path(sys.executable).parent}:{given['PATH']}",
        "CURL_HOME": str(tmp_path),
        "BROKERWEB_ADMIN_TOKEN": TOKEN,
    }


def known(server: Server) -> dict[str, str]:
    """What tells programs of the broker that is there."""
    return {"BROKERWEB_URL": server.url, "BROKERWEB_TOKEN": TOKEN, "BROKERWEB_DATA": str(server.data)}


def places(port: int) -> dict[str, str]:
    """What is written in documents, and what it is here."""
    return {
        f"^{lists.IN_A_CONTAINER}": "",
        r"(?<= )/data/": "",
        r"(?:127\.0\.0\.1|localhost):8000": f"127.0.0.1:{port}",
        r"bw_…|(?<=TOKEN=)\.\.\.": TOKEN,
    }


@pytest.mark.parametrize("document", WITH_COMMANDS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_has_to_type_works(document: Path, server: Server, tmp_path: Path):
    own = str(document.relative_to(ROOT)) in lists.OWN_SERVER
    port = free_port() if own else server.port
    given = environment(tmp_path) | ({"BROKERWEB_BIND": f"127.0.0.1:{port}"} if own else known(server))
    with Typist(folder_of(document, tmp_path), given, written=places(port), lasting=lists.LASTING) as typist:
        for block in blocks(document):
            if block.file:
                typist.write(block)
            for command in block.commands:
                if lists.untyped(command) is None and (own or not lists.is_shared_server(command)):
                    typist.enter(command, lists.statuses(command))


@pytest.mark.parametrize("reason", lists.UNTYPED, ids=lambda reason: reason.pattern)
def test_what_is_not_typed_is_right_as_far_as_can_be_said(reason: lists.Untyped):
    found = [command for command in ALL if lists.untyped(command) is reason]
    assert found, "no document has such a command: the entry can go"
    for command in found:
        reason.check(command.typed)


def test_the_lists_name_nothing_that_no_document_has():
    patterns = [*lists.SHARED, *lists.STATUSES]
    assert [pattern for pattern in patterns if not any(re.search(pattern, command.typed) for command in ALL)] == []
    assert [lasting for lasting in lists.LASTING if not any(lasting.is_meant(command) for command in ALL)] == []


def test_what_looks_typed_is_marked_as_a_shells():
    unmarked: list[Block] = []
    for document in DOCUMENTS:
        unmarked += [
            block
            for block in blocks(document)
            if not block.language and any(LOOKS_TYPED.match(line) for line in block.text.splitlines())
        ]
    assert [block.place for block in unmarked] == []


def test_a_command_in_neither_list_is_typed_and_fails(tmp_path: Path, server: Server):
    document = ROOT / "docs" / "cli.md"
    wrong = [
        Command(Block(document, 1, "sh", ""), text)
        for text in ("brokerweb queue shwo orders", "nonesuch --help", "curl http://127.0.0.1:8000/api/v1/nonesuch")
    ]
    with Typist(folder_of(document, tmp_path), environment(tmp_path) | known(server), written=places(server.port)) as typist:
        for command in wrong:
            assert lists.untyped(command) is None
            with pytest.raises(AssertionError, match="ended with"):
                typist.enter(command)
