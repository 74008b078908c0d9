"""Says whose code something is: which app's, and the project's or a package's."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import Any

import django
from django.apps import AppConfig, apps
from django.conf import settings

from signal_tracer.describing.names import class_name, module_namespace
from signal_tracer.signal_map import MappedApp

_config_dict: Any = AppConfig.__dict__["__dict__"].__get__

# A project may live in a folder of that name, so that the whole name of a folder must match.
_PACKAGE_FOLDERS = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_NOT_THE_PROJECTS = tuple(
    f"{folder}{os.sep}"
    for folder in (
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib")),
        Path(os.__file__).parent,  # It may be a zip file, of which sysconfig does not know.
        Path(django.__file__).parent,
        Path(__file__).parents[1],
    )
)


class Ownership:
    """What is installed now; made once for each reading of the map."""

    def __init__(self) -> None:
        self.apps: list[MappedApp] = []
        self._known: dict[tuple[object, object], tuple[str | None, bool]] = {}
        # A project may be installed like a package: what holds its settings is the project.
        self._project_packages = {
            name.partition(".")[0]
            for name in map(_setting, ("SETTINGS_MODULE", "ROOT_URLCONF"))
            if type(name) is str
        } - {"django"}
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
            and not file.startswith(_NOT_THE_PROJECTS)
            and not any(folder in file for folder in _PACKAGE_FOLDERS)
        )


def _setting(name: str) -> object:
    return getattr(settings, name, None)


def _module_of_config(config: object) -> str | None:
    return type(config).__module__ if type(type(config).__module__) is str else None


def file_of_module(module: str | None) -> str | None:
    """The file that a loaded module came from."""
    file = module_namespace(sys.modules.get(module or "")).get("__file__")
    return file if type(file) is str else None
