"""Missing connections: what the project's source connects and the process does not have, and why.

Sources are read as text; what is loaded is looked up in the dictionaries of modules and classes.
Nothing is imported, run or connected.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from django.apps import apps
from django.db.models import signals as model_signals
from django.dispatch import Signal, receiver

from signal_tracer.describing.absent import note_absent
from signal_tracer.describing.connections import identity
from signal_tracer.describing.names import (
    class_name,
    is_a,
    signal_name,
)
from signal_tracer.mapping.lazy import Waiting
from signal_tracer.mapping.looking import NOTHING, functions_of, look_up
from signal_tracer.mapping.projects import Project, Why
from signal_tracer.mapping.surroundings import (
    class_around,
    condition_around,
    condition_of,
    first_sender,
    function_of,
    is_for_failures,
    is_gone_at_once,
    is_last,
    kind_of,
    last_name,
    later_of_same_name,
    line_of,
    loop_defining,
    name_of,
    receives_self,
    returns_before,
    text_of,
)
from signal_tracer.mapping.targets import Live, Target, live_connections, target_of
from signal_tracer.mapping.written import (
    Around,
    Function,
    Source,
    Written,
    is_for_type_checkers,
)
from signal_tracer.records import Location
from signal_tracer.signal_map import Missing

_ANY_SENDER = identity(None)
# Modules that something imports by their name: Django, its tools, or a package of the project's.
_IMPORTED_BY_NAME = frozenset(
    (
        *("admin", "apps", "asgi", "celery", "conf", "models", "routing", "settings", "tasks"),
        *("translation", "urls", "views", "wsgi", "templatetags", "middleware", "consumers"),
        *("context_processors", "backends", "forms", "serializers", "api", "viewsets", "schema"),
        *("jobs", "search_indexes", "wagtail_hooks", "cms_plugins", "cms_apps", "cms_toolbars"),
        *("sitemaps", "feeds", "lookups", "plugins", "__main__", "manage"),
    )
)
_DJANGOS_RECEIVER = frozenset(("django.dispatch.receiver", "django.dispatch.dispatcher.receiver"))


class _Sender(NamedTuple):
    """A sender as it is written: its name, and Django's key of it where that is known."""

    name: str | None
    is_known: bool
    id: Any = None


class _Scope(NamedTuple):
    """When code of a loaded module runs: at once; under a condition; in a function; or never."""

    is_run: bool
    condition: str | None = None
    function: Function | None = None
    config: Why | None = None


def missing_connections(
    signals: Iterable[Signal], waiting: list[Waiting], project: Project
) -> tuple[Missing, ...]:
    """What the source of the project's apps connects and is not connected now.

    Nothing before ``django.setup()`` is through: ready() is still to come.
    """
    if not apps.ready:
        return ()
    comparison = _Comparison(list(signals), waiting, project)
    found = tuple(comparison.missing())
    note_absent(
        (each.signal, each.sender, each.receiver, each.written_at)
        for each in found
        if each.certainty == "sure"
    )
    return found


