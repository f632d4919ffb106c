"""``/schema``, the OpenAPI document, and ``/docs``, a page to try it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import drf_spectacular
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.backends.django import DjangoTemplates
from django.urls import NoReverseMatch, reverse
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.views import SpectacularSwaggerSplitView, _get_sidecar_url
from rest_framework.renderers import TemplateHTMLRenderer
from rest_framework.request import Request

import brokerweb
from brokerweb import conf
from brokerweb.core.errors import Unauthenticated
from brokerweb.faces.http import templates
from brokerweb.faces.http.responses import answer
from brokerweb.faces.rest.base import ApiView
from brokerweb.faces.rest.openapi import document

_YAML = ("application/yaml", "application/vnd.oai.openapi", "text/yaml")


class SchemaView(ApiView):
    """The document; JSON unless ``Accept`` or ``?format=yaml`` asks otherwise."""

    def get(self, request: Request) -> HttpResponse:
        asked = request.META.get("HTTP_ACCEPT", "").split(",")[0].split(";")[0].strip()
        if asked in _YAML or self.query("format").get("format") == "yaml":
            return HttpResponse(OpenApiYamlRenderer().render(document()), content_type="application/yaml")
        return answer(document())


@cache
def _engine() -> DjangoTemplates:
    packages = (brokerweb, drf_spectacular)
    return templates.engine("brokerweb_docs", [Path(package.__path__[0]) / "templates" for package in packages], {})


class _Page(TemplateHTMLRenderer):
    """On an engine of the broker's own."""

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> Any:
        name, request = renderer_context["response"].template_name, renderer_context["request"]._request
        return templates.render(_engine(), name, data | {"environment": conf.get().environment}, request)


class DocsView(ApiView, SpectacularSwaggerSplitView):
    """Swagger UI from the packaged files; its script comes from ``?script``, since the policy allows no inline script."""

    renderer_classes = [_Page]
    url_name = "schema"
    template_name = "brokerweb/docs.html"

    def handle_exception(self, exc: Exception) -> Any:
        """A person who is not signed in is sent to do so, and comes back; a program is told."""
        place = _sign_in(self.request) if isinstance(exc, Unauthenticated) else None
        return super().handle_exception(exc) if place is None else redirect(place)

    @staticmethod
    def _swagger_ui_resource(filename: str) -> Any:
        return _get_sidecar_url(f"swagger-ui-dist/{filename}")

    @staticmethod
    def _swagger_ui_favicon() -> Any:
        return _get_sidecar_url("swagger-ui-dist/favicon-32x32.png")


def _sign_in(request: Request) -> str | None:
    """Where a browser signs in, to come back here; None for a program, and where there is no console."""
    headers = request._request.headers
    if request.method not in ("GET", "HEAD") or "text/html" not in headers.get("Accept", "") or "Authorization" in headers:
        return None
    try:
        return f"{reverse('brokerweb_console:signin')}?{urlencode({'next': request.get_full_path()})}"
    except NoReverseMatch:
        return None
