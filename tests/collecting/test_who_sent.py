"""The line that sent: past overrides, up to where Django began, and the project's first."""

from __future__ import annotations

import asyncio
import dis
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal
from django.test import Client
from django.urls import path
from django.views.generic import CreateView
from library import Author, Book, Novel, OldBook, Tag

from signal_tracer import Trace, trace_signals
from signal_tracer.describing import frames, ownership
from signal_tracer.records import DJANGO, PROJECT, Location, Owner

HERE = __file__


class Named(Author):
    """Its ``save()`` is there to call on."""

    class Meta:
        app_label = "library"
        proxy = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.name = self.name.title()
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        return super().delete(*args, **kwargs)


class Paired(Author):
    """Its ``save()`` saves something else as well."""

    class Meta:
        app_label = "library"
        proxy = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        Author(name="Twin").save()  # twin


def hear(**kwargs: object) -> None: ...


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    post_save.connect(hear)
    post_delete.connect(hear)
    yield
    post_save.disconnect(hear)
    post_delete.disconnect(hear)


def code_at(location: Location | None) -> str:
    assert location is not None
    return Path(location.file).read_text().splitlines()[location.line - 1].strip()


def sent_from(trace: Trace) -> list[str]:
    return [code_at(each.sent_from) for each in trace.walk()]


# Overrides


@pytest.mark.usefixtures("books")
def test_an_override_that_calls_on_is_passed_over() -> None:
    with trace_signals() as trace:
        author = Named(name="ann")
        author.save()
        author.delete()

    assert sent_from(trace) == ["author.save()", "author.delete()"]


@pytest.mark.usefixtures("books")
def test_what_an_override_saves_besides_it_saved_itself() -> None:
    with trace_signals() as trace:
        Paired(name="ann").save()

    assert sent_from(trace) == ['Paired(name="ann").save()', 'Author(name="Twin").save()  # twin']


@pytest.mark.parametrize(
    ("body", "calls_on"),
    [
        ("super().save()", True),
        ("return super(Mine, self).save(1, a=2)", True),
        ("super().save(*args)", True),
        ("other.save()", False),
        ("other.super.save()", False),
        ("super().store()", False),
        ("len([super().save])\n        other.save()", False),
    ],
)
def test_a_call_of_super_is_told_from_any_other(body: str, calls_on: bool) -> None:
    seen = []

    class Base:
        def save(self, *args: Any, **kwargs: Any) -> None:
            caller = sys._getframe(1)
            seen.append(frames._calls_on(caller.f_code, caller.f_lasti))

        store = save

    other = Base()
    other.super = other  # type: ignore[attr-defined]
    source = f"class Mine(Base):\n    def save(self, *args):\n        {body}\n"
    namespace: dict[str, Any] = {"Base": Base, "other": other}
    exec(compile(source, f"<override {body}>", "exec"), namespace)
    namespace["Mine"]().save()

    assert seen == [calls_on]


@pytest.mark.usefixtures("books")
def test_what_the_line_calls_is_kept_of_the_signals_of_models() -> None:
    happened = Signal()
    happened.connect(hear)
    with trace_signals() as trace:
        author = Author.objects.create(name="ann")
        author.save()
        Named.objects.update_or_create(name="Bob")
        post_save.send(Author, instance=author)
        [post_save.send(sender=Author, instance=each) for each in (author,)]
        (
            post_save.send(Author, instance=author)
            if author.name.lower()
            else post_save.send_robust(Author, instance=author)
        )
        happened.send(None)

    assert [each.called for each in trace.walk()] == [
        *("Author.objects.create", "author.save", "Named.objects.update_or_create"),
        *(["post_save.send"] * 3),
        None,
    ]


def test_what_a_call_calls_is_not_known_without_columns_and_before_the_first() -> None:
    code = (lambda: post_save.send(None)).__code__
    calls = [each.offset for each in dis.get_instructions(code) if each.opname.startswith("CALL")]

    assert frames.called_by(code, calls[-1]) == "post_save.send"
    assert frames.called_by(code.replace(co_linetable=b"", co_filename="bare"), calls[-1]) is None
    assert frames.called_by(code, -1) is None


# Unheard


def unheard_from(trace: Trace) -> dict[tuple[str, str], tuple[int, str]]:
    return {
        (each.signal.rpartition(".")[2], each.sender.rpartition(".")[2]): (
            each.count,
            code_at(each.sent_from),
        )
        for each in trace.unheard
    }


