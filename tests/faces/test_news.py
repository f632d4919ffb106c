"""Pages are told of news as server-sent events, on both servers: by whom, of what, how many, and every way it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from brokerweb.faces.news import OF_A_SESSION
from tests.clients import Rest
from tests.eventually import eventually
from tests.faces.events import Following
from tests.people import post, signed_in
from tests.server import Server


@pytest.fixture
def rest(either: Server) -> Iterator[Rest]:
    with either.rest() as client:
        yield client


@pytest.fixture
def queue(rest: Rest, name: str) -> str:
    rest.declare(name)
    return name


@pytest.fixture
def browser(either: Server) -> Iterator[httpx.Client]:
    with signed_in(either) as client:
        yield client


@contextmanager
def told(client: httpx.Client, **query: str) -> Iterator[Following]:
    with client.stream("GET", "/news", params=query, headers={"Accept-Encoding": "gzip, br"}) as response:
        assert response.status_code == 200
        yield Following(response)


def kinds(following: Following) -> Iterator[str]:
    """The events' names; they have no content, so that a client of records does not see them."""
    return (line.removeprefix("event: ") for line in following.response.iter_lines() if line.startswith("event: "))


def test_a_page_is_told_of_its_own_queue_and_of_no_other(browser: httpx.Client, rest: Rest, queue: str):
    other = queue + "-other"
    rest.declare(other)
    with told(browser, queue=queue) as own, told(browser, queue=other) as others:
        assert own.response.headers["content-type"] == "text/event-stream"
        assert own.response.headers["cache-control"] == "no-store"
        assert "content-encoding" not in own.response.headers
        rest.publish(queue, {"body": 1})
        assert next(kinds(own)) == "fresh"
        rest.publish(other, {"body": 1})
        assert next(kinds(others)) == "fresh"


def test_a_page_of_everything_and_one_of_a_stream_are_told(browser: httpx.Client, rest: Rest, queue: str):
    rest.call("PUT", f"/streams/{queue}", {})
    with told(browser) as everything, told(browser, stream=queue) as stream:
        rest.call("POST", f"/streams/{queue}/records", {"records": [{"body": 1}]})
        assert next(kinds(everything)) == next(kinds(stream)) == "fresh"


def test_pages_of_what_people_administer_are_told_of_that_and_of_no_publish(browser: httpx.Client, rest: Rest, queue: str):
    with told(browser, page="tokens") as tokens, told(browser, page="jobs") as jobs, told(browser, page="audit") as trail:
        news = kinds(tokens)
        rest.publish(queue, {"body": 1})
        rest.call("POST", "/tokens", {"name": queue, "grants": []})
        assert (next(news), next(kinds(trail))) == ("fresh", "fresh")
        rest.call("POST", f"/queues/{queue}/purge", {"rate": 1})
        assert next(kinds(jobs)) == "fresh"


def test_who_comes_and_takes_is_told_to_who_looks(either: Server, browser: httpx.Client, queue: str):
    with told(browser, page="connections") as connections, told(browser, queue=queue) as own, either.socket() as socket:
        assert next(kinds(connections)) == "fresh"
        socket.consume(queue)
        assert next(kinds(own)) == "fresh"


def test_strangers_and_what_is_not_there_are_refused(either: Server, browser: httpx.Client, rest: Rest, queue: str):
    assert httpx.get(f"{either.url}/news").status_code == 401
    assert browser.get("/news", params={"queue": "not-there"}).status_code == 404
    assert browser.get("/news", params={"nonsense": "1"}).status_code == 400
    assert browser.get("/news", params={"page": "nonsense"}).status_code == 400
    assert browser.head("/news", params={"queue": queue}).headers["content-type"] == "text/event-stream"
    grants = [{"pattern": "queue:elsewhere", "verbs": ["browse"]}]
    token = rest.call("POST", "/tokens", {"name": "narrow", "grants": grants})["token"]
    narrow = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{either.url}/news", params={"queue": queue}, headers=narrow).status_code == 403


def test_a_session_has_so_many_and_the_next_when_one_has_ended(browser: httpx.Client, queue: str):
    with ExitStack() as open_pages:
        for _ in range(OF_A_SESSION - 1):
            open_pages.enter_context(told(browser, queue=queue))
        with told(browser, queue=queue):
            assert browser.get("/news").status_code == 429

        def once_more() -> bool:
            with browser.stream("GET", "/news") as response:
                return response.status_code == 200

        eventually(once_more)


def test_it_ends_with_the_session(browser: httpx.Client, queue: str):
    with told(browser, queue=queue) as page:
        post(browser, "/sign-out")
        assert [*kinds(page)][-1] == "closed"
    assert browser.get("/news").status_code == 401
