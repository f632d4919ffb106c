from django.apps import AppConfig


class BrokerwebConfig(AppConfig):
    name = "brokerweb"

    def ready(self) -> None:
        from brokerweb import checks, project_checks  # noqa: F401 (registers them)
        from brokerweb.answers import finding
        from brokerweb.handlers import checks as handler_checks  # noqa: F401 (registers them)
        from brokerweb.tasks import declared
        from brokerweb.wakeups import process

        finding.install()
        declared.install()
        process.install()
