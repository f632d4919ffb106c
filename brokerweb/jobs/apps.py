from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "brokerweb.jobs"
    label = "brokerweb_jobs"
    default_auto_field = "django.db.models.BigAutoField"
