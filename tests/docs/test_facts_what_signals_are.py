"""What the page "What signals are" says of Django's own signals, sent by Django itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from io import StringIO
from pathlib import Path
from threading import get_ident
from types import SimpleNamespace
from typing import Any

import django
import pytest
from asgiref.sync import async_to_sync
from django.apps import AppConfig, apps
from django.apps.registry import Apps
from django.contrib.auth import authenticate
from django.contrib.auth.models import Group, Permission, User
from django.core import signals as core_signals
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.db import connection, models, transaction
from django.db.models import signals
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.test.client import AsyncClientHandler
from django.test.signals import setting_changed
from django.urls import path
from django.utils.autoreload import BaseReloader

PAGE = Path(__file__).resolve().parents[2] / "docs/guide/what-signals-are.md"
SINCE = re.compile(r"since (\d)\.(\d)")
HAS_TASKS = django.VERSION >= (6, 0)


class Row(SimpleNamespace):
    module: str
    name: str
    arguments: set[str]
    sender: str
    when: str


def rows_of_the_page() -> Iterator[Row]:
    """The signals of the table that this version of Django has."""
    module = ""
    here = True
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")]
        if cells[0].startswith("**") and (named := re.fullmatch(r"`(django[\w.]+)`", cells[2])):
            module, since = named[1], SINCE.search(cells[0])
            here = since is None or django.VERSION[:2] >= tuple(map(int, since.groups()))
        elif module and here and (name := re.match(r"(?:\{django\})?`(\w+)", cells[0])):
            _, sender, when, arguments = cells
            always, _, later = arguments.partition("; since 6.1")
            found = set(re.findall(r"`(\w+)`", always))
            if django.VERSION >= (6, 1):
                found |= set(re.findall(r"`(\w+)`", later))
            yield Row(module=module, name=name[1], sender=sender, when=when, arguments=found)
        elif module and not line.startswith("|"):
            return


ROWS = {row.name: row for row in rows_of_the_page()}


@contextmanager
def heard(name: str, answer: object = None) -> Iterator[list[tuple[object, dict[str, Any]]]]:
    """Sender and arguments of each time that a signal of the table is sent."""
    signal = getattr(import_module(ROWS[name].module), name)
    assert isinstance(signal, Signal)
    found: list[tuple[object, dict[str, Any]]] = []

    def note(sender: object, signal: Signal, **named: Any) -> object:
        found.append((sender, named))
        return answer

    signal.connect(note)
    try:
        yield found
    finally:
        assert signal.disconnect(note)


def assert_is_as_the_page_says(name: str, found: list[tuple[object, dict[str, Any]]]) -> None:
    assert found
    for _, named in found:
        assert set(named) == ROWS[name].arguments


def test_the_table_has_all_signals_that_django_defines_and_no_others() -> None:
    root = Path(django.__file__).parent
    defined = set()
    for file in root.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if "Signal(" in text and "/gis/" not in file.as_posix():
            module = ".".join(("django", *file.relative_to(root).with_suffix("").parts))
            for node in ast.walk(ast.parse(text)):
                match node:
                    case ast.Assign(
                        targets=[ast.Name(name)],
                        value=ast.Call(func=ast.Name("Signal" | "ModelSignal")),
                    ):
                        defined.add((module, name))
    # It is defined in core, for code that is not to import from django.test.
    assert setting_changed is core_signals.setting_changed
    defined.remove(("django.core.signals", "setting_changed"))
    defined.add(("django.test.signals", "setting_changed"))

    assert {(row.module, row.name) for row in ROWS.values()} == defined


def test_class_prepared_is_sent_by_a_model_class_that_has_been_defined() -> None:
    with heard("class_prepared") as found:

        class Thing(models.Model):
            class Meta:
                app_label = "facts"
                apps = Apps()

    assert found == [(Thing, {})]
    assert_is_as_the_page_says("class_prepared", found)


def test_init_signals_are_sent_for_each_instance() -> None:
    with heard("pre_init") as before, heard("post_init") as after:
        group = Group(name="a")

    # Django empties the dictionary that it has sent.
    assert before == [(Group, {"args": (), "kwargs": {}})]
    assert after == [(Group, {"instance": group})]


@pytest.mark.django_db
def test_init_signals_are_sent_for_each_row_that_a_queryset_loads() -> None:
    Group.objects.bulk_create([Group(name="a"), Group(name="b")])

    with heard("pre_init") as before, heard("post_init") as after:
        list(Group.objects.all())

    assert [sender for sender, _ in before] == [sender for sender, _ in after] == [Group, Group]
    assert_is_as_the_page_says("pre_init", before)
    assert_is_as_the_page_says("post_init", after)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["pre_save", "post_save"])
def test_save_signals_are_sent_by_save(name: str) -> None:
    with heard(name) as found:
        Group.objects.create(name="a")

    assert [sender for sender, _ in found] == [Group]
    assert_is_as_the_page_says(name, found)


@pytest.mark.django_db
def test_a_save_has_one_query_between_its_two_signals() -> None:
    seen: list[bool] = []

    def is_there(**named: Any) -> None:
        seen.append(Group.objects.filter(name="a").exists())

    signals.pre_save.connect(is_there, sender=Group)
    signals.post_save.connect(is_there, sender=Group)
    try:
        Group.objects.create(name="a")
    finally:
        signals.pre_save.disconnect(is_there, sender=Group)
        signals.post_save.disconnect(is_there, sender=Group)

    assert seen == [False, True]


@pytest.mark.django_db(transaction=True)
def test_post_save_is_sent_before_the_commit_of_a_transaction_around_it() -> None:
    order: list[str] = []

    def note(**named: Any) -> None:
        order.append("post_save")
        assert connection.in_atomic_block

    signals.post_save.connect(note, sender=Group)
    try:
        with transaction.atomic():
            transaction.on_commit(lambda: order.append("commit"))
            Group.objects.create(name="a")
    finally:
        signals.post_save.disconnect(note, sender=Group)

    assert order == ["post_save", "commit"]


@pytest.mark.django_db
def test_a_proxy_sends_itself() -> None:
    class Team(Group):
        class Meta:
            app_label = "facts"
            apps = Apps()
            proxy = True

    with heard("post_save") as found:
        Team.objects.create(name="a")

    assert [sender for sender, _ in found] == [Team]


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["pre_delete", "post_delete"])
def test_delete_signals_are_sent_for_each_row_of_a_queryset(name: str) -> None:
    Group.objects.bulk_create([Group(name="a"), Group(name="b")])

    with heard(name) as found:
        Group.objects.all().delete()

    assert [sender for sender, _ in found] == [Group, Group]
    assert_is_as_the_page_says(name, found)


@pytest.mark.django_db
def test_delete_signals_are_sent_for_what_is_deleted_with_another_row() -> None:
    permission = Permission.objects.order_by("pk")[0]

    with heard("post_delete") as found:
        permission.content_type.delete()

    assert Permission in {sender for sender, _ in found}


@pytest.mark.django_db
def test_bulk_operations_and_update_send_no_save_signal() -> None:
    with heard("pre_save") as before, heard("post_save") as after:
        [group] = Group.objects.bulk_create([Group(name="a")])
        group.name = "b"
        Group.objects.bulk_update([group], ["name"])
        Group.objects.update(name="c")

    assert before == after == []


@pytest.mark.django_db
def test_m2m_changed_is_sent_by_the_through_model() -> None:
    user, group = User.objects.create(username="a"), Group.objects.create(name="a")
    other = Group.objects.create(name="b")

    with heard("m2m_changed") as found:
        user.groups.add(group)
        user.groups.remove(group)
        user.groups.set([other])
        user.groups.clear()

    assert {sender for sender, _ in found} == {User.groups.through}
    assert [named["action"] for _, named in found] == [
        *("pre_add", "post_add", "pre_remove", "post_remove"),
        *("pre_add", "post_add", "pre_clear", "post_clear"),
    ]
    assert_is_as_the_page_says("m2m_changed", found)


@pytest.mark.django_db
def test_an_automatic_through_model_sends_no_save_or_delete_signal() -> None:
    user, group = User.objects.create(username="a"), Group.objects.create(name="a")
    through = User.groups.through
    names = ("pre_save", "post_save", "pre_delete", "post_delete")
    with (
        heard("pre_save") as before,
        heard("post_save") as after,
        heard("pre_delete") as before_deletion,
        heard("post_delete") as after_deletion,
        heard("post_init") as made,
    ):
        user.groups.add(group)
        through(user=user, group=Group.objects.create(name="b")).save()
        through.objects.get(group=group).delete()
        user.delete()

    assert through in {sender for sender, _ in made}
    for name, found in zip(names, (before, after, before_deletion, after_deletion), strict=True):
        assert through not in {sender for sender, _ in found}, name


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["pre_migrate", "post_migrate"])
def test_migrate_signals_are_sent_once_for_each_app_with_models(name: str) -> None:
    with heard(name) as found:
        call_command("migrate", verbosity=0, stdout=StringIO())

    senders = [sender for sender, _ in found]
    assert senders == [app for app in apps.get_app_configs() if app.models_module]
    assert all(isinstance(sender, AppConfig) for sender in senders)
    assert_is_as_the_page_says(name, found)


@pytest.mark.django_db(transaction=True)
def test_flush_sends_post_migrate_without_what_only_migrate_knows() -> None:
    with heard("post_migrate") as found:
        call_command("flush", verbosity=0, interactive=False)

    assert {frozenset(named) for _, named in found} == {
        frozenset(ROWS["post_migrate"].arguments - {"stdout", "apps", "plan"})
    }


def test_a_request_under_wsgi_is_started_and_finished() -> None:
    environ = RequestFactory().get("/nowhere/").environ
    with (
        override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[]),
        without_closing_connections(),
        heard("request_started") as started,
        heard("request_finished") as finished,
    ):
        response = WSGIHandler()(environ, lambda *args: None)
        assert (len(started), finished) == (1, [])
        response.close()

    assert started == [(WSGIHandler, {"environ": environ})]
    assert finished == [(WSGIHandler, {})]
    assert ROWS["request_started"].arguments == {"environ", "scope"}
    assert ROWS["request_finished"].arguments == set()


def test_a_request_under_asgi_is_started_with_its_scope() -> None:
    with (
        override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[]),
        heard("request_started") as started,
    ):
        async_to_sync(AsyncClient().get)("/")

    assert [(sender, set(named)) for sender, named in started] == [(AsyncClientHandler, {"scope"})]


def test_got_request_exception_has_no_sender() -> None:
    with (
        override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[]),
        heard("got_request_exception") as found,
    ):
        client = Client(raise_request_exception=False)
        assert client.get("/").status_code == 200
        assert found == []
        assert client.get("/fails/").status_code == 500

    assert [sender for sender, _ in found] == [None]
    assert_is_as_the_page_says("got_request_exception", found)


def test_setting_changed_is_sent_by_the_class_that_holds_the_settings() -> None:
    with heard("setting_changed") as found, override_settings(SITE_NAME="a"):
        pass

    assert all(isinstance(sender, type) for sender, _ in found)
    assert [named["enter"] for _, named in found] == [True, False]
    assert_is_as_the_page_says("setting_changed", found)


def test_template_rendered_is_sent_by_the_template_in_tests() -> None:
    template = engines["django"].from_string("a").template
    with heard("template_rendered") as found:
        engines["django"].from_string("a").render()

    assert [type(sender) for sender, _ in found] == [type(template)]
    assert_is_as_the_page_says("template_rendered", found)


@pytest.mark.django_db
def test_connection_created_is_sent_by_the_class_of_the_connection() -> None:
    another = connection.copy()
    with heard("connection_created") as found:
        another.connect()
    another.connection.close()

    assert found == [(type(another), {"connection": another})]
    assert_is_as_the_page_says("connection_created", found)


@pytest.mark.django_db
def test_login_and_logout_are_sent_by_the_class_of_the_user() -> None:
    user = User.objects.create(username="a")
    client = Client()
    with heard("user_logged_in") as came, heard("user_logged_out") as left:
        client.force_login(user)
        client.logout()
        client.logout()

    assert [sender for sender, _ in came] == [User]
    assert [sender for sender, _ in left] == [User, type(None)]
    assert_is_as_the_page_says("user_logged_in", came)
    assert_is_as_the_page_says("user_logged_out", left)


@pytest.mark.django_db
def test_a_failed_login_is_sent_by_a_string() -> None:
    with heard("user_login_failed") as found:
        assert authenticate(username="a", password="b") is None

    assert [sender for sender, _ in found] == ["django.contrib.auth"]
    assert_is_as_the_page_says("user_login_failed", found)


@pytest.mark.skipif(not HAS_TASKS, reason="Django has tasks since 6.0")
@pytest.mark.django_db
def test_tasks_are_sent_by_the_class_of_their_backend() -> None:
    from django.tasks import task

    immediate = "django.tasks.backends.immediate.ImmediateBackend"
    with (
        override_settings(TASKS={"default": {"BACKEND": immediate}}),
        heard("task_enqueued") as enqueued,
        heard("task_started") as started,
        heard("task_finished") as finished,
    ):
        task(does_nothing).enqueue()

    for name, found in (
        ("task_enqueued", enqueued),
        ("task_started", started),
        ("task_finished", finished),
    ):
        assert [sender.__name__ for sender, _ in found] == ["ImmediateBackend"]
        assert_is_as_the_page_says(name, found)


@pytest.mark.skipif(not HAS_TASKS, reason="Django has tasks since 6.0")
def test_the_dummy_backend_of_tasks_only_says_that_one_was_enqueued(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from django.tasks import task

    made = task(does_nothing)
    # This backend copies it, and since 6.1 a copy is looked up by its name.
    monkeypatch.setitem(globals(), "does_nothing", made)
    with (
        override_settings(
            TASKS={"default": {"BACKEND": "django.tasks.backends.dummy.DummyBackend"}}
        ),
        heard("task_enqueued") as enqueued,
        heard("task_started") as started,
        heard("task_finished") as finished,
    ):
        made.enqueue()

    assert [sender.__name__ for sender, _ in enqueued] == ["DummyBackend"]
    assert started == finished == []


def test_the_reloader_sends_what_it_does() -> None:
    class Reloader(BaseReloader):
        def run_loop(self) -> None: ...

    reloader, changed = Reloader(), Path("shop/models.py")
    with (
        override_settings(ROOT_URLCONF=__name__),
        heard("autoreload_started") as started,
        heard("file_changed", answer=True) as files,
    ):
        reloader.run(SimpleNamespace(is_alive=lambda: True))
        # It goes on, because a receiver has answered with something true.
        reloader.notify_file_changed(changed)

    assert started == [(reloader, {})]
    assert files == [(reloader, {"file_path": changed})]


@pytest.mark.django_db
def test_what_a_receiver_of_post_save_raises_comes_out_of_save() -> None:
    def fails(**named: Any) -> None:
        raise ValueError("of the receiver")

    signals.post_save.connect(fails, sender=Group)
    try:
        with pytest.raises(ValueError, match="of the receiver"):
            Group(name="a").save()
    finally:
        signals.post_save.disconnect(fails, sender=Group)

    assert Group.objects.filter(name="a").exists()


def test_send_is_a_loop_over_receivers_in_the_thread_of_the_caller() -> None:
    signal, seen = Signal(), []
    signal.connect(lambda **named: seen.append(("first", get_ident())), weak=False)
    signal.connect(lambda **named: seen.append(("second", get_ident())), weak=False)

    signal.send("anyone")

    assert seen == [("first", get_ident()), ("second", get_ident())]


def test_only_the_auth_and_the_request_signals_are_sent_with_asend() -> None:
    root = Path(django.__file__).parent
    sent = set()
    for file in root.rglob("*.py"):
        if file.parent != root / "dispatch":
            text = file.read_text(encoding="utf-8")
            sent |= set(re.findall(r"(\w+)\.asend(?:_robust)?\(", text))

    assert sent == {
        *("request_started", "request_finished"),
        *("user_logged_in", "user_logged_out", "user_login_failed"),
    }


@contextmanager
def without_closing_connections() -> Iterator[None]:
    """As Django's test client does it: the end of a request closes the connections of the test."""
    from django.core.signals import request_finished, request_started
    from django.db import close_old_connections

    found = [
        signal
        for signal in (request_started, request_finished)
        if signal.disconnect(close_old_connections)
    ]
    try:
        yield
    finally:
        for signal in found:
            signal.connect(close_old_connections)


def does_nothing() -> None: ...


def shows(request: HttpRequest) -> HttpResponse:
    return HttpResponse("a")


def fails_there(request: HttpRequest) -> HttpResponse:
    raise ValueError("of the view")


urlpatterns = [path("", shows), path("fails/", fails_there)]
