"""The OpenAPI 3.1 document, from the table of calls and the structs that parse and answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import msgspec
from django.conf import settings

import brokerweb
from brokerweb.core.errors import BrokerError, all_errors
from brokerweb.faces.calls.call import Row
from brokerweb.faces.calls.table import BASE
from brokerweb.faces.codec import problems
from brokerweb.faces.codec.query import Parameter
from brokerweb.faces.rest import shapes
from brokerweb.faces.rest.examples import EXAMPLES
from brokerweb.faces.rest.table import CALLS

ALWAYS = ("invalid", "unauthenticated", "forbidden", "too_large", "internal", "unavailable")
_REF = "#/components/schemas/{name}"
_IN_PATH: dict[str, dict[str, Any]] = {
    **{key: {"type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$"} for key in "qstg"},
    "id": {"type": "string"},
}
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "required": True}},
    429: {"Retry-After": {"schema": {"type": "string"}, "required": True}},
    503: {"Retry-After": {"schema": {"type": "string"}, "required": True}},
    507: {"Retry-After": {"schema": {"type": "string"}, "required": True}},
}


def calls() -> Iterator[tuple[str, str, Row]]:
    """(path, method, row) of every call there is."""
    for row in CALLS:
        yield BASE + row.path, row.method.lower(), row


@cache
def document() -> dict[str, Any]:
    """The whole document."""
    schemas, components = _schemas()
    paths: dict[str, dict[str, Any]] = {}
    for path, method, row in calls():
        paths.setdefault(path, {})[method] = _operation(path, method, row, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "brokerweb", "version": brokerweb.__version__, "summary": "A message broker you can ask questions of."},
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _security()},
    }


def _security() -> dict[str, Any]:
    session = "a browser's session; unsafe calls need the header X-CSRFToken too"
    return {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME, "description": session},
    }


def _types() -> list[Any]:
    found: list[Any] = [shapes.Problem, shapes.Selection]
    for _, _, row in calls():
        for kind in (row.request, *row.answers.values()):
            found += kind if isinstance(kind, tuple) else [kind] if kind is not None else []
    return list(dict.fromkeys(found))


def _schemas() -> tuple[dict[Any, Any], dict[str, Any]]:
    types = _types()
    references, components = msgspec.json.schema_components(types, ref_template=_REF)
    both = {"delay": {"type": "number"}, "deliver_at": {"type": "string"}}
    for name in ("WireMessage", "AnyMessage", "WireRecord"):
        components[name]["oneOf"] = [{"required": ["body"]}, {"required": ["body_base64"]}]
    for name in ("WireMessage", "AnyMessage"):
        components[name]["not"] = {"required": list(both), "properties": both}
    ways = {**both, "due_at": {"type": "string"}}
    components["Reschedule"]["oneOf"] = [{"required": [name], "properties": {name: ways[name]}} for name in ways]
    for name in ("PurgeRequest", "RedriveRequest"):
        components[name]["properties"]["filter"] = {"$ref": _REF.format(name="Selection")}
    return dict(zip(types, references, strict=True)), components


def _operation(path: str, method: str, row: Row, schemas: dict[Any, Any]) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "operationId": row.id,
        "summary": row.summary,
        "description": f"{row.description} Needs {row.needs.words}.".strip(),
        "tags": [row.tag],
        "parameters": [_path_parameter(name) for name in re.findall(r"\{(\w+)\}", path)]
        + [_parameter(p) for p in row.parameters],
        "responses": {**_answers(row, schemas), **_errors(method, row)},
    }
    if row.raw:
        parts["requestBody"] = {"required": False, "content": {"application/json": {"schema": {}}, "*/*": {"schema": {}}}}
    elif row.request is not None:
        content = {"application/json": {"schema": schemas[row.request], "example": EXAMPLES[row.request]}}
        parts["requestBody"] = {"required": row.request_required, "content": content}
    return parts


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _IN_PATH[name]}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": False,
        "schema": dict(parameter.schema),
        "description": parameter.description,
    }


def _answers(row: Row, schemas: dict[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, kind in row.answers.items():
        if kind is None:
            found[str(status)] = {"description": "Done"}
            continue
        schema = {"anyOf": [schemas[k] for k in kind]} if isinstance(kind, tuple) else schemas[kind]
        found[str(status)] = {"description": "Done", "content": {row.media_type: {"schema": schema}}}
    return found


def _errors(method: str, row: Row) -> dict[str, Any]:
    codes = {*ALWAYS, *row.errors} | ({"store_full"} if method != "get" else set())
    by_status: dict[int, list[type[BrokerError]]] = {}
    for error in all_errors():
        if error.code in codes:
            by_status.setdefault(error.http_status, []).append(error)
    return {str(status): _error(status, errors) for status, errors in sorted(by_status.items())}


def _error(status: int, errors: Iterable[type[BrokerError]]) -> dict[str, Any]:
    words = "; ".join(f"`{error.code}`: {(error.__doc__ or '').splitlines()[0]}" for error in errors)
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}}
    return {"description": words, "content": content} | ({"headers": _HEADERS[status]} if status in _HEADERS else {})
