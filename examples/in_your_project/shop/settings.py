"""A Django project that has been there before the broker came. What came with it is marked."""

import os
from pathlib import Path

BASE_DIR = Path(os.environ.get("SHOP_DATA", Path(__file__).resolve().parent.parent))
SECRET_KEY = os.environ.get("SHOP_SECRET_KEY", "of the example only")
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "shop",
    # queues, streams, and what they stand on
    "brokerweb",
    "brokerweb.identity",
    "brokerweb.cluster",
    "brokerweb.queues",
    "brokerweb.streams",
    "brokerweb.routing",
    "brokerweb.handout",
    "brokerweb.jobs",
    # the faces: REST and its document; the console could be left out
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "brokerweb.faces.http.static_files.StaticFiles",  # the page to try the API on; needs no collectstatic
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

DATABASES = {
    "default": {
        "ENGINE": "brokerweb.storage.django_sqlite",  # Django's own backend on a SQLite without the WAL-reset race
        "NAME": BASE_DIR / "shop.sqlite3",
    }
}
BROKERWEB: dict[str, object] = {}  # the broker's options, such as "bind"; docs/settings.md has them all

ROOT_URLCONF = "shop.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