def test_the_line_that_sent_the_first_of_what_nobody_heard_is_known() -> None:
    signal = Signal()
    with trace_signals() as trace, trace_signals() as inner:
        signal.send(Author)  # first
        signal.send(Author)
        signal.send(Book)  # of another sender
    with trace_signals() as later:
        signal.send(Author)  # in another trace

    name = trace.unheard[0].signal.rpartition(".")[2]
    both = {
        (name, "Author"): (2, "signal.send(Author)  # first"),
        (name, "Book"): (1, "signal.send(Book)  # of another sender"),
    }
    assert (unheard_from(trace), unheard_from(inner)) == (both, both)
    assert unheard_from(later) == {(name, "Author"): (1, "signal.send(Author)  # in another trace")}


@pytest.mark.usefixtures("books")
def test_what_django_sends_unheard_was_sent_by_who_called_django() -> None:
    with trace_signals() as trace:
        book = Book(title="Dune")
        book.save()
        book.tags.add(Tag.objects.create(name="new"))

    unheard = unheard_from(trace)
    assert unheard["post_init", "Book"] == (1, 'book = Book(title="Dune")')
    assert unheard["pre_save", "Book"] == (1, "book.save()")
    assert unheard["m2m_changed", "Book_tags"] == (
        1,
        'book.tags.add(Tag.objects.create(name="new"))',
    )


def test_who_asked_for_an_async_send_that_nobody_heard_is_known() -> None:
    signal = Signal()

    async def send() -> None:
        await asyncio.gather(signal.asend(Author))

    with trace_signals() as trace:
        asyncio.run(send())

    assert [*unheard_from(trace).values()] == [(1, "await asyncio.gather(signal.asend(Author))")]


def test_a_dispatch_whose_receivers_are_another_senders_knows_its_line_too() -> None:
    signal = Signal(use_caching=True)
    signal.connect(hear, sender=Book)
    with trace_signals() as trace:
        signal.send(Author)  # not yet in the cache
        signal.send(Author)

    assert [*unheard_from(trace).values()] == [(2, "signal.send(Author)  # not yet in the cache")]


def test_without_locations_no_line_is_looked_for(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"RECORD_LOCATIONS": False}
    with trace_signals() as trace:
        Signal().send(Author)

    assert [each.sent_from for each in trace.unheard] == [None]


# Where Django begins


class Create(CreateView):
    """Django's own code saves."""

    model = Author
    fields = ("name",)
    template_name = "nowhere.html"
    success_url = "/"


def create(request: Any) -> Any:
    Author(name="mine").save()  # a view
    return Create.as_view()(request)


