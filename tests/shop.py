"""The example project as tests run it: as it is, with the console, or with settings and urls of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import httpx

from tests.server import ROOT, TOKEN, Server, inherited, python_path

SHOP = ROOT / "examples" / "in_your_project"
PASSWORD = "password-of-the-shop"


class ShopServer(Server):
    """The shop's own ``manage.py serve``."""

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=SHOP,
            env=self.shop_environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )

    def shop_environment(self) -> dict[str, str]:
        return {
            **inherited(),
            "SHOP_DATA": str(self.data),
            "PYTHONPATH": python_path(ROOT),
            "BROKERWEB_ADMIN_TOKEN": TOKEN,
            **self.environment,
        }

    def __enter__(self) -> ShopServer:
        return self

    def start(self, *arguments: str, ready: bool = True) -> ShopServer:
        command = [sys.executable, "manage.py", "serve", "--bind", f"127.0.0.1:{self.port}", "--server", self.kind, *arguments]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=SHOP, env=self.shop_environment(), stdout=log, stderr=subprocess.STDOUT)
        self.wait_ready()
        return self

    def call(self, method: str, path: str, **json: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return httpx.request(method, f"{self.url}/api/v1/queues/billing{path}", headers=headers, json=json, timeout=30)

    def waiting(self) -> int:
        return int(self.call("GET", "").json()["counts"]["ready"])


def with_console(directory: Path) -> dict[str, str]:
    """The environment of the shop with the settings that its README adds for the console."""
    (block,) = re.findall(r"## The console as well.*?```python\n(.*?)```", (SHOP / "README.md").read_text(), re.DOTALL)
    (directory / "with_console.py").write_text(f"from shop.settings import *\n{block}")
    return {"PYTHONPATH": python_path(ROOT, directory), "DJANGO_SETTINGS_MODULE": "with_console"}


def with_settings(directory: Path, settings: str = "", **modules: str) -> dict[str, str]:
    """The same, and then ``settings``; ``modules`` stand beside them, as those of the project."""
    environment = with_console(directory)
    (directory / "unusual.py").write_text(f"from with_console import *\n{settings}")
    for name, text in modules.items():
        (directory / f"{name}.py").write_text(text)
    return environment | {"DJANGO_SETTINGS_MODULE": "unusual", "BROKERWEB_ADMIN_PASSWORD": PASSWORD}


def sign_in(client: httpx.Client, url: str, password: str = PASSWORD) -> None:
    """As the administrator of a first start."""
    form = client.get(f"{url}/sign-in")
    token = re.findall(r'name="csrfmiddlewaretoken" value="(.*?)"', form.text)[0]
    given = {"username": "admin", "password": password, "csrfmiddlewaretoken": token}
    assert client.post(f"{url}/sign-in", data=given).status_code == 302
