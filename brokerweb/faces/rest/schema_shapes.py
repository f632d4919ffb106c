"""The shapes of schemas that bodies are read by."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from brokerweb import schemas
from brokerweb.core.errors import Invalid
from brokerweb.core.limits import MAX_TEXT_BYTES
from brokerweb.faces.codec.answers import Instant
from brokerweb.faces.codec.json import Base64, Strict

Kind = Literal[*schemas.KINDS]  # type: ignore[valid-type]  # written of the table


class Schema(Struct):
    """What bodies consist of, of all that `pattern` names. `message`: of Protobuf its full name; `size`: bytes of the source."""

    name: str
    kind: Kind
    pattern: str
    content_type: str | None
    message: str | None
    size: int
    created_at: Instant
    created_by: str
    changed_at: Instant
    changed_by: str


class WholeSchema(Schema):
    """With `source`, the text of an Avro schema, or `source_base64`, a descriptor set of Protobuf's."""

    source: str | UnsetType = UNSET
    source_base64: str | UnsetType = UNSET


class SchemaList(Struct):
    items: list[Schema]
    next: None  # all of it is one page


class SchemaRequest(Strict):
    """A schema: its text as `source`, or its bytes as `source_base64`, which a descriptor set of Protobuf's has to be.

    Without `content_type` it is for bodies whose type says nothing else. `message`, the full name of what a body is, belongs to
    Protobuf.
    """

    kind: Kind
    pattern: Annotated[str, Meta(min_length=1, max_length=210, examples=["queue:orders.*"])]
    source: Annotated[str, Meta(max_length=schemas.MOST_BYTES)] | UnsetType = UNSET
    source_base64: Base64 | UnsetType = UNSET
    message: Annotated[str, Meta(max_length=schemas.LONGEST_MESSAGE)] | None = None
    content_type: Annotated[str, Meta(max_length=MAX_TEXT_BYTES)] | None = None


def schema_of(name: str, asked: SchemaRequest) -> schemas.Schema:
    """The schema that a request describes. Raises Invalid."""
    given = [each for each in (asked.source, asked.source_base64) if each is not UNSET]
    if len(given) != 1:
        raise Invalid.at("/source", "one of source and source_base64 is needed, and not both")
    source = given[0] if isinstance(given[0], bytes) else _encoded(str(given[0]))
    return schemas.Schema(name, asked.kind, asked.pattern, source, asked.message, asked.content_type)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Invalid.at("/source", "half a surrogate pair cannot be stored") from None
