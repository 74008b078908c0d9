"""What tracing costs in instructions, as ratios against untraced Django: the guard in CI.

    python benchmarks/instructions.py                 a table; --json for machines
    python benchmarks/instructions.py --only deep     the operations whose name contains this
    python benchmarks/instructions.py --check         against the checked-in ratios
    python benchmarks/instructions.py --write         check in what was measured

Instructions do not depend on who else uses the machine. Each operation runs n and 3n times under
``valgrind --tool=callgrind``, and the difference is what 2n operations take: whatever stands
around them is gone. Untraced Django, the tracer installed with nothing traced, and traced are
processes of their own; the first never imports the tracer. Needs valgrind; ``--rounds 1`` is
quicker and good enough to work with.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from django.dispatch import Signal

sys.path.insert(0, str(Path(__file__).parents[1]))

CHECKED_IN = Path(__file__).with_suffix(".json")
TOLERANCE = 0.02
MODES = ("untraced", "installed", "traced")


@dataclass(frozen=True)
class Operation:
    name: str
    times: int  # of the short run; the long one has three times as many
    installed: float | None  # the targets
    traced: float
    # By the middleware, which is installed and traces nothing while SAMPLE_RATE is next to 0.
    traces_itself: bool = False


OPERATIONS = [
    Operation("a row loaded", 200, None, 1.02),
    Operation("a save with three receivers", 30, 1.03, 1.12),
    Operation("an unheard dispatch, counted", 200, None, 1.15),
    Operation("1 receiver", 100, 1.35, 3.5),
    Operation("5 receivers", 100, None, 2.3),
    Operation("20 receivers", 50, None, 1.85),
    Operation("ten deep", 20, None, 4.2),
    Operation("send_robust, one of five raises", 50, None, 2.6),
    Operation("asend with 10 receivers", 20, None, 1.6),
    Operation("a request with one save", 20, 1.03, 2.0, traces_itself=True),
]


# In the process that is measured.


def run_operations(mode: str, names: list[str]) -> None:
    """Runs each operation when a line on stdin says so, and says on stdout where it stands."""
    import gc

    runs = prepare(mode)
    gc.collect()
    gc.disable()
    for operation in OPERATIONS:
        if operation.name in names:
            run = runs[operation.name]
            with tracing("installed" if operation.traces_itself and mode != "untraced" else mode):
                run(operation.times * 2)  # Fills caches, and the interpreter specialises.
                for times in (operation.times, operation.times * 3):
                    wait()
                    run(times)
                wait()
    print("done", flush=True)


def wait(at: str = "waiting") -> None:
    print(at, flush=True)
    if not sys.stdin.readline():
        sys.exit()  # Whoever measures has gone.


def tracing(mode: str) -> AbstractContextManager[object]:
    from contextlib import nullcontext

    if mode == "untraced":
        return nullcontext()
    from signal_tracer import trace_signals

    if mode == "traced":
        return trace_signals("instructions")
    with trace_signals():
        pass
    return nullcontext()


class Urls:
    """The URLconf, once there is a view."""

    urlpatterns: ClassVar[list[Any]] = []


def prepare(mode: str) -> dict[str, Callable[[int], None]]:
    """Every operation by its name, as a function that does it a number of times."""
    import asyncio
    import logging

    import django
    from django.conf import settings

    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        SECRET_KEY="only for benchmarks",
        SIGNAL_TRACER={"ENABLED": True, "SAMPLE_RATE": 1.0 if mode == "traced" else 1e-9},
        MIDDLEWARE=[]
        if mode == "untraced"
        else ["signal_tracer.middleware.SignalTracerMiddleware"],
        ROOT_URLCONF=Urls,
        ALLOWED_HOSTS=["*"],
        USE_TZ=True,
    )
    django.setup()
    # What logging takes is the same in every mode, and would hide the rest of send_robust().
    logging.getLogger("django.dispatch").setLevel(logging.CRITICAL)

    from django.core.handlers.wsgi import WSGIHandler
    from django.db import connection, models
    from django.db.models.signals import post_save
    from django.dispatch import Signal
    from django.http import HttpRequest, HttpResponse
    from django.test import RequestFactory
    from django.urls import path

    class Row(models.Model):
        title = models.CharField(max_length=50)
        count = models.IntegerField(default=0)
        price = models.DecimalField(max_digits=8, decimal_places=2, default=0)
        is_paid = models.BooleanField(default=False)
        changed_at = models.DateTimeField(auto_now=True)

        class Meta:
            app_label = "instructions"

    class Loaded(Row):
        class Meta:
            app_label = "instructions"
            proxy = True

    with connection.schema_editor() as editor:
        editor.create_model(Row)
    Loaded.objects.bulk_create(Loaded(title="a title", count=each) for each in range(600))

    def empty() -> Callable[..., None]:
        def receiver(sender: object, **kwargs: object) -> None: ...

        return receiver

    def asynchronous() -> Callable[..., object]:
        async def receiver(sender: object, **kwargs: object) -> None: ...

        return receiver

    def failing(sender: object, **kwargs: object) -> None:
        raise ValueError("no")

    def signal_with(*receivers: Callable[..., object]) -> Signal:
        signal = Signal(use_caching=True)
        for receiver in receivers:
            signal.connect(receiver, weak=False)
        return signal

    def relay_to(following: Signal) -> Callable[..., None]:
        def receiver(sender: object, **kwargs: object) -> None:
            following.send(sender=sender, number=1)

        return receiver

    def load(times: int) -> None:
        for _ in Loaded.objects.all()[:times]:
            pass

    for _ in range(3):
        post_save.connect(empty(), sender=Row, weak=False)

    def save(times: int) -> None:
        for number in range(times):
            Row(title="a title", count=number).save()

    instance = Row(title="a title")

    # Each with the keyword arguments of post_save, written out as Django writes them.

    def sending(signal: Signal) -> Callable[[int], None]:
        def run(times: int) -> None:
            for _ in range(times):
                signal.send(
                    sender=Row,
                    instance=instance,
                    created=True,
                    update_fields=None,
                    raw=False,
                    using="default",
                )

        return run

    def sending_robustly(signal: Signal) -> Callable[[int], None]:
        def run(times: int) -> None:
            for _ in range(times):
                signal.send_robust(
                    sender=Row,
                    instance=instance,
                    created=True,
                    update_fields=None,
                    raw=False,
                    using="default",
                )

        return run

    def sending_asynchronously(signal: Signal) -> Callable[[int], None]:
        async def send_all(times: int) -> None:
            for _ in range(times):
                await signal.asend(
                    sender=Row,
                    instance=instance,
                    created=True,
                    update_fields=None,
                    raw=False,
                    using="default",
                )

        return lambda times: asyncio.run(send_all(times))

    def view(request: HttpRequest) -> HttpResponse:
        save(1)
        return HttpResponse("saved")

    Urls.urlpatterns = [path("", view)]
    serve = WSGIHandler()  # get_wsgi_application() would configure logging anew.
    environ = RequestFactory().get("/").environ

    def request(times: int) -> None:
        for _ in range(times):
            serve(dict(environ), lambda *_: None).close()

    unheard = Signal(use_caching=True)
    unheard.connect(empty(), sender=Loaded, weak=False)
    deep = signal_with(empty())
    for _ in range(9):
        deep = signal_with(relay_to(deep))
    return {
        "a row loaded": load,
        "a save with three receivers": save,
        "an unheard dispatch, counted": sending(unheard),
        "1 receiver": sending(signal_with(empty())),
        "5 receivers": sending(signal_with(*(empty() for _ in range(5)))),
        "20 receivers": sending(signal_with(*(empty() for _ in range(20)))),
        "ten deep": sending(deep),
        "send_robust, one of five raises": sending_robustly(
            signal_with(empty(), empty(), failing, empty(), empty())
        ),
        "asend with 10 receivers": sending_asynchronously(
            signal_with(*(asynchronous() for _ in range(10)))
        ),
        "a request with one save": request,
    }


# In the process that measures.


def instructions_of(mode: str, operations: list[Operation], seed: int) -> dict[str, float]:
    """Instructions of one operation, by its name."""
    found = {}
    names = [each.name for each in operations]
    with Measured(__file__, "--run", mode, *names, seed=seed) as measured:
        for operation in operations:
            measured.switch("on")
            short, long = measured.count(), measured.count()
            measured.switch("off")
            measured.go_on()
            found[operation.name] = (long - short) / (operation.times * 2)
    return found


class Measured:
    """A Python under callgrind that waits before and after everything that is counted.

    It waits when it has written a line, ``at``, for a line to read, which ``go_on()`` gives it.
    """

    def __init__(self, *arguments: str, seed: int = 0) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._prefix = f"--vgdb-prefix={self._folder.name}/vgdb"
        self._counts = Path(self._folder.name, "counts")
        self._dumps = 0
        self.at = ""
        self._process = subprocess.Popen(
            [
                *("valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no"),
                *(f"--callgrind-out-file={self._counts}", self._prefix),
                *(sys.executable, *arguments),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def __enter__(self) -> Measured:
        self._arrive()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()  # The next thing it reads is the end.
        self._process.stdout.close()
        self._process.wait()
        self._folder.cleanup()

    def switch(self, instrumentation: str) -> None:
        """``on`` or ``off``: without it the process is ten times faster, and nothing counts."""
        self._control(f"instrumentation {instrumentation}")

    def count(self) -> int:
        """The instructions from here to where it waits next."""
        self._control("zero")
        self.go_on()
        self._control("dump")
        self._dumps += 1
        with open(f"{self._counts}.{self._dumps}") as dump:
            [total] = [int(line.split()[1]) for line in dump if line.startswith("totals:")]
        return total

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._arrive()

    def _arrive(self) -> None:
        assert self._process.stdout is not None
        self.at = self._process.stdout.readline().strip()
        if not self.at:
            sys.exit(f"The measured process ended with {self._process.wait()}; see what it wrote.")

    def _control(self, command: str) -> None:
        """What ``callgrind_control`` does, which does not say when it fails."""
        subprocess.run(
            ["vgdb", self._prefix, f"--pid={self._process.pid}", *command.split()],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def require_valgrind() -> None:
    for program in ("valgrind", "vgdb"):
        if shutil.which(program) is None:
            sys.exit(
                f"Instructions are counted by valgrind, and there is no `{program}` on the "
                "PATH. On Debian and Ubuntu: apt install valgrind"
            )


@dataclass(frozen=True)
class Result:
    operation: Operation
    untraced: float  # instructions
    ratios: dict[str, float]  # by mode

    @property
    def targets(self) -> dict[str, float | None]:
        return {"installed": self.operation.installed, "traced": self.operation.traced}


def measure(operations: list[Operation], rounds: int, first_seed: int = 0) -> list[Result]:
    """The median of some rounds, each with its own seed for the hashes of strings.

    With one seed a count is the same every time, but names that fall into one slot of a
    dictionary, and addresses into one of the interpreter's caches, make single counts 2 % larger.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counted = [
            {mode: pool.submit(instructions_of, mode, operations, seed) for mode in MODES}
            for seed in range(first_seed, first_seed + rounds)
        ]

    def counts(mode: str, name: str) -> list[float]:
        return [each[mode].result()[name] for each in counted]

    def ratio(mode: str, name: str) -> float:
        pairs = zip(counts(mode, name), counts("untraced", name), strict=True)
        return round(median(traced / untraced for traced, untraced in pairs), 3)

    return [
        Result(
            each,
            median(counts("untraced", each.name)),
            {mode: ratio(mode, each.name) for mode in ("installed", "traced")},
        )
        for each in operations
    ]


