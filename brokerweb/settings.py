"""Django's settings of the broker as its own project. What an operator may change is in ``brokerweb.conf``."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

import django

from brokerweb import database_url, secret
from brokerweb.conf import read

BASE_DIR = Path(__file__).resolve().parent.parent
conf = read(os.environ)

SECRET_KEY = secret.of(conf)
DEBUG = False
ALLOWED_HOSTS = conf.hosts
BROKERWEB: dict[str, object] = {}

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "csp",
    *(["template_partials"] if django.VERSION < (6, 0) else []),  # part of Django since 6.0
    "brokerweb",
    "brokerweb.identity",
    "brokerweb.cluster",
    "brokerweb.routing",
    "brokerweb.handout",
    "brokerweb.jobs",
    "brokerweb.queues",
    "brokerweb.streams",
    "brokerweb.console",
]

# Every class here is async-capable: behind a synchronous one a long poll holds a thread while it waits.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "brokerweb.faces.http.static_files.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "brokerweb.urls"
ASGI_APPLICATION = "brokerweb.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES: dict[str, dict[str, Any]] = {
    "default": database_url.as_django(conf.database_url)
    if conf.database_url
    else {"ENGINE": "brokerweb.storage.django_sqlite", "NAME": conf.database, "CONN_MAX_AGE": None}
}
if not conf.database_url:
    # REST framework imports PostgreSQL's driver wherever it is installed: a fifth of a start, for nothing.
    sys.modules.setdefault("django.contrib.postgres.fields", None)  # type: ignore[arg-type]  # as the import system has it
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "/sign-in"
LOGIN_REDIRECT_URL = "/"

SESSION_COOKIE_NAME = "brokerweb_session"
SESSION_COOKIE_AGE = 8 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = conf.secure
CSRF_COOKIE_NAME = "brokerweb_csrf"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "brokerweb.console.page.stale"
CSRF_COOKIE_SECURE = conf.secure
CSRF_TRUSTED_ORIGINS = list(conf.public_url)
SECURE_HSTS_SECONDS = 30 * 24 * 3600 if conf.secure else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # HSTS for subdomains: other services of the operator live there
    "security.W008",  # a redirect to https is the proxy's, who ends TLS
    "security.W021",  # HSTS preload: the operator's to decide, for the whole domain
]

_SELF = ["'self'"]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": _SELF,
        "style-src": _SELF,
        "img-src": [*_SELF, "data:"],  # the interface of the API's documentation draws its icons from data URLs
        "connect-src": _SELF,
        "font-src": _SELF,
        "form-action": _SELF,
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
APPEND_SLASH = False

STATIC_URL = "/static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "brokerweb.faces.http.static_files.HashedNames"},
}
WHITENOISE_USE_FINDERS = True  # no collectstatic
WHITENOISE_ALLOW_ALL_ORIGINS = False  # no CORS headers
DATA_UPLOAD_MAX_MEMORY_SIZE = conf.max_request_bytes

REST_FRAMEWORK: dict[str, object] = {}


def _of_bad_text(record: logging.LogRecord) -> bool:
    return record.exc_info is not None and isinstance(record.exc_info[1], UnicodeDecodeError)


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "filters": {
        "scrub": {"()": "brokerweb.identity.scrub.Scrub"},  # no token reaches a log
        # Bytes that are no text are answered with 1007: a stranger must not fill the log with tracebacks of them.
        "not text": {"()": "django.utils.log.CallbackFilter", "callback": lambda record: not _of_bad_text(record)},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["scrub"]}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "propagate": True, "level": "INFO"},
        # 4xx are the client's affair and would fill the log; an exception is logged as an error.
        "django.request": {"level": "ERROR"},
        "django.security": {"level": "CRITICAL"},  # a foreign Host and the like are errors to it, and have a 400
        "daphne": {"level": "WARNING"},
        "uvicorn": {"level": "ERROR"},  # below that it tells every handshake and every malformed request
        "uvicorn.error": {"filters": ["not text"]},
        "twisted": {"level": "WARNING"},
    },
}
