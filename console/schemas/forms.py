"""The form of a schema: a file, or for Avro its text."""

from __future__ import annotations

from typing import Any

from django import forms

from brokerweb import schemas
from brokerweb.console.broker_form import PLAIN, ChangeForm, as_seen, name_field, with_line_ends
from brokerweb.core.errors import Invalid, NotFound
from brokerweb.core.limits import MAX_TEXT_BYTES
from brokerweb.core.quantities import SIZE

MOST = SIZE.text(schemas.MOST_BYTES)
_KINDS = [(schemas.AVRO, "Avro"), (schemas.PROTOBUF, "Protobuf")]


class SchemaForm(ChangeForm):
    """What a schema says. ``known`` is the one there is: its source stays where no other is given."""

    name = name_field()
    kind = forms.ChoiceField(choices=_KINDS, initial=schemas.AVRO)
    pattern = forms.CharField(
        max_length=210,
        label="Holds for",
        help_text="queue:orders.*, stream:moves, or orders.* for both.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    content_type = forms.CharField(
        required=False,
        max_length=MAX_TEXT_BYTES,
        label="Content type",
        help_text="Only bodies of this type. Empty: those whose type says nothing else.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    message = forms.CharField(
        required=False,
        max_length=schemas.LONGEST_MESSAGE,
        label="Message",
        help_text="Of Protobuf, the full name of what a body is: shop.Order.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    file = forms.FileField(
        required=False,
        allow_empty_file=True,
        label="File",
        help_text=f"An .avsc, or what protoc --include_imports --descriptor_set_out writes, of {MOST} at most.",
    )
    source = forms.CharField(
        required=False,
        strip=False,
        label="Or Avro's text",
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "autocapitalize": "none", "class": "mono"}),
    )

    def __init__(self, *args: Any, known: schemas.Schema | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known = known
        if known is not None:  # a schema's name is what it is
            del self.fields["name"]
            self.initial.update({name: getattr(known, name) or "" for name in ("kind", "pattern", "content_type", "message")})
            if known.kind == schemas.AVRO:
                self.initial["source"] = known.source.decode()
            self.initial["seen"] = as_seen({name: value or "" for name, value in known.told().items()})

    def check_schema(self, now: schemas.Schema | None) -> None:
        """Raises NotFound where it is gone meanwhile, and Conflict where it was changed."""
        if now is None:
            raise NotFound("The schema was deleted meanwhile.")
        self.check_seen(SchemaForm(known=now))

    def schema(self) -> schemas.Schema:
        """The schema. Raises Invalid."""
        given = self.cleaned_data
        return schemas.Schema(
            self.known.name if self.known is not None else given["name"],
            given["kind"],
            given["pattern"].strip(),
            self._source(),
            given["message"].strip() or None,
            given["content_type"].strip() or None,
        )

    def _source(self) -> bytes:
        """The file, else the text if it is another than was shown, else what there is. Lines end as in a file."""
        given = self.cleaned_data
        if given["file"] is not None:
            if given["file"].size > schemas.MOST_BYTES:
                raise Invalid.at("/file", f"A schema has {MOST} at most.")
            return bytes(given["file"].read())
        stays = self.known is not None and self.known.kind == given["kind"]
        if given["source"].strip() and given["kind"] == schemas.AVRO and not (stays and self.is_untouched("source")):
            return with_line_ends("\n", given["source"]).encode(errors="replace")
        if self.known is not None and stays:
            return self.known.source
        raise Invalid.at("/file", "Choose the file of the schema.")

    def field_at(self, pointer: str) -> str:
        name = super().field_at(pointer)
        return "file" if name == "source" and self.cleaned_data.get("file") is not None else name
