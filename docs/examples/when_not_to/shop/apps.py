from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "when_not_to.shop"