class _Comparison:
    def __init__(self, signals: list[Signal], waiting: list[Waiting], project: Project) -> None:
        self._project = project
        self._waiting = waiting
        self._signals = {id(each) for each in signals}
        self._connected: dict[int, list[Live]] = {}
        self._why_not_imported: dict[str, Why | None] = {}

    def missing(self) -> Iterator[Missing]:
        for source in self._project.sources:
            for written in source.written:
                signal = self._signal(source, written)
                if signal is None:
                    continue
                name, live = signal
                sender = self._sender(source, written, live)
                why = self._why(source, written, live, sender)
                if why is not None:
                    app = self._project.app_of(source)
                    yield Missing(
                        name_of(source, written),
                        name,
                        sender.name,
                        Location(source.file, line_of(written), function_of(written)),
                        *why,
                        module=source.module,
                        app=None if app is None else app.label,
                    )

    # What is written

    def _signal(self, source: Source, written: Written) -> tuple[str, Signal | None] | None:
        """The signal's name, and the signal where it is loaded. ``None``: it is no connection."""
        if written.taken_by == "receiver":
            assert isinstance(written.node, ast.Call)
            decorator = source.dotted(written.node.func)
            found = look_up(decorator)
            if found is not receiver and (
                found is not NOTHING or decorator not in _DJANGOS_RECEIVER
            ):
                return None
        dotted = source.dotted(written.signal)
        live = look_up(dotted)
        if is_a(live, Signal):
            return signal_name(live), live
        if live is not NOTHING or dotted is None:
            return None
        if self._project.makes_signal(dotted):
            return dotted, None
        is_loaded = self._project.is_loaded(source)
        return (dotted, None) if written.taken_by == "receiver" and not is_loaded else None

    def _sender(self, source: Source, written: Written, signal: Signal | None) -> _Sender:
        node = first_sender(written)
        if node is None or (isinstance(node, ast.Constant) and node.value is None):
            return _Sender(None, True, _ANY_SENDER)
        live: Any = node.value if isinstance(node, ast.Constant) else look_up(source.dotted(node))
        if type(live) is str and (signal is None or is_a(signal, type(model_signals.post_save))):
            model = _model_of(live)
            return _Sender(live, False) if model is None else _known(model)
        if is_a(live, type):
            return _known(live)
        name = source.dotted(node)
        if name is not None and live is NOTHING:
            # A model of an app goes by its label, also where its module is not loaded.
            is_local = isinstance(node, ast.Name) and node.id not in source.bound
            name = self._project.label_of(name) or (None if is_local else name)
        return _Sender(name or text_of(node), False)

    # Why it is not there

    def _why(
        self, source: Source, written: Written, signal: Signal | None, sender: _Sender
    ) -> Why | None:
        scope = self._scope(source, written)
        if not self._project.is_loaded(source):
            if scope.config is not None:
                return scope.config
            if scope.function is not None:
                return None
            why = self._import_of(source)
            return None if why is None else _under(scope.condition, why)
        if signal is None or id(signal) not in self._signals:
            return None
        connected = self._connected_to(signal)
        target = target_of(source, written)
        if not target.is_known:
            return None
        same = [each for each in connected if not sender.is_known or each.sender_id == sender.id]
        if any(target.is_connected_by(each) for each in same) or self._waits(signal, target):
            return None
        taken = _taken(source, written, same, sender)
        if taken is not None:
            return taken
        if scope.config is not None:
            return scope.config
        if is_for_failures(written.around):
            return None
        if scope.function is not None and not scope.is_run:
            return self._why_not_called(source, written, scope.function, target)
        if scope.condition is not None and first_sender(written) is written.sender:
            return _under(scope.condition, None)
        return self._why_gone(source, written, target)

    def _why_gone(self, source: Source, written: Written, target: Target) -> Why | None:
        """Why what was certainly connected is not any more."""
        place = self._project.place(source, written.line)
        disconnected = self._project.line_of_disconnect(last_name(written))
        if disconnected is not None:
            return Why(
                "possible",
                f"something disconnected it, perhaps {disconnected}",
                "Nothing, if that is meant. Otherwise connect it again there, in a finally",
            )
        if not written.is_weak:
            return None
        if written.taken_by == "connect":
            return Why(
                "sure",
                "connect() returned None as a decorator, and None took the place of the function, "
                "which was then collected as garbage",
                f"Write @receiver({text_of(written.signal)}, ...) of django.dispatch at {place}",
            )
        loop = loop_defining(written)
        if loop is not None:
            return Why(
                "sure",
                f"the next round of {condition_of(loop, 'body')} gave its name to another, and as "
                "nothing else referred to it, it was collected as garbage: only the last is kept",
                f"Define it once, before the loop; or connect it with weak=False ({place})",
            )
        later = later_of_same_name(written)
        if later is not None:
            return Why(
                "sure",
                f"a later {kind_of(later)} of the same name (line {later.lineno}) took its name, "
                "and as nothing else referred to it, it was collected as garbage",
                "Give each of the two a name of its own",
            )
        if target.is_temporary:
            return Why(
                "sure",
                f"{target.what} was collected as garbage: connect() holds it weakly, and nothing "
                "else refers to it",
                "Keep a reference to it, as a name of its module does; or connect it with "
                f"weak=False ({place})",
            )
        return None

    def _why_not_called(
        self,
        source: Source,
        written: Written,
        function: Function,
        target: Target,
    ) -> Why | None:
        """For a ``connect()`` in a function: what it connects is not kept, or nobody calls it."""
        place = self._project.place(source, written.line)
        if is_gone_at_once(source, written):
            return Why(
                "sure",
                f"{target.what} is collected as garbage as soon as connect() returns, which holds "
                "it weakly: nothing else refers to it",
                "Give it a name at the level of the module, or connect it with weak=False "
                f"({place})",
            )
        cls = class_around(written.around)
        if cls is not None and receives_self(written) and written.is_weak:
            dropped = self._project.made_and_dropped(cls.name, calling=function.name)
            if dropped is None or condition_around(written.around):
                return None
            return Why(
                "sure",
                f"the {cls.name} made at {dropped} was collected as garbage: connect() holds it "
                "weakly, and nothing else refers to it",
                f"Keep a reference to it at {dropped}, as a name of its module does; or connect it "
                f"with weak=False ({place})",
            )
        if target.is_temporary and written.is_weak and is_last(function, written):
            return Why(
                "sure",
                f"{target.what} is collected as garbage when {function.name}() returns: connect() "
                "holds it weakly, and nothing else refers to it",
                "Define it at the level of the module, keep a reference to it, or connect it with "
                f"weak=False ({place})",
            )
        if cls is not None or function.decorator_list or function.name.startswith("__"):
            return None
        if self._project.mentions(function.name):
            return None
        return Why(
            "likely",
            f"it is connected in {function.name}(), and no line of the project calls that",
            f"Call {function.name}() in AppConfig.ready(); or, better, decorate the receiver with "
            "@receiver and import its module there",
        )

    def _waits(self, signal: Signal, target: Target) -> bool:
        return any(
            each.signal is signal and not target.functions.isdisjoint(functions_of(each.receiver))
            for each in self._waiting
        )

    def _connected_to(self, signal: Signal) -> list[Live]:
        found = self._connected.get(id(signal))
        if found is None:
            found = self._connected[id(signal)] = [*live_connections(signal)]
        return found

    # When it runs

    def _scope(self, source: Source, written: Written) -> _Scope:
        condition: str | None = None
        function: Function | None = None
        for number, (node, part) in enumerate(written.around):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                function = node
                config = self._project.config_of_ready(source, written.around[:number], node)
                if config is not None:
                    why, condition_of_ready = config
                    if why is not None:
                        return _Scope(False, config=why)
                    condition = condition or condition_of_ready
                    condition = condition or returns_before(node, written.line)
                    continue
                around = written.around[:number]
                wrong = self._project.misspelt_ready(source, around, node)
                wrong = wrong or self._project.why_not_taken(source, around)
                return _Scope(False, function=node, config=wrong)
            condition = condition or condition_of(node, part)
        return _Scope(condition is None, condition, function if condition is None else None)

    # Why a module was not imported

    def _import_of(self, source: Source) -> Why | None:
        if source.module not in self._why_not_imported:
            self._why_not_imported[source.module] = None  # against circles
            self._why_not_imported[source.module] = self._ask_importers(source)
        return self._why_not_imported[source.module]

    def _ask_importers(self, source: Source) -> Why | None:
        if "management" in source.module.split("."):
            return None  # A command is imported to be run.
        app = self._project.app_of(source)
        mend = self._project.import_in_ready(source.module, app)
        is_imported_by_name = bool(_IMPORTED_BY_NAME & {*source.module.split(".")[1:]})
        if is_imported_by_name and app is not None:
            instead = self._project.import_in_ready(f"{app.name}.receivers", app)
            mend = f"Move it into receivers.py of its app. {instead}"
        if app is None and not self._project.is_plain(source):
            return Why(
                "possible",
                f"{source.module} was not imported, and is in no app of INSTALLED_APPS",
                f"Add its app to INSTALLED_APPS, and import {source.module} in the ready() of its "
                "AppConfig",
            )
        never = f"{source.module} was never imported"
        for_checkers = ""
        reasons: list[Why] = []
        for importer, node, around in self._project.importers_of(source):
            place = self._project.place(importer, node.lineno)
            if is_for_type_checkers(around):
                for_checkers = f" ({place} imports it for type checkers only)"
                continue
            reasons.append(self._why_import_failed(source, importer, node, around, place, mend))
        named = self._project.names_in_text(source.module)
        if reasons:
            # One that may still import it speaks against those that cannot.
            return min(reasons, key=lambda each: ("possible", "likely", "sure").index(each[0]))
        if named:
            return Why("possible", f"{never} so far; {named} names it", mend)
        if is_imported_by_name:
            return Why(
                "possible",
                f"{never} so far: a module of that name is imported when something needs it, and "
                "by some processes never",
                mend,
            )
        wrong = self._project.misspelt_import(source.module, app)
        if wrong is not None:
            return Why("sure", f"{never}: {wrong}", mend)
        return Why("sure", f"{never}: no line of the project imports it{for_checkers}", mend)

    def _why_import_failed(
        self,
        source: Source,
        importer: Source,
        node: Any,
        around: Around,
        place: str,
        mend: str,
    ) -> Why:
        never = f"{source.module} was never imported"
        for number, (outer, _) in enumerate(around):
            if not isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            config = self._project.config_of_ready(importer, around[:number], outer)
            if config is not None and config[0] is not None:
                return config[0]
            if config is None:
                wrong = self._project.misspelt_ready(importer, around[:number], outer)
                wrong = wrong or self._project.why_not_taken(importer, around[:number])
                return wrong or Why(
                    "possible", f"{never} so far: {place} does, in {outer.name}()", mend
                )
        conditions = [
            text for each, part in around if (text := condition_of(each, part)) is not None
        ]
        if conditions:
            what = (
                "the import failed there, or was not reached"
                if conditions[0].startswith("a try")
                else "that was false"
            )
            return Why(
                "possible",
                f"{never}: {place} imports it inside {conditions[0]}, and {what}",
                f"Nothing, if that is meant. Otherwise import {source.module} unconditionally",
            )
        if not self._project.is_loaded(importer):
            if importer.is_package or importer.written:
                why = self._import_of(importer)
                if why is not None:
                    return why
            return Why(
                "possible",
                f"{never} so far: {importer.module} imports it, and was not imported itself",
                mend,
            )
        return Why("possible", f"{never} so far, though {place} imports it", mend)


