"""Where the faces are mounted. A Django project of your own includes this, or the parts it wants."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = []
if find_spec("brokerweb.faces.rest.urls"):
    urlpatterns.append(path("api/v1/", include("brokerweb.faces.rest.urls")))
if find_spec("brokerweb.faces.metrics"):
    from brokerweb.faces.metrics import metrics

    urlpatterns.append(path("metrics", metrics))
if find_spec("console.urls"):
    urlpatterns.append(path("", include("console.urls")))