def project_middleware(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def middleware(request: Any) -> Any:
        response = get_response(request)  # stands around the view
        if request.path == "/middleware/":
            Author(name="mine").save()  # the middleware
        return response

    return middleware


urlpatterns = [
    path("django/", Create.as_view()),
    path("view/", create),
    path("middleware/", create),
]


@pytest.fixture
def site(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [f"{__name__}.project_middleware"]
    settings.SIGNAL_TRACER = {}


def places_of(path: str) -> list[str]:
    with trace_signals() as trace:
        Client().post(path, {"name": "ann"})
    found = trace.find(signal="post_save", sender=Author)
    return [
        code_at(each.sent_from) if each.sent_from.file == HERE else Path(each.sent_from.file).name
        for each in found
        if each.sent_from is not None
    ]


@pytest.mark.usefixtures("books")
@pytest.mark.usefixtures("site")
def test_a_middleware_around_a_view_of_djangos_has_not_sent_what_it_saves() -> None:
    assert places_of("/django/") == ["models.py"]  # django/forms/models.py


@pytest.mark.usefixtures("books")
@pytest.mark.usefixtures("site")
def test_a_view_of_the_projects_and_a_middleware_that_saves_have() -> None:
    view = 'Author(name="mine").save()  # a view'
    called_on = "return Create.as_view()(request)"

    assert places_of("/view/") == [view, called_on]
    assert places_of("/middleware/") == [
        view,
        called_on,
        'Author(name="mine").save()  # the middleware',
    ]


class Import(BaseCommand):
    requires_system_checks = []  # as Django declares it

    def handle(self, *args: Any, **options: Any) -> None:
        Author(name="mine").save()  # a command


@pytest.mark.usefixtures("books")
def test_a_command_has_sent_what_it_sends_and_who_calls_it_what_django_does_in_it() -> None:
    with trace_signals() as trace:
        call_command(Import())
        call_command("createsuperuser", username="ann", email="a@b.cd", interactive=False)
    [users] = trace.find(signal="post_save", sender="auth.User")

    assert sent_from(trace)[0] == 'Author(name="mine").save()  # a command'
    assert code_at(users.sent_from).startswith('call_command("createsuperuser"')


def in_file(file: str, source: str, **names: Any) -> Any:
    """A function ``work`` that stands in a file which is not there."""
    exec(compile(source, file, "exec"), names)
    return names["work"]


# The project's line leads


@pytest.mark.usefixtures("books")
def test_a_bulk_operation_is_told_with_the_projects_line_and_the_packages() -> None:
    work = in_file(
        "/srv/site-packages/mover/moving.py", "def work():\n    things.update(name='x')",
        things=Author.objects.filter(name="ann"),
    )  # fmt: skip
    Author(name="ann").save()
    with trace_signals() as trace:
        work()  # the project's line
    [bypass] = trace.bypasses

    assert code_at(bypass.sent_from) == "work()  # the project's line"
    assert bypass.through == Location("/srv/site-packages/mover/moving.py", 2, "work")


@pytest.mark.usefixtures("books")
def test_a_bulk_operation_of_the_projects_has_one_line() -> None:
    Author(name="ann").save()
    with trace_signals() as trace:
        Author.objects.update(name="bob")
    [bypass] = trace.bypasses

    assert code_at(bypass.sent_from) == 'Author.objects.update(name="bob")'
    assert bypass.through is None


def test_a_connection_is_told_with_both_lines_as_well() -> None:
    rung = Signal()
    work = in_file(
        "/srv/site-packages/mover/connecting.py", "def work():\n    rung.connect(hear)",
        rung=rung, hear=hear,
    )  # fmt: skip
    with trace_signals() as trace:
        work()  # who asked for it
    [change] = trace.connection_changes

    assert code_at(change.called_from) == "work()  # who asked for it"
    assert change.through == Location("/srv/site-packages/mover/connecting.py", 2, "work")


# Multi-table inheritance


@pytest.mark.usefixtures("books")
def test_the_deletion_of_a_child_is_not_missed_by_who_waits_for_its_parent() -> None:
    def index(**kwargs: object) -> None: ...

    post_delete.connect(index, sender=Book)
    post_save.connect(index, sender=Book)
    novel = Novel(title="N", author=Author.objects.create(name="ann"))
    try:
        with trace_signals() as trace:
            novel.save()
            novel.delete()
    finally:
        post_delete.disconnect(index, sender=Book)
        post_save.disconnect(index, sender=Book)
    missed = [(each.signal[-9:], each.near_misses) for each in trace.walk() if each.near_misses]

    assert [signal for signal, _ in missed] == ["post_save"]
    assert OldBook._meta.proxy  # which is a near miss all the same: see test_near_misses


# Whose code


@pytest.mark.parametrize(
    ("file", "owner"),
    [
        ("/srv/project/shop/receivers.py", PROJECT),
        ("/home/me/src/editable/package.py", PROJECT),
        ("<ipython-input-1>", PROJECT),
        (
            "/srv/venv/site-packages/haystack/signals.py",
            Owner("package", "haystack"),
        ),
        ("/usr/lib/python3/dist-packages/six.py", Owner("package", "six")),
        ("/srv/my-site-packages/shop/models.py", PROJECT),
        (inspect.getsourcefile(Signal), DJANGO),
        (inspect.getsourcefile(inspect), Owner("package", "Python")),
        ("<frozen importlib._bootstrap>", Owner("package", "Python")),
        (frames.__file__, Owner("package", "signal_tracer")),
    ],
)
def test_a_file_is_owned_by_who_stands_in_its_path(file: str, owner: Owner) -> None:
    assert ownership.owner_of_file(file, frozenset()) == owner


def test_what_holds_the_settings_is_the_project_also_where_it_is_installed(settings: Any) -> None:
    settings.ROOT_URLCONF = "pretix.urls"
    file = "/srv/site-packages/pretix/base/receivers.py"
    beside = "/srv/site-packages/pretix_plugin/receivers.py"
    projects = ownership.project_packages()

    assert ownership.owner_of_file(file, projects) == PROJECT
    assert ownership.owner_of_file(beside, projects) == Owner("package", "pretix_plugin")


def test_what_pip_has_put_into_a_folder_of_the_projects_is_a_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "django_haystack-3.0.dist-info"
    info.mkdir()
    (info / "RECORD").write_text("haystack/__init__.py,,\n../bin/haystack,,\nsix.py,,\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    owners = {
        name: ownership.owner_of_file(str(tmp_path / name), frozenset())
        for name in ("haystack/signals.py", "six.py", "shop/models.py")
    }

    assert owners == {
        "haystack/signals.py": Owner("package", "haystack"),
        "six.py": Owner("package", "six"),
        "shop/models.py": PROJECT,
    }


def test_a_trace_names_the_owners_of_what_is_not_the_projects() -> None:
    rung = Signal()
    work = in_file(
        "/srv/site-packages/mover/sending.py", "def work():\n    rung.send(None)", rung=rung
    )
    rung.connect(hear)
    with trace_signals() as trace:
        work()
    owners = trace.contents.owners

    assert owners == {"/srv/site-packages/mover/sending.py": Owner("package", "mover")}
    assert Trace.from_dict(trace.to_dict()).contents.owners == owners
