from django.apps import AppConfig


class SyncAndAsyncConfig(AppConfig):
    name = "sync_and_async"

    def ready(self) -> None:
        from sync_and_async import receivers  # noqa: F401
