from django.apps import AppConfig


class BySaveConfig(AppConfig):
    name = "when_not_to.by_save"
