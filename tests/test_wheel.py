"""What a pip install brings: all files of the apps, under names that leave a project its ``queues`` and PyPI its ``console``."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients import Rest
from tests.documents.blocks import Block, Command, blocks
from tests.documents.lists import untyped
from tests.documents.typist import Lasting, Typist
from tests.eventually import eventually
from tests.server import ROOT, TOKEN, Server, free_port, inherited
from tests.shop import sign_in

pytestmark = pytest.mark.long

APPS = ("brokerweb", "queues", "streams", "console")
LINKS = {"brokerweb/queues", "brokerweb/streams", "brokerweb/console", "console/static"}
PASSWORD = "password-of-the-warehouse"
SETTINGS = """
from brokerweb.settings import *
INSTALLED_APPS = [*INSTALLED_APPS, "queues"]
ROOT_URLCONF = "warehouse.urls"
"""
URLS = """
from django.urls import include, path
from queues.views import desks
urlpatterns = [path("desks", desks), path("", include("brokerweb.urls"))]
"""
MODELS = """
from django.db import models
class Queue(models.Model):
    name = models.CharField(max_length=100)
class Message(models.Model):
    queue = models.ForeignKey(Queue, on_delete=models.CASCADE)
"""
VIEWS = """
import console
from brokerweb.queues import publish
from django.db import transaction
from django.http import JsonResponse
from queues.models import Queue
@transaction.atomic
def desks(request):
    Queue.objects.create(name="till 1")
    return JsonResponse({"desks": Queue.objects.count(), "message": publish("orders", {"desk": 1}), "console": console.__file__})
"""
MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "warehouse.settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
PROJECT = {
    "manage.py": MANAGE,
    "warehouse/__init__.py": "",
    "warehouse/settings.py": SETTINGS,
    "warehouse/urls.py": URLS,
    "queues/__init__.py": "",
    "queues/models.py": MODELS,
    "queues/views.py": VIEWS,
    "queues/migrations/__init__.py": "",
}


def files() -> list[str]:
    """The apps' files that the repository keeps, by the names they are imported and found by; static files are the console's."""
    listed = subprocess.run(
        ["git", "ls-files", *APPS, "static"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    ).stdout.split()
    paths = [f"console/{name}" if name.startswith("static/") else name for name in listed if name not in LINKS]
    return [path if path.startswith("brokerweb/") else f"brokerweb/{path}" for path in paths]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of what is committed; building leaves folders behind, so it happens in a copy."""
    directory = tmp_path_factory.mktemp("wheel")
    source = directory / "source"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(source)], check=True, timeout=60)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(directory), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    [built] = directory.glob("brokerweb-*.whl")
    return built


def test_the_wheel_holds_every_file_of_the_apps_and_nothing_beside_them(wheel: Path):
    packed = set(zipfile.ZipFile(wheel).namelist())
    wanted = files()
    assert "brokerweb/console/static/brokerweb_console/console.css" in wanted
    assert not [name for name in wanted if name not in packed]
    assert {name.partition("/")[0] for name in packed if ".dist-info/" not in name} == {"brokerweb"}


def installed(environment: Path, *packages: Path | str) -> Path:
    """A fresh environment with these packages; the folder of its programs."""
    venv.create(environment, symlinks=True)
    programs = environment / "bin"
    site = environment / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    # What they need is taken from here: nothing is downloaded twice. An editable install's finder is not.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(programs / "python"),
        "install",
        "--quiet",
        "--no-deps",
        "--ignore-installed",
    ]
    subprocess.run([*pip, *map(str, packages)], check=True, capture_output=True, timeout=300)
    return programs


class Warehouse(Server):
    """A project with an app ``queues`` of its own, whose interpreter has the wheel and PyPI's ``console``."""

    def __init__(self, directory: Path, wheel: Path) -> None:
        super().__init__(directory / "data")
        self.directory = directory
        self.python = str(installed(directory / "environment", wheel, "console") / "python")
        for name, text in PROJECT.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(text)

    def variables(self) -> dict[str, str]:
        return {
            **{name: value for name, value in inherited().items() if name != "PYTHONPATH"},
            "BROKERWEB_DATA": str(self.data),
            "BROKERWEB_ADMIN_TOKEN": TOKEN,
            "BROKERWEB_ADMIN_PASSWORD": PASSWORD,
        }

    def manage(self, *arguments: str) -> None:
        command = [self.python, "manage.py", *arguments]
        done = subprocess.run(command, cwd=self.directory, env=self.variables(), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, *arguments: str, ready: bool = True) -> Warehouse:
        command = [self.python, "manage.py", "serve", "--bind", f"127.0.0.1:{self.port}", *arguments]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.directory, env=self.variables(), stdout=log, stderr=subprocess.STDOUT
            )
        self.wait_ready()
        return self


