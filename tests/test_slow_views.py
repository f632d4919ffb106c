"""A view of the project that takes its time, or a write that waits, holds up nothing but itself."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import httpx
import pytest

from brokerweb.storage.driver import sqlite
from tests.server import TOKEN
from tests.shop import ShopServer, sign_in, with_settings

THREADS = 4
URLS = """
import threading
from django.http import HttpResponse
from django.urls import path
from shop.models import Order
from shop.urls import urlpatterns as shops

entered, let_go = threading.Semaphore(0), threading.Event()

def slow(request):
    entered.release()
    let_go.wait(60)
    return HttpResponse("slow")

def go(request):
    let_go.set()
    return HttpResponse("go")

def middleware(get_response):  # the form of Django's own documentation
    def pass_on(request):
        return get_response(request)
    return pass_on

urlpatterns = [
    path("slow", slow),
    path("entered", lambda request: HttpResponse(str(entered.acquire(timeout=30)))),
    path("go", go),
    path("count", lambda request: HttpResponse(str(Order.objects.count()))),
    path("threads", lambda request: HttpResponse(str(sum(each.name.startswith("project-") for each in threading.enumerate())))),
    *shops,
]
"""
BROKERS = ("/api/v1/queues", "/api/v1/queues/billing", "/metrics", "/sign-in", "/queues", "/queues/billing", "/healthz")
SETTINGS = {
    "plain": "",
    "synchronous middleware": 'MIDDLEWARE += ["slowness.middleware"]\n',
    "ATOMIC_REQUESTS": 'DATABASES["default"]["ATOMIC_REQUESTS"] = True\n',
}
GOOD = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module", params=list(SETTINGS.values()), ids=list(SETTINGS))
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopServer]:
    directory = tmp_path_factory.mktemp("slow")
    (directory / "data").mkdir()
    settings = f'ROOT_URLCONF = "slowness"\n{request.param}'
    environment = with_settings(directory, settings, slowness=URLS) | {"BROKERWEB_THREADS": str(THREADS)}
    with ShopServer(directory / "data", environment=environment) as server:
        server.start()
        assert server.call("PUT", "").status_code == 201
        yield server


@pytest.fixture
def browser(shop: ShopServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shop.url, timeout=30) as client:
        sign_in(client, shop.url)
        yield client


@contextmanager
def slow_views(shop: ShopServer, count: int) -> Iterator[None]:
    """So many are under way when this is entered, and have ended well after it."""
    with ThreadPoolExecutor(count) as pool:
        answers = [pool.submit(httpx.get, f"{shop.url}/slow", timeout=60) for _ in range(count)]
        try:
            yield
            assert not any(answer.done() for answer in answers)
        finally:
            assert httpx.get(f"{shop.url}/go", timeout=60).text == "go"
        assert {answer.result().text for answer in answers} == {"slow"}


def test_a_slow_view_holds_up_neither_the_broker_nor_other_views(shop: ShopServer, browser: httpx.Client):
    with slow_views(shop, 1):
        assert httpx.get(f"{shop.url}/entered", timeout=60).text == "True"
        assert httpx.get(f"{shop.url}/threads", timeout=30).status_code == 200
        for path in BROKERS:
            assert browser.get(path, headers=GOOD if path[1:4] in ("api", "met") else {}).status_code == 200, path
        assert shop.call("PUT", "", lease=30).status_code == 200
        assert shop.call("POST", "/messages", messages=[{"body": 1}]).status_code == 201
        assert shop.call("POST", "/receive", ack="none").json()["messages"]
        sign_in(httpx.Client(timeout=30), shop.url)


def test_a_write_that_waits_for_a_foreign_process_holds_up_no_read(shop: ShopServer, browser: httpx.Client):
    with closing(sqlite.connect(shop.data / "shop.sqlite3", isolation_level=None)) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(3) as pool:
            writes = [
                pool.submit(shop.call, "PUT", "", lease=31),
                pool.submit(shop.call, "POST", "/messages", messages=[{"body": 1}]),
                pool.submit(httpx.post, f"{shop.url}/orders", data={"customer": "ada", "total": "1"}, timeout=30),
            ]
            try:
                for path in (*BROKERS, "/count"):
                    assert browser.get(path, headers=GOOD if path[1:4] in ("api", "met") else {}).status_code == 200, path
                assert not any(write.done() for write in writes)
            finally:
                foreign.execute("ROLLBACK")
            assert [write.result().status_code for write in writes] == [200, 201, 201]


def test_strangers_start_no_threads_without_end(shop: ShopServer):
    with ThreadPoolExecutor(40) as pool:
        answers = [pool.submit(httpx.get, f"{shop.url}/orders", timeout=60) for _ in range(200)]
        assert {answer.result().status_code for answer in answers} == {405}
    assert 1 <= int(httpx.get(f"{shop.url}/threads", timeout=30).text) <= THREADS
