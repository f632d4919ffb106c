"""A project under both servers: its own WebSockets beside the broker's, and its own limits on what is posted to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.server import TOKEN
from tests.shop import ShopServer, with_settings

SETTINGS = """
ASGI_APPLICATION = "chatting.application"
ROOT_URLCONF = "places"
DATA_UPLOAD_MAX_MEMORY_SIZE = 3_000_000
FILE_UPLOAD_MAX_MEMORY_SIZE = 100_000
"""
CHATTING = """
from django.core.asgi import get_asgi_application
http = get_asgi_application()
from channels.generic.websocket import WebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

class Chat(WebsocketConsumer):
    def connect(self):
        self.accept()
        self.send("hello " + self.scope["url_route"]["kwargs"]["room"])

    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data.upper())

application = ProtocolTypeRouter({"http": http, "websocket": URLRouter([path("chat/<room>", Chat.as_asgi())])})
"""
PLACES = """
import hashlib
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from shop.urls import urlpatterns as shops

@csrf_exempt
def posted(request):
    return HttpResponse(f"{len(request.POST['text'])}")

@csrf_exempt
def streamed(request):
    size, digest = 0, hashlib.sha256()
    while part := request.read(65536):
        size += len(part)
        digest.update(part)
    return HttpResponse(f"{size} {digest.hexdigest()}")

@csrf_exempt
def uploaded(request):
    return HttpResponse(f"{request.FILES['file'].size} {type(request.FILES['file']).__name__}")

urlpatterns = [path("posted", posted), path("streamed", streamed), path("uploaded", uploaded), path("page/", streamed), *shops]
"""


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopServer]:
    directory: Path = tmp_path_factory.mktemp(request.param)
    (directory / "data").mkdir()
    environment = with_settings(directory, SETTINGS, chatting=CHATTING, places=PLACES)
    with ShopServer(directory / "data", kind=request.param, environment=environment) as server:
        server.start()
        assert server.call("PUT", "").status_code == 201
        yield server


def test_the_projects_websockets_work_beside_the_brokers(shop: ShopServer):
    with connect(shop.url.replace("http", "ws") + "/chat/lobby") as chat:
        assert chat.recv(20) == "hello lobby"
        chat.send("loud")
        assert chat.recv(20) == "LOUD"
    with shop.socket() as socket:
        assert socket is not None


@pytest.mark.parametrize("path", ["/nowhere", "/chat", "/ws/other"])
def test_a_websocket_of_nobodys_is_refused_and_fills_no_log(shop: ShopServer, path: str):
    before = len(shop.log.read_text())
    with pytest.raises(InvalidStatus) as refused, connect(shop.url.replace("http", "ws") + path):
        pass
    assert refused.value.response.status_code == 403
    assert shop.log.read_text()[before:] == ""


def pieces(size: int) -> Iterator[bytes]:
    for _ in range(size // 50_000):
        yield b"x" * 50_000


@pytest.mark.parametrize("size", [60_000, 70_000, 2_900_000])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Token of-the-project"}], ids=["nobody", "a scheme of the project"])
def test_a_form_as_large_as_the_project_allows(shop: ShopServer, size: int, headers: dict[str, str]):
    answer = httpx.post(f"{shop.url}/posted", data={"text": "x" * size}, headers=headers, timeout=60)
    assert (answer.status_code, answer.text) == (200, str(size))


def test_a_larger_one_is_refused_by_the_projects_limit(shop: ShopServer):
    answer = httpx.post(f"{shop.url}/posted", data={"text": "x" * 3_100_000}, timeout=60)
    assert answer.status_code in (400, 413)
    assert "problem+json" not in answer.headers["content-type"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_the_view_reads_in_parts_has_no_limit_of_the_brokers(shop: ShopServer, chunked: bool):
    import hashlib

    size = 20_000_000
    body = b"".join(pieces(size))
    answer = httpx.post(f"{shop.url}/streamed", content=pieces(size) if chunked else body, timeout=60)
    assert answer.text == f"{size} {hashlib.sha256(body).hexdigest()}"


def test_a_file_goes_to_the_disk_where_the_project_says(shop: ShopServer):
    answer = httpx.post(f"{shop.url}/uploaded", files={"file": b"x" * 9_000_000}, timeout=60)
    assert answer.text == "9000000 TemporaryUploadedFile"


@pytest.mark.parametrize("path", ["/api/v1/queues/billing", "/api/v1/queues/billing/messages", "/sign-in", "/metrics"])
def test_the_brokers_own_keep_theirs(shop: ShopServer, path: str):
    answer = httpx.post(shop.url + path, content=b" " * 70_000, timeout=60)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")


def test_a_known_callers_publish_keeps_the_brokers_limit(shop: ShopServer):
    good = {"Authorization": f"Bearer {TOKEN}"}
    answer = httpx.post(
        f"{shop.url}/api/v1/queues/billing/messages", content=b" " * (8 * 1024 * 1024 + 1), headers=good, timeout=60
    )
    assert answer.status_code == 413


def test_a_page_of_the_project_is_found_without_its_slash(shop: ShopServer):
    answer = httpx.get(f"{shop.url}/page?a=1", timeout=60)
    assert (answer.status_code, answer.headers["location"]) == (301, "/page/?a=1")
    assert httpx.get(f"{shop.url}/nowhere", timeout=60).headers["location"].startswith("/sign-in")
