"""``/schema``, the OpenAPI document, and ``/docs``, a page to try it."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.views import SpectacularSwaggerSplitView, _get_sidecar_url
from rest_framework.request import Request

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


class DocsView(ApiView, SpectacularSwaggerSplitView):
    """Swagger UI from the packaged files; its script comes from ``?script``, since the policy allows no inline script."""

    url_name = "schema"
    template_name = "brokerweb/docs.html"

    @staticmethod
    def _swagger_ui_resource(filename: str) -> Any:
        return _get_sidecar_url(f"swagger-ui-dist/{filename}")

    @staticmethod
    def _swagger_ui_favicon() -> Any:
        return _get_sidecar_url("swagger-ui-dist/favicon-32x32.png")
