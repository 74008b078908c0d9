from django.apps import AppConfig


class FromBadToGoodConfig(AppConfig):
    name = "from_bad_to_good"
