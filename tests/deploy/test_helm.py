"""The chart of ``deploy/helm``, rendered."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from brokerweb import broker
from brokerweb.faces.http import health
from brokerweb.servers import lifecycle
from tests.deploy.charts import Chart
from tests.deploy.options import VARIABLES, parsed
from tests.server import ROOT
from tests.test_dockerfile import instructions

FOLDER = ROOT / "deploy" / "helm" / "brokerweb"


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return Chart(FOLDER).objects()


@pytest.fixture(scope="module")
def node(made: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any]
    [container] = made["Deployment"]["spec"]["template"]["spec"]["containers"]
    return container


def test_it_makes_all_that_nodes_need(made: dict[str, Any]):
    assert made.keys() == {"Deployment", "Ingress", "PodDisruptionBudget", "Service"}
    assert made["Deployment"]["spec"]["replicas"] == 3
    assert yaml.safe_load((FOLDER / "Chart.yaml").read_text())["apiVersion"] == "v2"


def test_values_are_what_is_made_of_them():
    plain = {**Chart(FOLDER).values["ingress"], "enabled": False}
    options = [{"name": "BROKERWEB_THREADS", "value": "8"}]
    made = Chart(FOLDER, "other", ingress=plain, replicas=7, env=options).objects()
    assert "Ingress" not in made
    assert made["Deployment"]["spec"]["replicas"] == 7
    [container] = made["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["env"][-1] == options[0]
    assert {found["metadata"]["name"] for found in made.values()} == {"other"}


def test_they_find_each_other(made: dict[str, Any]):
    spec = made["Deployment"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    spread = spec["template"]["spec"]["topologySpreadConstraints"][0]["labelSelector"]
    for selector in (
        spec["selector"]["matchLabels"],
        spread["matchLabels"],
        made["Service"]["spec"]["selector"],
        made["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
        assert selector
    [rule] = made["Ingress"]["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert backend["name"] == made["Service"]["metadata"]["name"]
    assert backend["port"]["name"] in {port["name"] for port in made["Service"]["spec"]["ports"]}


def test_a_node_gets_options_that_there_are(node: dict[str, Any]):
    given = {item["name"]: item for item in node["env"]}
    assert given.keys() <= VARIABLES
    options = parsed({name: item["value"] for name, item in given.items() if "value" in item})
    assert options.public_url == ("https://broker.example",)
    secrets = {name: item["valueFrom"]["secretKeyRef"] for name, item in given.items() if "valueFrom" in item}
    assert all(reference["key"] == name for name, reference in secrets.items())
    assert [name for name, reference in secrets.items() if reference.get("optional")] == ["REDIS_URL"]
    readme = (ROOT / "deploy" / "README.md").read_text()
    assert all(f"--from-literal={name}=" in readme for name in secrets)


def test_probes_ask_what_answers_without_a_token(made: dict[str, Any], node: dict[str, Any]):
    probes = {name: node[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": "/readyz",
        "readiness": "/readyz",
        "liveness": "/healthz",
    }
    assert {probe["path"] for probe in probes.values()} == health.PATHS
    [port] = node["ports"]
    assert {probe["port"] for probe in probes.values()} == {port["name"]}
    assert ("EXPOSE", str(port["containerPort"])) in instructions()
    assert made["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]


def test_it_runs_as_the_image_does_and_writes_where_that_may(made: dict[str, Any], node: dict[str, Any]):
    pod = made["Deployment"]["spec"]["template"]["spec"]
    user = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    assert ("USER", user) in instructions()
    mounts = {mount["mountPath"]: mount["name"] for mount in node["volumeMounts"]}
    assert mounts.keys() == {"/tmp", *(rest for name, rest in instructions() if name == "VOLUME")}
    assert set(mounts.values()) == {volume["name"] for volume in pod["volumes"]}
    assert node["securityContext"]["readOnlyRootFilesystem"]


def test_a_node_has_the_time_that_a_drain_takes(made: dict[str, Any], node: dict[str, Any]):
    _, wait = node["lifecycle"]["preStop"]["exec"]["command"]
    grace = made["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace - int(wait) > 2 * (broker.GOODBYE + lifecycle.GRACE)
