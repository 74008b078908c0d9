from django.apps import AppConfig


class BySaveConfig(AppConfig):
    name = "by_save"
