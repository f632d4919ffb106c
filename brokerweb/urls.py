"""Where the faces are mounted. A Django project of your own includes this, or the parts it wants."""

from __future__ import annotations

from django.apps import apps
from django.urls import URLPattern, URLResolver, include, path, re_path

from brokerweb.faces.http.ownership import own
from brokerweb.faces.metrics.exposition import metrics
from brokerweb.faces.rest.base import Unknown

# Problem details below /api/, Django's pages elsewhere.
handler400 = "brokerweb.faces.rest.handlers.bad_request"
handler403 = "brokerweb.faces.rest.handlers.forbidden"
handler404 = "brokerweb.faces.rest.handlers.not_found"
handler500 = "brokerweb.faces.rest.handlers.failed"

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include("brokerweb.faces.rest.urls")),
    *own([re_path("^api(?:/|$)", Unknown.as_view()), path("metrics", metrics)]),
]
if apps.is_installed("brokerweb.console"):
    from brokerweb.console.page import missing

    handler500 = "brokerweb.console.page.failed"
    urlpatterns += [path("", include("brokerweb.console.urls")), *own([re_path("", missing)])]
