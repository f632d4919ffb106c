"""The reading budget, and what import-linter cannot see."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("brokerweb", "queues", "streams", "console", "tests", "benchmarks", "examples")
FUNCTION_LINES, MODULE_LINES, TEMPLATE_LINES, VIEW_LINES = 50, 500, 100, 20


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def test_functions_fit_on_a_screen():
    assert [name for path in modules() for name, lines in functions(path) if lines > FUNCTION_LINES] == []


def test_modules_are_one_noun_each():
    assert [str(path.relative_to(ROOT)) for path in modules() if len(path.read_text().splitlines()) > MODULE_LINES] == []


def test_templates_are_short():
    templates = sorted((ROOT / "console").rglob("*.html"))
    assert [str(path.relative_to(ROOT)) for path in templates if len(path.read_text().splitlines()) > TEMPLATE_LINES] == []


def test_a_nouns_pages_are_made_of_its_own_parts_and_of_shared_ones():
    """The overview, and the tab that sums up failures, show tables of other nouns."""
    root = ROOT / "console" / "templates" / "brokerweb_console"
    used = [
        (path.parent.relative_to(root).as_posix(), path.name, noun)
        for path in sorted(root.rglob("*.html"))
        for noun in re.findall(r'"brokerweb_console/(\w+)/\w+\.html"', path.read_text())
    ]
    assert [(noun, name, other) for noun, name, other in used if other != noun and noun not in ("overview", "failures")] == []


def test_console_views_only_translate():
    """Pages that look are in a noun's ``views``, what is done by POST in its ``actions``."""
    console = ROOT / "console"
    views = [*console.glob("*/views.py"), *console.glob("*/actions.py")]
    deciding = [
        path for path in console.rglob("*.py") if re.search(r"^@(?:page|form|action|require_POST)$", path.read_text(), re.M)
    ]
    assert sorted(path for path in deciding if path not in views) == [console / "page.py"]
    assert [name for path in sorted(views) for name, lines in functions(path) if lines > VIEW_LINES] == []


def test_no_module_is_a_drawer():
    drawers = {"utils", "util", "helpers", "common", "misc"}
    assert [str(path.relative_to(ROOT)) for path in modules() if path.stem in drawers] == []


def test_every_index_names_what_needs_it():
    """By the statements of the app, or by the function that asks through the ORM."""
    unread: list[str] = []
    assert [name for name, named, known in indexes() if not named & known] == unread


def indexes() -> Iterator[tuple[str, set[str], set[str]]]:
    """Each index with the words of its comment, beside it or above, and the names of its app's statements and functions, and of
    those of search."""
    for models in sorted(path for path in modules() if path.name == "models.py" and "tests" not in path.parts):
        searched = ROOT / "brokerweb" / "answers" / "search" / "queries.sql"
        text = "\n".join(path.read_text() for path in [*models.parent.glob("*.sql"), *models.parent.glob("*.py"), searched])
        known = set(re.findall(r"^-- (\w+)[@ ].*\(", text, re.M)) | set(re.findall(r"^def (\w+)", text, re.M))
        for found in re.finditer(r"((?:^ *#.*\n)*)^.*models\.Index\(.*name=\"(\w+)\".*$", models.read_text(), re.M):
            yield found[2], set(re.findall(r"\w+", found[1] + found[0].rpartition("#")[2])), known


def test_templates_load_nothing_that_django_6_refuses():
    """It has partials built in; ``console`` brings them to Django 5.2."""
    loading = re.compile(r"{%\s*load\b[^%]*\bpartials\b")
    assert [str(path.relative_to(ROOT)) for path in (ROOT / "console").rglob("*.html") if loading.search(path.read_text())] == []


def test_tests_never_sleep():
    allowed = {ROOT / "tests" / "eventually.py", Path(__file__)}
    sleeping = re.compile(r"\btime\.sleep\(")
    assert [
        str(p.relative_to(ROOT)) for p in modules() if p not in allowed and "tests" in p.parts and sleeping.search(p.read_text())
    ] == []


def test_user_text_is_never_run():
    """No filter, name or body may end up as code, as a template or as a pickle."""
    running = re.compile(
        r"(?<![\w.])(?:eval|exec)\(|\bpickle\b|(?<!Message)Template\(|from_string\(|mark_safe\(|\|safe\b|autoescape off"
    )
    places = [*(p for p in modules() if "tests" not in p.parts), *sorted((ROOT / "console").rglob("*.html"))]
    assert [str(path.relative_to(ROOT)) for path in places if running.search(path.read_text())] == []


def test_secrets_never_come_from_a_url():
    """Tokens in query strings end up in logs and in browsers' histories."""
    reading = re.compile(r"(?:GET|query_params|query)\s*(?:\.get\(|\[)\s*['\"](?:access_)?token['\"]")
    assert [
        str(path.relative_to(ROOT)) for path in modules() if "tests" not in path.parts and reading.search(path.read_text())
    ] == []
