"""The check-list of what is used and not promised holds on this Django, and nothing is missing."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models.signals import post_save
from django.urls import get_resolver
from private_names import CACHES, DATABASES, DETAILS, MODELS, SIGNALS, Detail

PACKAGE = Path(__file__).parent.parent / "signal_tracer"
SOURCES = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}
LISTED = {name for detail in DETAILS for name in (*detail.names, detail.of.rpartition(".")[2])}

# What the documentation of Django, of asgiref and of the toolbar tells of, by where it is imported.
PROMISED_IMPORTS = {
    "asgiref": {"asgiref"},
    "asgiref.sync": {"async_to_sync", "iscoroutinefunction", "markcoroutinefunction"},
    "debug_toolbar.decorators": {"render_with_toolbar_language", "require_show_toolbar"},
    "debug_toolbar.panels": {"Panel"},
    "django": {"django"},
    "django.apps": {"AppConfig", "apps"},
    "django.conf": {"settings"},
    "django.core": {"checks"},
    "django.core.cache": {"BaseCache", "caches"},
    "django.core.checks": {"CheckMessage", "Error"},
    "django.core.exceptions": {
        *("AppRegistryNotReady", "ImproperlyConfigured", "MiddlewareNotUsed", "ValidationError"),
    },
    "django.core.management": {"call_command"},
    "django.core.management.base": {"BaseCommand", "CommandError", "OutputWrapper"},
    "django.db": {"DEFAULT_DB_ALIAS", "connection", "connections", "transaction"},
    "django.db.models": {"Manager", "Model", "NOT_PROVIDED", "QuerySet", "signals"},
    "django.db.models.signals": {"m2m_changed", "post_delete", "pre_delete", "pre_save"},
    "django.dispatch": {"Signal", "receiver"},
    "django.http": {"HttpRequest", "HttpResponse", "JsonResponse"},
    "django.template.loader": {"render_to_string"},
    "django.templatetags.static": {"static"},
    "django.urls": {"get_resolver", "path", "reverse"},
    "django.utils.functional": {"cached_property"},
    "django.utils.html": {"escape", "format_html"},
    "django.utils.module_loading": {"import_string"},
    "django.utils.safestring": {"SafeString", "mark_safe"},
    "django.utils.translation": {
        *("get_language_bidi", "gettext_lazy", "npgettext", "pgettext", "pgettext_lazy"),
    },
    "django.views.debug": {"SafeExceptionReporterFilter"},
    "django.views.decorators.http": {"require_safe"},
}
PROMISED_NAMES = {
    # Of signals.
    *("send", "asend", "send_robust", "asend_robust", "connect", "disconnect"),
    # Of models, querysets, connections, requests and apps.
    *("bulk_create", "bulk_update", "pre_save", "pk", "using", "savepoint", "rollback", "close"),
    *(
        "create",
        "delete",
        "on_commit",
        "abstract",
        "get_model",
        "get_models",
        "is_installed",
        "attname",
        "callproc",
    ),
    *("_meta", "model", "method", "__dict__", "hidden_settings", "login_not_required"),
    *("URLPattern", "HttpResponseBase", "ENVIRONMENT_VARIABLE", "get_format"),
    *("abulk_create", "abulk_update", "aupdate", "adelete", "filter", "exclude", "order_by"),
    *("select_related", "prefetch_related", "select_for_update", "defer", "distinct", "annotate"),
    *("complex_filter", "extra", "none", "acreate", "get_or_create", "aget_or_create"),
    *("update_or_create", "aupdate_or_create", "iterator", "aiterator", "last", "latest"),
    *("earliest", "aget", "afirst", "alast", "alatest", "aearliest", "aggregate", "values_list"),
    *("dates", "in_bulk", "_default_manager", "_base_manager", "commit"),
    # Of others that are called alike: argparse, logging, JSON, modules, what signals send.
    *("choices", "default", "logger", "null", "models", "raw", "app_config"),
    # Of fields and of the options of a model; and of others that are called alike.
    *("on_delete", "related_model", "many_to_many", "app_label", "model_name", "db_table", "proxy"),
    "is_relation",
    "get_field",
    "cursor",
}


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Each of our modules, parsed anew: kept, they are half of all objects, and every test that
    collects garbage or looks at all objects goes through them."""
    for module, path in SOURCES.items():
        yield module, ast.parse(path.read_text())


def title(detail: Detail) -> str:
    return f"{detail.name} of {detail.of}"


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize("detail", DETAILS, ids=title)
def test_what_is_not_promised_is_as_our_code_was_written_for(detail: Detail) -> None:
    found = detail.look()

    assert found == detail.expected, (
        f"{title(detail)} is not what it was: with Django {django.__version__} it is {found}. "
        f"Look at {detail.read}."
    )


def modules_of(detail: Detail) -> list[str]:
    return re.findall(r"[a-z_/]+\.py", detail.read)


