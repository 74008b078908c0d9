from django.apps import AppConfig


class ByTriggerConfig(AppConfig):
    name = "by_trigger"