def interpreter() -> str:
    has_pgo = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    built = "with PGO" if has_pgo else "without PGO"
    return f"Python {platform.python_version()} ({built}), Django {version('django')}"


def combination() -> str:
    return "+".join(
        ".".join(each.split(".")[:2]) for each in (platform.python_version(), version("django"))
    )


def table_of(results: list[Result]) -> Iterator[str]:
    yield f"| {'operation':31} | {'untraced':>9} | installed | target | traced | target | met |"
    yield f"|{'-' * 33}|{'-' * 10}:|----------:|-------:|-------:|-------:|-----|"
    for result in results:
        met = all(
            target is None or result.ratios[mode] <= target
            for mode, target in result.targets.items()
        )
        figures = [
            f"{result.ratios[mode]:{width}.2f}× | {f'{target:.2f}×' if target else '':>6}"
            for (mode, target), width in zip(result.targets.items(), (8, 5), strict=True)
        ]
        yield (
            f"| {result.operation.name:31} | {result.untraced:9,.0f} | {' | '.join(figures)} "
            f"| {'yes' if met else 'NO':3} |"
        )


def differences(results: list[Result], checked_in: dict[str, dict[str, float]]) -> Iterator[str]:
    """A sentence for each ratio that is not the checked-in one, give or take 2 %."""
    for result in results:
        for mode, ratio in result.ratios.items():
            name = f"{result.operation.name}, {mode}"
            expected = checked_in.get(result.operation.name, {}).get(mode)
            if expected is None:
                yield f"{name}: {ratio:.3f}×, and no ratio is checked in. Check it in: --write"
            elif ratio > expected * (1 + TOLERANCE):
                yield (
                    f"{name}: {ratio:.3f}×, where {expected:.3f}× is checked in. Make it cheaper "
                    f"again, or say why it costs more and check that in: --write"
                )
            elif ratio < expected * (1 - TOLERANCE):
                yield (
                    f"{name}: {ratio:.3f}×, better than the {expected:.3f}× that is checked in. "
                    f"Check it in, so that it stays: --write"
                )


