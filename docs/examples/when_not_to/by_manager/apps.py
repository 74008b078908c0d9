from django.apps import AppConfig


class ByManagerConfig(AppConfig):
    name = "by_manager"