def where_said(module: str, names: list[str]) -> list[int]:
    """The lines of a module of ours, from 0, that have one of the names as a word."""
    word = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, names))})(?!\w)")
    lines = SOURCES[module].read_text().splitlines()
    return [number for number, line in enumerate(lines) if word.search(line)]


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def asked_for(*rooms: str) -> dict[str, set[str]]:
    """What our modules ask others for, as an attribute or by a string: the names, and who does."""
    found: dict[str, set[str]] = defaultdict(set)
    for module, tree in trees():
        if module.startswith(rooms or ""):
            texts = [each for each in ast.walk(tree) if isinstance(each, ast.JoinedStr)]
            parts = {id(each) for text in texts for each in text.values}
            for node in ast.walk(tree):
                if isinstance(node, ast.Attribute):
                    found[node.attr].add(module)
                elif is_text(node) and id(node) not in parts:
                    found[node.value].add(module)  # type: ignore[attr-defined]  # a text has one
    return found


def our_own() -> set[str]:
    """What our own modules and classes call something."""
    found = set()
    for _, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef):
                for each in node.body:
                    found |= defined_by(each)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found |= {node.attr} if ast.unparse(node.value) == "self" else set()
    return found


def defined_by(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if not isinstance(statement, ast.Assign | ast.AnnAssign):
        return set()
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    found = {each.id for each in targets if isinstance(each, ast.Name)}
    if found == {"__slots__"} and statement.value is not None:
        found |= set(ast.literal_eval(statement.value))
    return found


def test_each_private_name_that_is_used_is_in_the_list() -> None:
    private = re.compile(r"_[A-Za-z]\w*")
    # Of named tuples, which promise it; of OpenTelemetry's conventions; and our own, made up where
    # they are used.
    known = LISTED | our_own() | {"_fields", "_replace"} | {"_OTHER"} | {"_f", "_signal_tracer_"}

    missing = {
        name: modules
        for name, modules in asked_for().items()
        if private.fullmatch(name) and name not in known
    }

    assert not missing, f"add these to private_names.py, with the shape that they have: {missing}"


def test_each_import_of_what_is_not_promised_is_in_the_list() -> None:
    missing = set()
    for module, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                imported = [(each.name, each.name) for each in node.names]
            elif isinstance(node, ast.ImportFrom):
                imported = [(node.module or "", each.name) for each in node.names]
            else:
                continue
            missing |= {
                (module, where, name)
                for where, name in imported
                if where.partition(".")[0] in ("asgiref", "debug_toolbar", "django")
                and name not in PROMISED_IMPORTS.get(where, ())
                and name not in LISTED
            }

    assert not missing, f"add these to private_names.py, or to PROMISED_IMPORTS: {missing}"


def test_each_undocumented_attribute_of_djangos_objects_that_is_used_is_in_the_list() -> None:
    field = User._meta.get_field("groups")
    djangos = {
        name
        for each in (
            *(post_save, connections["default"], connections["default"].features),
            *(connections, CursorWrapper(None, connections["default"]), transaction.atomic()),
            *(User.objects.all(), User._meta, field, field.remote_field, apps),
            *(apps.get_app_config("auth"), get_resolver()),
        )
        for name in (*vars(each), *dir(type(each)))
    }
    pythons = {
        name
        for kind in (
            str,
            list,
            dict,
            tuple,
            set,
            type(title),
            type(ast),
            type(re.compile("")),
            Path,
        )
        for name in dir(kind)
    }
    known = LISTED | our_own() | PROMISED_NAMES | pythons

    missing = {
        name: modules
        for name, modules in asked_for("collecting", "describing", "mapping").items()
        if name in djangos and name not in known and not name.startswith("_")
    }

    assert not missing, f"add these to private_names.py, or to PROMISED_NAMES: {missing}"


@pytest.mark.parametrize("detail", DETAILS, ids=title)
def test_the_list_says_where_it_is_used(detail: Detail) -> None:
    assert modules_of(detail)
    assert [each for each in modules_of(detail) if not where_said(each, detail.names)] == []


def test_the_list_says_everywhere_where_a_private_name_is_used() -> None:
    listed = {
        (name, each) for detail in DETAILS for name in detail.names for each in modules_of(detail)
    }
    private = {name for name, _ in listed if name.startswith("_") and name not in PROMISED_NAMES}

    assert {
        (name, module) for name in private for module in SOURCES if where_said(module, [name])
    } <= listed


@pytest.mark.parametrize("detail", [*SIGNALS, *DATABASES, *CACHES, *MODELS], ids=title)
def test_where_something_of_djangos_is_used_it_says_for_which_versions(detail: Detail) -> None:
    names = [name for name in detail.names if name not in PROMISED_NAMES]
    for module in modules_of(detail) if names else []:
        lines = SOURCES[module].read_text().splitlines()
        near = {
            line
            for number in where_said(module, names)
            for line in lines[max(number - 12, 0) : number + 12]
        }
        assert any(re.search(r"\b5\.2\b", line) for line in near), (
            f"say in {module}, beside {' or '.join(names)}, which versions of Django have it"
        )
