from django.apps import AppConfig


class ByManagerConfig(AppConfig):
    name = "when_not_to.by_manager"
