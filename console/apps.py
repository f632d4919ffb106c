from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "brokerweb.console"
    label = "brokerweb_console"