@pytest.fixture(scope="module")
def warehouse(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    server = Warehouse(tmp_path_factory.mktemp("warehouse"), wheel)
    server.manage("check")
    server.manage("makemigrations", "queues")
    server.manage("migrate")
    with server:
        server.start().rest().declare("orders")
        yield server


def test_a_project_with_an_app_queues_publishes_and_consumes_beside_pypis_console(warehouse: Warehouse):
    rest = warehouse.rest()
    made = httpx.get(f"{warehouse.url}/desks", timeout=30).json()
    assert made["desks"] == 1
    assert Path(made["console"]).is_relative_to(warehouse.directory / "environment")

    [message] = rest.receive("orders", wait=10)
    assert (message["id"], message["body"]) == (str(made["message"]), {"desk": 1})
    assert [each["status"] for each in rest.settle("orders", ack=[message["receipt"]])] == ["ok"]


def test_its_console_opens(warehouse: Warehouse):
    with httpx.Client(base_url=warehouse.url, timeout=30) as client:
        sign_in(client, warehouse.url, PASSWORD)
        page = client.get("/queues").text
        assert "orders" in page
        [style] = re.findall(r'<link rel="stylesheet" href="([^"]+/console\.[^"]*css)"', page)
        assert client.get(style).status_code == 200


PAGE, FIRST_STEPS = ROOT / "docs" / "django.md", ROOT / "docs" / "first-steps.md"
OF_PACKAGES = {"django-admin": "django", "gunicorn": "gunicorn"}  # programs that pip makes, and what they run
ADDRESS = "http://127.0.0.1:8000"
LASTING = (
    Lasting(r"^python manage\.py serve$", f"{ADDRESS}/readyz"),
    Lasting(r"^python manage\.py consume$", "billing"),
    Lasting(r"^gunicorn ", "http://127.0.0.1:8001/sign-in"),
    Lasting(r"^brokerweb serve$", f"{ADDRESS}/readyz"),
    Lasting(r"python worker\.py$", "$ true"),
)


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those of an environment in which the wheel was just installed."""
    programs = installed(tmp_path_factory.mktemp("installed") / "environment", wheel)
    for name, module in OF_PACKAGES.items():
        (programs / name).write_text(f'#!/bin/sh\nexec "{programs}/python" -m {module} "$@"\n')
        (programs / name).chmod(0o755)
    return programs


def typist(programs: Path, directory: Path) -> Typist:
    """Somebody in an empty folder."""
    given = {name: value for name, value in inherited().items() if name != "PYTHONPATH"}
    given |= {
        "PATH": f"{programs}:{given['PATH']}",
        "CURL_HOME": str(directory),
        "HOME": str(directory),
        "BROKERWEB_ADMIN_TOKEN": TOKEN,
    }
    (directory / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    serve, web = free_port(), free_port()
    given |= {"BROKERWEB_BIND": f"127.0.0.1:{serve}", "BROKERWEB_ADMIN_PASSWORD": PASSWORD}
    written = {r"127\.0\.0\.1:8000": f"127.0.0.1:{serve}", r"127\.0\.0\.1:8001": f"127.0.0.1:{web}"}
    (directory / "here").mkdir()
    return Typist(directory / "here", given, written=written, lasting=LASTING)


def test_the_page_for_django_is_typed_from_top_to_bottom(programs: Path, tmp_path: Path):
    billed = "from shop.models import Order; print(Order.objects.filter(billed=True).count())"
    count = Command(Block(PAGE, 1, "sh", ""), f'python manage.py shell --verbosity 0 --command "{billed}"')
    with typist(programs, tmp_path) as person:
        url = person.here(ADDRESS)
        rest = Rest(url, TOKEN)
        for block in blocks(PAGE):
            if block.file:
                person.write(block)
            for command in block.commands:
                if untyped(command) is None:
                    person.enter(command)
        eventually(
            lambda: not any(rest.queue("billing")["counts"].values()), why="what the web workers published is consumed, too"
        )
        assert person.enter(count).split() == ["2"]
        assert "brokerweb.W" not in person.log.read_text(), "nothing is warned of that is as the page has it"
        person.stop()

        person.environment["BROKERWEB_SERVER"] = "uvicorn"
        person.enter(Command(count.block, "python manage.py serve"))
        with httpx.Client(base_url=url, timeout=30) as client:
            assert client.post("/orders", data={"customer": "eve"}).status_code == 201
            assert client.post("/orders", data={"custom": "eve"}).status_code == 400
            sign_in(client, url, PASSWORD)
            assert "billing" in client.get("/queues").text
            [style] = re.findall(r'<link rel="stylesheet" href="([^"]+console\.css[^"]*)"', client.get("/queues").text)
            assert client.get(style).status_code == 200
        assert rest.queue("billing")["counts"]["ready"] == 1


def test_no_module_names_the_folders_at_the_top_level():
    """Imported by those names their models would be loaded twice."""
    named = re.compile(r"^\s*(?:from (?:queues|streams|console)\b|import (?:queues|streams|console)\b)", re.M)
    folders = [ROOT / folder for folder in (*APPS, "tests", "benchmarks", "examples")]
    modules = [path for folder in folders for path in sorted(folder.rglob("*.py")) if path != Path(__file__)]
    assert [str(path.relative_to(ROOT)) for path in modules if named.search(path.read_text())] == []


def test_the_first_steps_are_typed_from_top_to_bottom(programs: Path, tmp_path: Path):
    with typist(programs, tmp_path) as person:
        rest = Rest(person.here(ADDRESS), TOKEN)
        for block in blocks(FIRST_STEPS):
            if block.file:
                person.write(block)
            for command in block.commands:
                if command.typed.startswith("brokerweb peek"):
                    eventually(lambda: rest.queue("orders")["counts"]["dead"] == 1, why="the worker has failed twice")
                    person.interrupt()
                    assert '{"order": 1002, "items": 1}' in person.enter(command)
                elif untyped(command) is None:
                    person.enter(command)
        [failed] = rest.browse("orders")
        assert failed["last_error"] == "KeyError('price')"
        rest.publish("orders", {"body": {**failed["body"], "price": 5}})
        eventually(lambda: rest.queue("orders")["counts"]["ready"] + rest.queue("orders")["counts"]["leased"] == 0)
        person.stop()
        said = "".join(path.read_text() for path in tmp_path.glob("here.[0-9]*"))
    assert {"1001 costs 15", "1002 costs 5"} <= set(said.splitlines())
    assert "Traceback" not in said
