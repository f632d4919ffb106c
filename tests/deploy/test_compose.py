"""``compose.yaml`` and what it names: the image, the proxy's configuration, the options of a node."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from brokerweb import broker, conf
from brokerweb.servers import lifecycle
from tests.deploy.options import VARIABLES, parsed
from tests.server import ROOT
from tests.test_dockerfile import instructions

EXAMPLE = ROOT / "deploy" / "compose.env.example"
CADDYFILE = ROOT / "deploy" / "caddy" / "Caddyfile"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return services


def filled(text: str, given: dict[str, str]) -> str:
    """The text with its variables filled in as Compose does it."""
    return re.sub(r"\$\{(\w+)(?::[-?]([^}]*))?\}", lambda found: given.get(found[1]) or found[2] or "", text)


def test_the_images_are_those_of_which_the_documents_speak(services: dict[str, Any]):
    images = {name: service.get("image") for name, service in services.items()}
    assert images == {"postgres": "postgres:18", "valkey": "valkey/valkey:9", "node": None, "proxy": "caddy:2"}
    assert services["node"]["build"] == "."


def test_a_node_gets_options_that_there_are(services: dict[str, Any]):
    given = {"POSTGRES_PASSWORD": "s3cret", "BROKERWEB_ADMIN_PASSWORD": "password", "BROKERWEB_ADMIN_TOKEN": "t" * 24}
    environment = {name: filled(value, given) for name, value in services["node"]["environment"].items()}
    assert environment.keys() <= VARIABLES
    options = parsed(environment)
    assert options.database_url == "postgresql://brokerweb:s3cret@postgres:5432/brokerweb"
    assert options.redis_url == "redis://valkey:6379/0"
    assert options.public_url == ("http://localhost:8000",)
    assert len(options.trusted_proxies) == 3


def test_what_is_secret_has_no_default_and_stands_in_the_example():
    text = (ROOT / "compose.yaml").read_text()
    needed = set(re.findall(r"\$\{(\w+):\?", text))
    assert needed == {"POSTGRES_PASSWORD", "BROKERWEB_ADMIN_PASSWORD", "BROKERWEB_ADMIN_TOKEN"}
    assert set(re.findall(r"^(\w+)=$", EXAMPLE.read_text(), re.MULTILINE)) == needed
    assert set(re.findall(r"^#(\w+)=\S", EXAMPLE.read_text(), re.MULTILINE)) <= set(re.findall(r"\$\{(\w+):-", text))


def test_only_the_proxy_is_reached_from_outside(services: dict[str, Any]):
    assert [name for name, service in services.items() if "ports" in service or service.get("network_mode")] == ["proxy"]
    inside = {filled(port, {}).rpartition(":")[2] for port in services["proxy"]["ports"]}
    assert inside == {"80", "443"}


def test_the_proxy_finds_the_nodes_where_they_listen(services: dict[str, Any]):
    text = CADDYFILE.read_text()
    [name], [port] = re.findall(r"\{\$NODE_NAME:(\w+)\}", text), re.findall(r"\{\$NODE_PORT:(\d+)\}", text)
    assert name in services
    assert ("EXPOSE", port) in instructions()
    assert set(re.findall(r"\{\$(\w+)", text)) - services["proxy"]["environment"].keys() == {"NODE_NAME", "NODE_PORT"}
    assert "./deploy/caddy/Caddyfile:/etc/caddy/Caddyfile:ro" in services["proxy"]["volumes"]
    assert text.count("{") == text.count("}")


def test_everybody_says_whether_they_are_well(services: dict[str, Any]):
    without = [name for name, service in services.items() if "healthcheck" not in service]
    assert without == ["node"]  # whose image has one
    assert "HEALTHCHECK" in {name for name, _ in instructions()}
    for service in services.values():
        for other, condition in service.get("depends_on", {}).items():
            assert condition["condition"] in ("service_healthy", "service_started")
            assert other in services


def test_a_node_has_the_time_that_a_drain_takes(services: dict[str, Any]):
    assert int(services["node"]["stop_grace_period"].removesuffix("s")) > 2 * (broker.GOODBYE + lifecycle.GRACE)


def test_what_is_kept_has_volumes(services: dict[str, Any]):
    kept = yaml.safe_load((ROOT / "compose.yaml").read_text())["volumes"]
    mounted = {name: {volume.partition(":")[0] for volume in service.get("volumes", [])} for name, service in services.items()}
    assert set(kept) == {name for names in mounted.values() for name in names if "/" not in name}
    assert {rest for name, rest in instructions() if name == "VOLUME"} == mounted["node"]


def test_what_the_image_sets_are_options_too():
    [environment] = [rest for name, rest in instructions() if name == "ENV"]
    names = {pair.partition("=")[0] for pair in environment.split()}
    assert {name for name in names if not name.startswith("PYTHON")} <= VARIABLES
    assert conf.OPTIONS["server"].metadata["variable"] in names
