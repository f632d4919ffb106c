"""Static files on both servers: names that change with their content, kept for good by browsers, and compressed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from brokerweb.faces.http.static_files import FOREVER, NEVER
from tests.console.weights import Loading
from tests.people import signed_in
from tests.server import ROOT, Server

CONSOLE = ROOT / "static" / "brokerweb_console"


@pytest.fixture(scope="module")
def browser(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"Accept-Encoding": "br"}, verify=False) as client:
        yield client


@pytest.fixture(scope="module")
def linked(server: Server) -> list[str]:
    """What the first page loads, with the modules that these import."""
    with signed_in(server) as person:
        loading = Loading(server.url, person.cookies)
        loading.page("/")
    return sorted(loading.kept)


def test_everything_a_page_loads_has_a_mark_and_is_kept_for_good_and_packed(browser: httpx.Client, linked: list[str]):
    assert len([place for place in linked if place.endswith(".js")]) > 8
    for place in linked:
        assert re.fullmatch(r"/static/.+\.[0-9a-f]{12}\.\w+", place), place
        answer = browser.get(place)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, FOREVER), place
        assert answer.headers["vary"] == "Accept-Encoding"
        if len(answer.content) > 1000:
            assert answer.headers["content-encoding"] == "br", place
        again = browser.get(place, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.headers["cache-control"]) == (304, FOREVER)


def test_a_file_is_what_it_is_in_every_encoding_and_by_its_plain_name(browser: httpx.Client, linked: list[str]):
    [sheet] = [place for place in linked if "/console." in place and place.endswith(".css")]
    content = (CONSOLE / "console.css").read_bytes()
    for place in (sheet, "/static/brokerweb_console/console.css"):
        for encoding in ("br", "gzip", "identity"):
            answer = browser.get(place, headers={"Accept-Encoding": encoding})
            assert answer.content == content
            assert answer.headers.get("content-encoding", "identity") == encoding
    assert "immutable" not in browser.get("/static/brokerweb_console/console.css").headers["cache-control"]
    assert browser.head(sheet).headers["content-length"]


def test_what_a_page_of_another_version_asks_for_is_kept_by_nobody(browser: httpx.Client):
    answer = browser.get("/static/brokerweb_console/console.0123456789ab.css")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, NEVER)
    assert browser.get("/static/brokerweb_console/no-such.0123456789ab.css", follow_redirects=False).status_code != 200


def test_modules_import_each_other_from_their_own_folder_alone():
    for module in CONSOLE.glob("*.js"):
        for name in re.findall(r'^(?:import|export)\b[^;]*?["\']([^"\']+)["\'];', module.read_text(), re.MULTILINE):
            assert re.fullmatch(r"\./[\w-]+\.js", name), (module.name, name)
            assert (CONSOLE / name).exists()


def test_the_documents_of_the_api_load_what_they_need(browser: httpx.Client):
    answer = browser.get("/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js")
    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == "br"
