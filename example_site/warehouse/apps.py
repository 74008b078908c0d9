from django.apps import AppConfig


class WarehouseConfig(AppConfig):
    name = "warehouse"

    def ready(self) -> None:
        from warehouse import receivers  # noqa: F401  # importing them connects them
