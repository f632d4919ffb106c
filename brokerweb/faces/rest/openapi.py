"""The OpenAPI 3.1 document, from the table of calls and the structs that parse and answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
from brokerweb.faces.rest.versions import TAGS
from brokerweb.queues.limits import MAX_TEXT_BYTES

ALWAYS = ("invalid", "unauthenticated", "forbidden", "too_large", "internal", "unavailable")
_REF = "#/components/schemas/{name}"
_IN_PATH: dict[str, dict[str, Any]] = {
    **{
        key: {"type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$"}
        for key in ("q", "s", "t", "g", "rule", "channel", "schema")
    },
    "id": {"type": "string"},
    "name": {"type": "string"},
    "partition": {"type": "string", "pattern": "^[0-9]{1,4}$"},
    "offset": {"type": "string", "pattern": "^[0-9]{1,13}$"},
}
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "required": True}},
    429: {"Retry-After": {"schema": {"type": "string"}, "required": True}},
    503: {"Retry-After": {"schema": {"type": "string"}, "required": True}},
    507: {"Retry-After": {"schema": {"type": "string"}, "required": True}},
}

CLIENT = Parameter("Client-Name", {"type": "string", "maxLength": MAX_TEXT_BYTES}, "what the caller calls itself", where="header")
_ETAG = {"ETag": {"schema": {"type": "string"}, "required": True, "description": "of what is declared; for If-Match"}}


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
        paths.setdefault(path, {})[method] = _operation(row, schemas)
    session = "a browser's session; unsafe calls need the header X-CSRFToken too"
    security = {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME, "description": session},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "brokerweb", "version": brokerweb.__version__, "summary": "A message broker you can ask questions of."},
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": security},
    }


def _schemas() -> tuple[dict[Any, Any], dict[str, Any]]:
    """The types of all bodies with how the document refers to each, and the components that it refers to."""
    types: list[Any] = [shapes.Problem, shapes.Selection]
    for row in CALLS:
        for kind in (row.request, *row.answers.values()):
            types += kind if isinstance(kind, tuple) else [kind] if kind is not None else []
    types = list(dict.fromkeys(types))
    references, components = msgspec.json.schema_components(types, ref_template=_REF)
    # What the types cannot say: of which fields one is needed, and which do not go together.
    both = {"delay": {"type": "number"}, "deliver_at": {"type": "string"}}
    for name in ("WireMessage", "AnyMessage", "WireRecord"):
        components[name]["oneOf"] = [{"required": ["body"]}, {"required": ["body_base64"]}]
    for name in ("WireMessage", "AnyMessage"):
        components[name]["not"] = {"required": list(both), "properties": both}
    ways = {**both, "due_at": {"type": "string"}}
    components["Reschedule"]["oneOf"] = [{"required": [name], "properties": {name: ways[name]}} for name in ways]
    text = {"type": "string", "maxLength": 1000}
    held = {r"^header\.": text, r"^body\.": {"anyOf": [text, {"type": ["number", "boolean"]}]}}
    components["Selection"]["patternProperties"] = held
    for name in ("PurgeRequest", "RedriveRequest"):
        components[name]["properties"]["filter"] = {"$ref": _REF.format(name="Selection")}
    return dict(zip(types, references, strict=True)), components


def _operation(row: Row, schemas: dict[Any, Any]) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", row.path)
    parameters = [{"name": name, "in": "path", "required": True, "schema": _IN_PATH[name]} for name in names]
    for p in (*row.parameters, *_conditions(row), CLIENT):
        described = {"schema": dict(p.schema), "description": p.description}
        parameters.append({"name": p.name, "in": p.where, "required": False, **described})
    parts: dict[str, Any] = {
        "operationId": row.id,
        "summary": row.summary,
        "description": f"{row.description} Needs {row.needs.words}.".strip(),
        "tags": [row.tag],
        "parameters": parameters,
        "responses": {**_answers(row, schemas), **_errors(row)},
    }
    if row.raw:
        parts["requestBody"] = {"required": False, "content": {"application/json": {"schema": {}}, "*/*": {"schema": {}}}}
    elif row.request is not None:
        content = {"application/json": {"schema": schemas[row.request], "example": EXAMPLES[row.request]}}
        parts["requestBody"] = {"required": row.request_required, "content": content}
    return parts


def _conditions(row: Row) -> Iterator[Parameter]:
    tags = {"type": "string", "pattern": TAGS}
    if row.versioned and row.method != "GET":
        yield Parameter("If-Match", tags, "act only if the ETag is still one of these; `*`: if it is there", where="header")
    if row.versioned and row.method == "PUT":
        yield Parameter("If-None-Match", tags, "`*`: act only if it is not there yet", where="header")


def _answers(row: Row, schemas: dict[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, kind in row.answers.items():
        if kind is None:
            found[str(status)] = {"description": "Done"}
            continue
        schema = {"anyOf": [schemas[k] for k in kind]} if isinstance(kind, tuple) else schemas[kind]
        tag = {"headers": _ETAG} if row.versioned else {}
        kinds = (row.media_type, *row.other_types)
        found[str(status)] = {"description": "Done", "content": {each: {"schema": schema} for each in kinds}, **tag}
    return found


def _errors(row: Row) -> dict[str, Any]:
    writes = {"store_full", *(("precondition_failed",) if row.versioned else ())}
    codes = {*ALWAYS, *row.errors} | (writes if row.method != "GET" else set())
    by_status: dict[int, list[type[BrokerError]]] = {}
    for error in all_errors():
        if error.code in codes:
            by_status.setdefault(error.http_status, []).append(error)
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}}
    found = {}
    for status, errors in sorted(by_status.items()):
        words = "; ".join(f"`{error.code}`: {(error.__doc__ or '').splitlines()[0]}" for error in errors)
        headers = {"headers": _HEADERS[status]} if status in _HEADERS else {}
        found[str(status)] = {"description": words, "content": content, **headers}
    return found