def _known(sender: type) -> _Sender:
    return _Sender(class_name(sender), True, identity(sender))


def _under(condition: str | None, why: Why | None) -> Why:
    """The same, said with care, if the code stands under a condition."""
    if condition is None:
        assert why is not None
        return why
    if why is not None:
        return Why("possible", f"{why.because}; and it stands inside {condition}", why.mend)
    return Why(
        "possible",
        f"it stands inside {condition}, and was not connected there",
        "Nothing, if that is meant. Otherwise connect it where nothing stands before it",
    )


def _taken(source: Source, written: Written, same: list[Live], sender: _Sender) -> Why | None:
    """Who has its ``dispatch_uid``, if anybody has."""
    node = written.uid
    if node is None:
        return None
    uid = node.value if isinstance(node, ast.Constant) else look_up(source.dotted(node))
    if type(uid) not in (str, int) or not uid:
        return None
    holder = next((each for each in same if type(each.uid) is type(uid) and each.uid == uid), None)
    if holder is None:
        return None
    return Why(
        "sure" if sender.is_known else "likely",
        f"its dispatch_uid {uid!r} is taken by {holder.name}, and connect() does nothing where a "
        "uid is taken",
        "Give each receiver a dispatch_uid of its own, such as its dotted name",
    )


def _model_of(label: str) -> type | None:
    app_label, _, name = label.rpartition(".")
    # All models of each app by name: not documented, the same in Django 5.2, 6.0 and 6.1.
    found: type | None = apps.all_models.get(app_label, {}).get(name.lower())
    return found
