SECRET_KEY = "x"
INSTALLED_APPS = ["queues"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
USE_TZ = True
