from django.apps import AppConfig


class ByTriggerConfig(AppConfig):
    name = "when_not_to.by_trigger"
