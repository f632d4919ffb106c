"""What documents say about the code, held against the code."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from brokerweb import __version__, conf
from brokerweb.core.settings import plain
from brokerweb.queues import settings as queues
from brokerweb.streams import settings as streams

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])


def test_every_option_is_in_the_settings_document():
    rows = {}
    for line in (ROOT / "docs" / "settings.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            rows[cells[0].strip("`")] = [cell.strip("`") for cell in cells[1:]]
    assert sorted(rows) == sorted(conf.OPTIONS)
    for name, (variable, flag, *_) in rows.items():
        assert variable == conf.OPTIONS[name].metadata["variable"]
        assert flag == conf.flags().get(name, "")


def test_the_settings_document_has_the_defaults():
    text = (ROOT / "docs" / "settings.md").read_text()
    defaults = conf.Conf()
    for value in (defaults.data, defaults.bind, defaults.server, defaults.max_request_bytes):
        assert f"| `{value}` |" in text


def test_settings_of_queues_and_streams_are_documented_with_their_defaults():
    text = (ROOT / "docs" / "protocol" / "rest.md").read_text()
    documented = [table.partition("\n\n")[0] for table in text.split("| setting | default | |\n")[1:]]
    backoff = {name: plain(part.default) for name, part in queues.BACKOFF.items()}
    of_queues = {name: plain(queues.SETTINGS[name].default) if name != "backoff" else backoff for name in queues.ORDER}
    of_streams = {name: plain(setting.default) for name, setting in streams.SETTINGS.items()}
    for table, defaults in zip(documented, (of_queues, of_streams), strict=True):
        rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in table.splitlines()[1:]]
        assert {
            name.strip("` "): json.loads(default.strip("`")) for names, default in rows for name in names.split(",")
        } == defaults


def test_the_version_is_the_newest_in_the_changelog():
    found = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert found is not None
    assert found[1] == __version__


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_files_lead_somewhere(document: Path):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text())
    missing = [
        link for link in links if "://" not in link and not link.startswith("mailto:") and not (document.parent / link).exists()
    ]
    assert missing == []


def test_records_of_decisions_are_numbered_without_gaps():
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs" / "adr").glob("*.md"))
    assert numbers == list(range(len(numbers)))


def test_every_record_has_a_date_and_a_status():
    for path in (ROOT / "docs" / "adr").glob("0*.md"):
        text = path.read_text()
        assert re.search(r"^- Date: (\d{4}-\d\d-\d\d|YYYY-MM-DD)$", text, re.MULTILINE), path.name
        assert re.search(r"^- Status: \S+", text, re.MULTILINE), path.name


def test_nothing_names_a_package_registry():
    """An address of one registry in the tree would override whichever one a reader's machine is set to use."""
    address = re.compile(r"(?:extra-)?index" r"-url|/simple/?[\"' ]")
    names = ("*.toml", "*.cfg", "*.txt", "*.md", "Makefile", "Dockerfile")
    files = [path for name in names for path in ROOT.glob(name)] + list((ROOT / ".ci").iterdir())
    assert [path.name for path in files if address.search(path.read_text())] == []


@pytest.mark.parametrize(("language", "example"), [("python", "first_message.py"), ("js", "first_message.mjs")])
def test_the_readme_shows_the_examples_as_they_are(language: str, example: str):
    shown = re.search(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown is not None
    assert shown[1] == (ROOT / "examples" / example).read_text()


def test_the_map_of_the_code_names_files_that_are_there_and_every_room():
    text = (ROOT / "docs" / "code.md").read_text()
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30).stdout.split()
    named = set(re.findall(r"`(?:… )?([\w/]+\.(?:py|sql))", text))
    assert len(named) > 40
    assert [name for name in sorted(named) if not any(path == name or path.endswith(f"/{name}") for path in listed)] == []
    rooms = {
        path.split("/")[1] for path in listed if path.startswith("brokerweb/") and path.endswith(".py") and path.count("/") > 1
    }
    rooms |= {path.split("/")[2] for path in listed if path.startswith("brokerweb/faces/") and path.count("/") > 2}
    assert [room for room in sorted(rooms) if f"{room}/" not in text] == []


def test_a_project_is_told_of_all_apps():
    from brokerweb import settings

    apps = {app for app in settings.INSTALLED_APPS if app.split(".")[0] == "brokerweb"}
    page, example = (ROOT / path for path in ("docs/django.md", "examples/in_your_project/shop/settings.py"))
    assert apps == set(re.findall(r'^    "(brokerweb[\w.]*)",$', page.read_text(), re.MULTILINE))
    assert apps - {"brokerweb.console"} == set(re.findall(r'^    "(brokerweb(?:\.\w+)?)",$', example.read_text(), re.MULTILINE))
