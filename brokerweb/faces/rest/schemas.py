"""Schemas that bodies are read by: made, changed, read, removed."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from brokerweb import schemas
from brokerweb.faces.http.responses import answer, no_content
from brokerweb.faces.rest import paging
from brokerweb.faces.rest.base import ApiView
from brokerweb.faces.rest.schema_shapes import SchemaRequest, schema_of
from brokerweb.identity import models
from brokerweb.queues.represent import rfc3339


def list_schemas(view: ApiView) -> HttpResponse:
    view.query()
    return answer(paging.whole(_shown(row) for row in schemas.rows()))


def read_schema(view: ApiView, schema: str) -> HttpResponse:
    view.query()
    row = schemas.find(schema)
    return answer({**_shown(row), **schemas.source_as_json(row.kind, bytes(row.source))})


def declare_schema(view: ApiView, schema: str) -> HttpResponse:
    made = schemas.declare(view.principal, schema_of(schema, view.body(SchemaRequest)), address=view.address)
    return answer(_shown(schemas.find(schema)), 201 if made else 200)


def delete_schema(view: ApiView, schema: str) -> HttpResponse:
    view.query()
    schemas.delete(view.principal, schema, address=view.address)
    return no_content()


def _shown(row: models.Schema) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "pattern": row.pattern,
        "content_type": row.content_type,
        "message": row.message,
        "size": row.size,
        "created_at": rfc3339(row.created_at),
        "created_by": row.created_by,
        "changed_at": rfc3339(row.changed_at),
        "changed_by": row.changed_by,
    }
