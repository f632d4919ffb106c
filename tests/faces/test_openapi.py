"""The OpenAPI document: complete, valid, and true."""

from __future__ import annotations

import re
from typing import Any

import httpx
import jsonschema_rs
import msgspec
import yaml
from django.urls import get_resolver

from brokerweb.core.errors import all_errors
from brokerweb.faces.calls import table as hot
from brokerweb.faces.calls.table import BASE
from brokerweb.faces.rest.openapi import calls, document
from brokerweb.faces.rest.paths import METHODS
from brokerweb.faces.rest.table import CALLS
from tests.clients import Rest
from tests.server import ROOT, Server


def test_every_path_of_the_url_table_is_in_the_document_and_the_other_way_round() -> None:
    routes = {
        re.sub(r"<str:(\w+)>", r"{\1}", str(pattern.pattern))
        for pattern in get_resolver("brokerweb.faces.rest.urls").url_patterns
        if str(pattern.pattern) not in ("schema", "docs", "")
    }
    assert {BASE + route for route in routes} == set(document()["paths"])


def test_every_hot_call_is_found_by_its_path_and_stands_in_the_table_of_all() -> None:
    names = {"{q}": "orders", "{s}": "log", "{t}": "news", "{g}": "group"}
    for row in hot.CALLS:
        assert row in CALLS
        path = re.sub(r"\{\w\}", lambda found: names[found[0]], row.path)
        given = tuple(names[name] for name in re.findall(r"\{\w\}", row.path))
        assert hot.find(row.method, BASE + path) == (row, given)


def test_operation_ids_are_unique_and_every_call_says_what_it_needs_and_how_it_fails() -> None:
    described = [operation for path in document()["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in described]
    assert len(ids) == len(set(ids)) == len(list(calls()))
    for operation in described:
        assert "Needs " in operation["description"]
        assert {"400", "401", "403", "500", "503"} <= set(operation["responses"])
        assert any(status.startswith("2") for status in operation["responses"])


def test_every_list_has_a_next_page_or_says_that_there_is_none() -> None:
    lists = {name: shape for name, shape in document()["components"]["schemas"].items() if "items" in shape.get("properties", {})}
    assert len(lists) > 20
    assert not [name for name, shape in lists.items() if "next" not in shape["required"]]


def test_the_contracts_calls_are_there() -> None:
    paths = {
        path.removeprefix(BASE): {*path_item} & {*map(str.lower, METHODS)} for path, path_item in document()["paths"].items()
    }
    assert paths["queues"] == {"get"}
    assert paths["queues/{q}"] == {"put", "get", "patch", "delete"}
    assert paths["queues/{q}/messages"] == {"get", "post"}
    assert paths["queues/{q}/messages/{id}"] == {"get", "patch", "delete"}
    assert paths["tokens"] == {"get", "post"}
    assert (paths["jobs"], paths["jobs/{id}"], paths["streams/{s}/replay"]) == ({"get"}, {"get", "delete"}, {"post"})
    for action in ("raw", "receive", "settle", "pause", "resume", "purge", "redrive", "messages/{id}/requeue"):
        assert paths[f"queues/{{q}}/{action}"] == {"post"}


def test_every_reference_leads_somewhere_and_every_schema_is_a_schema() -> None:
    text = msgspec.json.encode(document()).decode()
    components = document()["components"]["schemas"]
    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert name in components
    for schema in components.values():
        jsonschema_rs.validator_for({**schema, "components": {"schemas": components}})


def bodies() -> dict[str, Any]:
    """The JSON that each call takes, by its operationId."""
    described = [operation for path in document()["paths"].values() for operation in path.values()]
    requests = {
        operation["operationId"]: operation["requestBody"]["content"] for operation in described if "requestBody" in operation
    }
    return {id: content["application/json"] for id, content in requests.items() if "*/*" not in content}


def test_every_example_is_what_its_schema_says() -> None:
    components = {"components": document()["components"]}
    for body in bodies().values():
        jsonschema_rs.validator_for({**body["schema"], **components}).validate(body["example"])


def test_examples_can_be_sent_as_they_stand(rest: Rest, name: str) -> None:
    """Those that need nothing but their queue, topic or stream."""
    sent = {id: body["example"] for id, body in bodies().items()}
    rest.declare("billing")
    for kind, declare, put in (
        ("queues", "declareQueue", ("publishMessages", "messages")),
        ("streams", "declareStream", ("appendRecords", "records")),
        ("topics", "declareTopic", ("publishToTopic", "messages")),
    ):
        for answer in (
            rest.http.put(f"/{kind}/{name}", json=sent[declare]),
            rest.http.post(f"/{kind}/{name}/{put[1]}", json=sent[put[0]]),
        ):
            assert answer.status_code == 201, answer.text
    for action, id in (
        ("receive", "receiveMessages"),
        ("settle", "settleMessages"),
        ("pause", "pauseQueue"),
        ("purge", "purgeQueue"),
        ("redrive", "redriveQueue"),
    ):
        answer = rest.http.post(f"/queues/{name}/{action}", json=sent[id])
        assert answer.status_code == 200, answer.text


def test_errors_are_described_under_their_statuses() -> None:
    statuses = {error.code: str(error.http_status) for error in all_errors()}
    publish = document()["paths"][f"{BASE}queues/{{q}}/messages"]["post"]["responses"]
    for code in ("queue_full", "too_large", "store_full", "not_found", "unavailable"):
        assert f"`{code}`" in publish[statuses[code]]["description"]
    assert "Retry-After" in publish["429"]["headers"]


def test_the_served_document_is_json_unless_asked_otherwise(rest: Rest) -> None:
    answer = rest.http.get("/schema", headers={"Accept": "text/html,*/*"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["openapi"].startswith("3.1")
    for asked in (
        rest.http.get("/schema", params={"format": "yaml"}),
        rest.http.get("/schema", headers={"Accept": "application/yaml"}),
    ):
        assert yaml.safe_load(asked.text) == answer.json()


def test_the_page_to_try_it_has_no_inline_script(rest: Rest, server: Server) -> None:
    page = rest.http.get("/docs")
    assert page.status_code == 200
    assert not re.search(r"<script(?![^>]*src=)|<style|onload=|javascript:", page.text)
    for url in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert url.startswith("/"), "nothing from elsewhere"
        assert rest.http.get(server.url + url.replace("&amp;", "&")).status_code == 200, url


def test_the_page_answers_options_and_any_accept_as_other_calls_do(rest: Rest) -> None:
    asked = rest.http.request("OPTIONS", "/docs")
    assert (asked.status_code, asked.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
    page = rest.http.get("/docs", headers={"Accept": "application/json"})
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert rest.http.post("/docs").headers["Allow"] == "GET, HEAD, OPTIONS"


def test_document_and_page_need_a_token_or_session(server: Server) -> None:
    for path in ("schema", "docs"):
        assert httpx.get(f"{server.url}/api/v1/{path}").status_code == 401


def test_every_error_is_in_the_document_of_errors_with_its_status() -> None:
    rows = {}
    for line in (ROOT / "docs" / "errors.md").read_text().splitlines():
        if line.startswith("| `"):
            code, status, retryable, _ = (cell.strip() for cell in line.strip("|").split("|", 3))
            rows[code.strip("`")] = (int(status), retryable == "yes")
    assert rows == {error.code: (error.http_status, error.retryable) for error in all_errors()}


def test_every_call_is_in_the_document_for_people() -> None:
    text = (ROOT / "docs" / "protocol" / "rest.md").read_text()
    for path, _, _ in calls():
        assert f"/{path.removeprefix(BASE)}" in text
