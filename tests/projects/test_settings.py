"""Every setting that is legal in Django: the broker works with it, or a system check says that it does not, and why."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.server import ROOT, inherited, python_path
from tests.shop import SHOP, with_settings

PEOPLE = """
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models

class People(BaseUserManager):
    def create_superuser(self, email, password):
        person = self.model(email=email, is_superuser=True)
        person.set_password(password)
        person.save(using=self._db)
        return person

class Person(AbstractBaseUser, PermissionsMixin):
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)
    objects = People()
    USERNAME_FIELD = EMAIL_FIELD = "email"
"""
HELPERS = """
from django.http import HttpResponse
from django.urls import include, path

def elsewhere(request): return HttpResponse("elsewhere")

def middleware(get_response):
    return lambda request: get_response(request)

class Elsewhere:
    def db_for_read(self, model, **hints): return "other" if model._meta.app_label == "brokerweb_queues" else None
    db_for_write = db_for_read

class Own:
    def db_for_read(self, model, **hints): return "other" if model._meta.app_label == "shop" else None
    db_for_write = db_for_read
    def allow_migrate(self, db, app_label, **hints): return None if app_label != "shop" else db == "other"
"""
PREFIXED = 'urlpatterns = [path("broker/", include("brokerweb.urls"))]'
LOCALISED = 'from django.conf.urls.i18n import i18n_patterns\nurlpatterns = i18n_patterns(path("", include("brokerweb.urls")))'
API_ALONE = 'urlpatterns = [path("rest/", include("brokerweb.faces.rest.urls"))]'
BEHIND = 'urlpatterns = [path("", include("brokerweb.urls")), path("late", elsewhere)]'
HASHED_FAST = 'PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]'  # no project here is about hashing
REORDERED = 'MIDDLEWARE.remove("{0}")\nMIDDLEWARE.insert(0, "{0}")'
CACHE = 'CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}'
GERMAN = 'LANGUAGE_CODE = "de"\nUSE_I18N = True\nUSE_THOUSAND_SEPARATOR = True\nTIME_ZONE = "Asia/Kolkata"'
LOCALE = 'MIDDLEWARE.insert(3, "django.middleware.locale.LocaleMiddleware")'
OTHER = 'DATABASES["other"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "other.sqlite3"}'
DJANGO = '"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True'

WORKS = {
    "as the README has it": "",
    "ADMINS and DEBUG": "DEBUG = True",
    "APPEND_SLASH": "APPEND_SLASH = True",
    "ATOMIC_REQUESTS": 'DATABASES["default"]["ATOMIC_REQUESTS"] = True',
    "ATOMIC_REQUESTS of another database": f'{OTHER}\nDATABASES["other"]["ATOMIC_REQUESTS"] = True',
    "AUTHENTICATION_BACKENDS": 'AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.AllowAllUsersModelBackend"]',
    "AUTH_USER_MODEL": 'INSTALLED_APPS.append("people")\nAUTH_USER_MODEL = "people.Person"',
    "CONN_MAX_AGE": 'DATABASES["default"]["CONN_MAX_AGE"] = None\nDATABASES["default"]["CONN_HEALTH_CHECKS"] = True',
    "CSRF_COOKIE": 'CSRF_COOKIE_NAME = "c"\nCSRF_COOKIE_HTTPONLY = True\nCSRF_COOKIE_SAMESITE = "Strict"',
    "CSRF_USE_SESSIONS": 'CSRF_USE_SESSIONS = True\nCSRF_HEADER_NAME = "HTTP_X_OTHER"',
    "DATA_UPLOAD_MAX_MEMORY_SIZE": "DATA_UPLOAD_MAX_MEMORY_SIZE = 1000\nFILE_UPLOAD_MAX_MEMORY_SIZE = 1000",
    "DEFAULT_AUTO_FIELD": 'DEFAULT_AUTO_FIELD = "django.db.models.SmallAutoField"\nMIGRATION_MODULES = {"shop": None}',
    "DATABASE_ROUTERS of the project's own": f'{OTHER}\nDATABASE_ROUTERS = ["helpers.Own"]',
    "LANGUAGE_CODE": GERMAN,
    "FORMAT_MODULE_PATH": f'{GERMAN}\nFORMAT_MODULE_PATH = ["formats_of_ours"]',
    "LocaleMiddleware": f"{GERMAN}\n{LOCALE}",
    "USE_TZ": f"{GERMAN}\nUSE_TZ = False",
    "LOGIN_URL": 'LOGIN_URL = "/accounts/login/"\nLOGIN_REDIRECT_URL = "/accounts/"',
    "MIDDLEWARE that is synchronous": 'MIDDLEWARE.append("helpers.middleware")',
    "MIDDLEWARE of the site's cache": f'{CACHE}\nMIDDLEWARE = ["django.middleware.cache.UpdateCacheMiddleware", *MIDDLEWARE, '
    '"django.middleware.cache.FetchFromCacheMiddleware"]',
    "MIDDLEWARE that compresses": 'MIDDLEWARE.insert(0, "django.middleware.gzip.GZipMiddleware")\n'
    'MIDDLEWARE.insert(0, "django.middleware.http.ConditionalGetMiddleware")',
    "PREPEND_WWW": 'PREPEND_WWW = True\nALLOWED_HOSTS = ["www.localhost"]',
    "REST_FRAMEWORK": 'REST_FRAMEWORK = {"DEFAULT_RENDERER_CLASSES": [], "DEFAULT_PARSER_CLASSES": [], '
    '"DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"], '
    '"DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.NamespaceVersioning", '
    '"ALLOWED_VERSIONS": ["v9"], "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"]}',
    "SECURE_SSL_REDIRECT": "SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True",
    "SESSION_COOKIE": 'SESSION_COOKIE_NAME = "s"\nSESSION_COOKIE_SAMESITE = "Strict"\nSESSION_SAVE_EVERY_REQUEST = True',
    "SESSION_ENGINE cache": f'{CACHE}\nSESSION_ENGINE = "django.contrib.sessions.backends.cache"',
    "SESSION_ENGINE cached_db": f'{CACHE}\nSESSION_ENGINE = "django.contrib.sessions.backends.cached_db"',
    "SESSION_ENGINE file": 'SESSION_ENGINE = "django.contrib.sessions.backends.file"\nSESSION_FILE_PATH = str(BASE_DIR)',
    "SESSION_ENGINE signed_cookies": 'SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"',
    "MESSAGE_STORAGE": 'MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"',
    "STATIC_URL absolute": 'STATIC_URL = "https://static.example/files/"',
    "STATIC_URL relative": 'STATIC_URL = "assets/"',
    "STORAGES": 'STORAGES = {"default": {"BACKEND": "django.core.files.storage.FileSystemStorage"}, '
    '"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}}\n'
    'STATIC_ROOT = BASE_DIR / "static"\nWHITENOISE_USE_FINDERS = False',
    "TEMPLATES options": f'TEMPLATES = [{{{DJANGO}, "OPTIONS": {{"string_if_invalid": "INVALID", "autoescape": False}}}}]',
    "TEMPLATES none": "TEMPLATES = []",
    "USE_X_FORWARDED_HOST": "USE_X_FORWARDED_HOST = USE_X_FORWARDED_PORT = True",
    "X_FRAME_OPTIONS": 'X_FRAME_OPTIONS = "SAMEORIGIN"\nSECURE_REFERRER_POLICY = "no-referrer"',
}
# Settings of different things are tried in one project; where it goes wrong, each is tried alone.
TOGETHER = [
    ("APPEND_SLASH", "CONN_MAX_AGE", "CSRF_COOKIE", "LOGIN_URL", "MESSAGE_STORAGE", "X_FRAME_OPTIONS"),
    ("AUTHENTICATION_BACKENDS", "DATA_UPLOAD_MAX_MEMORY_SIZE", "SESSION_COOKIE", "STATIC_URL absolute", "TEMPLATES options"),
    ("REST_FRAMEWORK", "SESSION_ENGINE file", "STATIC_URL relative", "TEMPLATES none", "USE_X_FORWARDED_HOST"),
    ("ATOMIC_REQUESTS of another database", "MIDDLEWARE that is synchronous", "SESSION_ENGINE signed_cookies"),
    ("ATOMIC_REQUESTS", "MIDDLEWARE that compresses", "SESSION_ENGINE cached_db"),
    ("ADMINS and DEBUG", "CSRF_USE_SESSIONS"),
    ("AUTH_USER_MODEL", "SESSION_ENGINE cache"),
    ("DATABASE_ROUTERS of the project's own", "STORAGES"),
    ("DEFAULT_AUTO_FIELD", "PREPEND_WWW"),
    ("FORMAT_MODULE_PATH", "LocaleMiddleware"),
    ("SECURE_SSL_REDIRECT", "USE_TZ"),
]
REFUSED = {
    "a prefix": ('ROOT_URLCONF = "places"', PREFIXED, "E005"),
    "a prefix of the language": (f'{GERMAN}\n{LOCALE}\nROOT_URLCONF = "places"', LOCALISED, "E005"),
    "a prefix of the API": ('ROOT_URLCONF = "places"', API_ALONE, "E005"),
    "FORCE_SCRIPT_NAME": ('FORCE_SCRIPT_NAME = "/broker"', "", "E005"),
    "urls behind": ('ROOT_URLCONF = "places"', BEHIND, "W004"),
    "no sessions": ('MIDDLEWARE.remove("django.contrib.sessions.middleware.SessionMiddleware")', "", "E006"),
    "no messages": ('MIDDLEWARE.remove("django.contrib.messages.middleware.MessageMiddleware")', "", "E006"),
    "no htmx": ('MIDDLEWARE.remove("django_htmx.middleware.HtmxMiddleware")', "", "E006"),
    "an app forgotten": ('INSTALLED_APPS.remove("brokerweb.identity")', "", "E011"),
    "no CSRF": ('MIDDLEWARE.remove("django.middleware.csrf.CsrfViewMiddleware")', "", "E006"),
    "users before sessions": (REORDERED.format("django.contrib.auth.middleware.AuthenticationMiddleware"), "", "E006"),
    "SESSION_COOKIE_PATH": ('SESSION_COOKIE_PATH = "/shop"', "", "E006"),
    "CSRF_COOKIE_PATH": ('CSRF_COOKIE_PATH = "/shop"', "", "E006"),
    "DATABASE_ROUTERS": (f'{OTHER}\nDATABASE_ROUTERS = ["helpers.Elsewhere"]', "", "E007"),
    "AUTOCOMMIT": ('DATABASES["default"]["AUTOCOMMIT"] = False', "", "E007"),
    "a database in memory": ('DATABASES["default"]["NAME"] = ":memory:"', "", "W003"),
    "no default database": (f'{OTHER}\nDATABASES["default"] = {{}}', "", "E004"),
}


def environment(directory: Path, settings: str, places: str = "") -> dict[str, str]:
    (directory / "data").mkdir()
    (directory / "people").mkdir()
    (directory / "people" / "__init__.py").touch()
    (directory / "people" / "models.py").write_text(PEOPLE)
    (directory / "formats_of_ours").mkdir()
    (directory / "formats_of_ours" / "__init__.py").touch()
    modules = {"helpers": HELPERS, "places": f"from helpers import elsewhere\nfrom django.urls import include, path\n{places}"}
    chosen = with_settings(directory, settings, **modules) | {"SHOP_DATA": str(directory / "data")}
    return inherited() | chosen | {"PYTHONPATH": python_path(ROOT, SHOP, directory)}


def run(directory: Path, given: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=directory, env=given, capture_output=True, text=True, timeout=200)


@pytest.mark.parametrize("names", [*TOGETHER, *((name,) for name in WORKS if name not in set().union(*TOGETHER))], ids=" + ".join)
def test_it_works(names: tuple[str, ...], tmp_path: Path):
    wrong = wrongs(names, tmp_path / "project")
    if wrong and len(names) > 1:
        alone = {name: found for name in names if (found := wrongs((name,), tmp_path / name.replace(" ", "-")))}
        pytest.fail("\n".join(f"{name}: {found}" for name, found in alone.items()) or f"only together: {wrong}")
    assert wrong == ""


def wrongs(names: tuple[str, ...], directory: Path) -> str:
    """What goes wrong in a project that has all of these settings."""
    directory.mkdir()
    settings = "\n".join(WORKS[name] for name in names)
    given = environment(directory, f"{settings}\n{HASHED_FAST}")
    given |= {"PROBE_BASE": "https://localhost"} if "SECURE_SSL_REDIRECT" in names else {}
    given |= {"PROBE_BASE": "http://www.localhost"} if "PREPEND_WWW" in names else {}
    given |= {"PROBE_MANY": "1100"} if GERMAN in settings else {}  # ids with a thousand separator
    if "STORAGES" in names:
        collected = run(directory, given, str(SHOP / "manage.py"), "collectstatic", "--no-input", "--verbosity", "0")
        if collected.returncode:
            return collected.stderr
    done = run(directory, given, "-m", "tests.projects.probe", *(["people"] if "people" in settings else []))
    if done.returncode:
        return done.stderr[-4000:]
    said: dict[str, Any] = json.loads(done.stdout.rpartition("\n")[2])
    found = [check for check in said["checks"] if check.startswith("brokerweb.")] + said["failed"] + said["odd"]
    return "\n".join([*found, done.stderr[-4000:]]) if found else ""


@pytest.mark.parametrize("name", REFUSED)
def test_a_check_says_that_it_does_not(name: str, tmp_path: Path):
    settings, places, check = REFUSED[name]
    done = run(tmp_path, environment(tmp_path, settings, places), str(SHOP / "manage.py"), "check")
    assert f"(brokerweb.{check})" in done.stderr, done.stderr
    assert (done.returncode != 0) is check.startswith("E")