def measured_again(results: list[Result], file: Path, rounds: int) -> list[Result]:
    """The results, of which each that is not as checked in was measured once more, by itself.

    Two of three processes can have an unlucky layout of memory, which also depends on the path of
    the checkout. What costs more costs more with other seeds as well.
    """
    checked_in = json.loads(file.read_text()) if file.exists() else {}
    ratios = checked_in.get(combination(), {}).get("ratios", {})
    return [
        measure([each.operation], rounds, first_seed=rounds)[0]
        if ratios and any(differences([each], ratios))
        else each
        for each in results
    ]


def check(results: list[Result], file: Path) -> bool:
    checked_in = json.loads(file.read_text()) if file.exists() else {}
    if combination() not in checked_in:
        print(
            f"\nNot checked: {file.name} has no ratios of {combination()}, only of "
            f"{', '.join(checked_in) or 'nothing'}. Check them in: --write"
        )
        return True
    there = checked_in[combination()]
    found = list(differences(results, there["ratios"]))
    for each in found:
        print(f"\n{each}")
    if found:
        print(f"\nCompared with what was checked in of {there['interpreter']}.")
    else:
        print(f"\nAs checked in, give or take {TOLERANCE:.0%}.")
    return not found


def write(results: list[Result], file: Path) -> None:
    checked_in = json.loads(file.read_text()) if file.exists() else {}
    ratios = checked_in.get(combination(), {}).get("ratios", {})
    ratios |= {each.operation.name: each.ratios for each in results}
    checked_in[combination()] = {"interpreter": interpreter(), "ratios": ratios}
    file.write_text(json.dumps(dict(sorted(checked_in.items())), indent=2) + "\n")
    print(f"\nWritten to {file.name}: {len(results)} operations of {combination()}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="operations whose name contains this")
    parser.add_argument("--rounds", type=int, default=3, help="processes a mode (default: 3)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    for option, words in [
        ("--check", "fail where a ratio is not the one in FILE, give or take 2 %%"),
        ("--write", "write the ratios into FILE"),
    ]:
        parser.add_argument(
            *(option,),
            type=Path,
            nargs="?",
            const=CHECKED_IN,
            metavar="FILE",
            help=f"{words} (default: {CHECKED_IN.name} beside this script)",
        )
    options = parser.parse_args()
    require_valgrind()
    operations = [each for each in OPERATIONS if options.only in each.name]
    if not operations:
        sys.exit(
            f"No operation's name contains {options.only!r}. There are: "
            f"{'; '.join(each.name for each in OPERATIONS)}"
        )
    results = measure(operations, options.rounds)
    if options.check:
        results = measured_again(results, options.check, options.rounds)
    if options.json:
        rows = [
            {"operation": each.operation.name, "untraced": each.untraced, **each.ratios}
            for each in results
        ]
        print(json.dumps({"interpreter": interpreter(), "rows": rows}, indent=2))
    else:
        print(f"{interpreter()}, {platform.machine()}\n")
        print("\n".join(table_of(results)))
    if options.write:
        write(results, options.write)
    if options.check and not check(results, options.check):
        sys.exit(1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run_operations(sys.argv[2], sys.argv[3:])
    else:
        main()
