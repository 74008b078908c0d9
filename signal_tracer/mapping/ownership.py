"""Says whose code something is: which app's, and the project's or a package's."""

from __future__ import annotations

import sys
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings

from signal_tracer.describing.names import class_name, module_namespace
from signal_tracer.describing.ownership import owner_of_file, project_packages
from signal_tracer.records import PROJECT
from signal_tracer.signal_map import MappedApp

_config_dict: Any = AppConfig.__dict__["__dict__"].__get__


class Ownership:
    """What is installed now; made once for each reading of the map."""

    def __init__(self) -> None:
        self.apps: list[MappedApp] = []
        self._known: dict[tuple[object, object], tuple[str | None, bool]] = {}
        settings.INSTALLED_APPS  # noqa: B018  # whoever cannot read the settings is told so
        self._project_packages = project_packages()
        # Not documented, and the same in Django 5.2, 6.0 and 6.1.
        for label, config in list(apps.app_configs.items()):
            about = _config_dict(config)
            name = about.get("name")
            if type(name) is not str:
                continue
            config_module = _module_of_config(config)
            config_file = file_of_module(config_module)
            self.apps.append(
                MappedApp(
                    label,
                    name,
                    folder=about["path"] if type(about.get("path")) is str else None,
                    config_file=config_file if config_module != "django.apps.config" else None,
                    config_class=class_name(type(config)).rpartition(".")[2],
                    is_project=self._is_project(name, file_of_module(name)),
                )
            )
        self._by_name = {each.name: each.label for each in self.apps}

    def of(self, module: str | None, file: str | None = None) -> tuple[str | None, bool]:
        """The label of the app (or the top-level package), and whether it is the project's own."""
        key = (module, file)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = (
                self._label(module),
                self._is_project(module or "", file or file_of_module(module)),
            )
        return found

    def _label(self, module: str | None) -> str | None:
        name = module or ""
        while name:
            if name in self._by_name:
                return self._by_name[name]
            name = name.rpartition(".")[0]
        return module.partition(".")[0] if module else None

    def _is_project(self, module: str, file: str | None) -> bool:
        if module.partition(".")[0] in self._project_packages:
            return True
        return (
            file is not None
            and file.endswith((".py", ".pyc"))
            and owner_of_file(file, self._project_packages) is PROJECT
        )


def _module_of_config(config: object) -> str | None:
    return type(config).__module__ if type(type(config).__module__) is str else None


def file_of_module(module: str | None) -> str | None:
    """The file that a loaded module came from."""
    file = module_namespace(sys.modules.get(module or "")).get("__file__")
    return file if type(file) is str else None


def settings_file() -> str | None:
    """The file of the settings, which stands for the project where no other one does."""
    return file_of_module(
        getattr(settings, "SETTINGS_MODULE", None) if settings.configured else None
    )
