"""The matrix: every supported Python, Django and debug toolbar, and the other checks.

``nox`` runs what it finds a Python for and names the rest as skipped; ``nox --list`` shows all.
"""

import tarfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.10.14"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"
nox.options.sessions = [
    "lint",
    "contracts",
    "types",
    "docs",
    "tests",
    "toolbars",
    "toolbar_suite",
    "dist",
    "django_suite",
    "packages",
]

PYPROJECT = nox.project.load_toml("pyproject.toml")
DJANGOS = {
    "5.2": ["3.11", "3.12", "3.13", "3.14"],
    "6.0": ["3.12", "3.13", "3.14"],
    "6.1": ["3.12", "3.13", "3.14"],
}
PAIRS = [(python, django) for django, pythons in DJANGOS.items() for python in pythons]
IN_PARALLEL = ("-n", "auto", "--dist", "worksteal")
TOOLBARS = [("3.11", "5.2", "6"), ("3.12", "6.0", "7"), ("3.13", "6.1", "8")]


def install(session: nox.Session, group: str, *requirements: str) -> None:
    session.install(
        "--editable",
        ".[debug-toolbar]",
        *nox.project.dependency_groups(PYPROJECT, group),
        *requirements,
    )


@nox.session
@nox.parametrize("python,django", PAIRS)
def tests(session: nox.Session, django: str) -> None:
    """The whole suite."""
    install(session, "test", f"django~={django}.0")
    session.run("python", "-m", "pytest", *IN_PARALLEL, *session.posargs)


@nox.session
@nox.parametrize("python,django,toolbar", TOOLBARS)
def toolbars(session: nox.Session, django: str, toolbar: str) -> None:
    """The whole suite with each major version of the debug toolbar."""
    install(session, "test", f"django~={django}.0", f"django-debug-toolbar~={toolbar}.0")
    session.run("python", "-m", "pytest", *IN_PARALLEL, *session.posargs)


@nox.session(python="3.13")
def toolbar_suite(session: nox.Session) -> None:
    """The toolbar's own tests, with our panel among its panels."""
    session.install("--editable", ".", "django-debug-toolbar~=8.0", "django~=6.1.0", "pip")
    session.install(
        *("django-csp", "django-template-partials", "html5lib", "jinja2", "pygments", "selenium")
    )
    version = session.run(
        *("python", "-c", "import debug_toolbar; print(debug_toolbar.VERSION)"), silent=True
    ).strip()
    sources = Path(session.cache_dir, f"django_debug_toolbar-{version}")
    if not sources.exists():
        session.run(
            *("python", "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"),
            *(f"--dest={session.cache_dir}", f"django-debug-toolbar=={version}"),
        )
        with tarfile.open(f"{sources}.tar.gz") as archive:
            archive.extractall(session.cache_dir, filter="data")
    ours = Path("tests/toolbar_suite").resolve()
    with session.chdir(sources):
        session.run(
            *("python", "-m", "django", "test", "tests", "--settings=with_our_panel"),
            env={"PYTHONPATH": f".:{ours}", "DB_BACKEND": "sqlite3", "DB_NAME": ":memory:"},
        )


@nox.session
@nox.parametrize("python,django", PAIRS)
def django_suite(session: nox.Session, django: str) -> None:
    """Django's own tests of what is watched, each inside a trace; ``-- --untraced`` to compare."""
    session.install("--editable", ".", f"django~={django}.0", "pip", "setuptools")
    version = session.run(
        "python", "-c", "import django; print(django.__version__)", silent=True
    ).strip()
    sources = Path(session.cache_dir, f"django-{version}")
    if not sources.exists():
        session.run(
            *("python", "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"),
            *("--no-build-isolation", f"--dest={session.cache_dir}", f"django=={version}"),
        )
        with tarfile.open(f"{sources}.tar.gz") as archive:
            archive.extractall(session.cache_dir, filter="data")
    run = ("python", "tests/django_suite/run.py", str(sources / "tests"), "--parallel=2")
    for options in [session.posargs] if session.posargs else [[], ["--all-threads"]]:
        session.run(*run, *options)


@nox.session(python=["3.11"])
def suite_of_a_package(session: nox.Session) -> None:
    """The tests of django-auditlog, which lives on signals: the same results with our options."""
    name = "django_auditlog-3.4.1"
    sources = Path(session.cache_dir, name)
    session.install("--editable", ".", "django~=5.2.0", "pip", "pytest>=9", "pytest-django")
    session.install("pytest-xdist", "freezegun", "psycopg2-binary", "python-dateutil")
    if not sources.exists():
        session.run(
            *("python", "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"),
            *(f"--dest={session.cache_dir}", name.replace("_", "-").replace("-3", "==3")),
        )
        with tarfile.open(f"{sources}.tar.gz") as archive:
            archive.extractall(session.cache_dir, filter="data")
        # A link that became an empty file when the archive was made.
        Path(sources, "auditlog_tests", "auditlog").unlink()
    session.install("--no-deps", "--editable", str(sources))
    session.chdir(sources / "auditlog_tests")
    ours = ("--signal-trace=all", "--fail-on-swallowed", "--signal-coverage")
    outcomes = set()
    for options in (("-p", "no:signal_tracer"), ours, (*ours, "-n", "2")):
        said = session.run(
            *("python", "-m", "pytest", "-q", "--ds=test_settings", "-p", "no:cacheprovider"),
            # Not this project's configuration, which lies above.
            *("--config-file=/dev/null", "--rootdir=.", "-W", "ignore"),
            *("--override-ini=python_files=tests.py test_*.py", "--ignore=test_postgresql.py"),
            *options,
            silent=True,
        )
        session.log(said.partition(" signal coverage ")[2].partition("- Signal trace")[0])
        outcome = said.strip().rpartition("\n")[2].rpartition(" in ")[0]
        session.log(f"{' '.join(options)}: {outcome}")
        outcomes.add(outcome)
    if len(outcomes) != 1:
        session.error(f"the results differ: {outcomes}")


@nox.session(python=["3.13"])
def suites_of_packages(session: nox.Session) -> None:
    """The tests of three packages: the graph of a run, of two workers, and a count of one's own."""
    pinned = ("django-auditlog==3.4.1", "django-simple-history==3.13.0", "django-reversion==6.4.0")
    session.install("--editable", ".", "django~=6.1.0", "pip", *pinned)
    session.install("pytest>=9", "pytest-django", "pytest-xdist")
    session.install("freezegun", "psycopg2-binary", "python-dateutil")
    for each in pinned:
        name, version = each.replace("-", "_").split("==")
        sources = Path(session.cache_dir, f"{name}-{version}")
        if not sources.exists():
            session.run(
                *("python", "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"),
                *(f"--dest={session.cache_dir}", each),
            )
            with tarfile.open(f"{sources}.tar.gz") as archive:
                archive.extractall(session.cache_dir, filter="data")
        # A link that became an empty file when the archive was made.
        Path(sources, "auditlog_tests", "auditlog").unlink(missing_ok=True)
    session.run(
        *("python", "tests/packages/suites/run.py", str(session.cache_dir), *session.posargs)
    )


@nox.session
@nox.parametrize("python,django", [("3.11", "5.2"), ("3.12", "6.0"), ("3.13", "6.1")])
def packages(session: nox.Session, django: str) -> None:
    """Projects of real packages: the signal map against a look of one's own, labelled findings."""
    install(session, "packages", f"django~={django}.0")
    session.run("python", "-m", "pytest", "tests/packages", env={"PACKAGES_TESTS": "required"})


@nox.session
@nox.parametrize("python,django", [("3.11", "5.2"), ("3.13", "6.1")])
def instructions(session: nox.Session, django: str) -> None:
    """What tracing costs in instructions, against what is checked in (needs valgrind)."""
    session.install("--editable", ".", f"django~={django}.0")
    session.run("python", "benchmarks/instructions.py", *(session.posargs or ["--check"]))


@nox.session
def real_project(session: nox.Session) -> None:
    """What a trace of each request costs on sites of real packages."""
    install(session, "packages")
    session.run("python", "-W", "ignore", "benchmarks/real_project.py", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """ruff: its rules and its format."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def contracts(session: nox.Session) -> None:
    """Who may import whom."""
    install(session, "lint")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict."""
    install(session, "types")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation site, from nothing: a warning is an error."""
    install(session, "docs")
    session.run(
        *("python", "-m", "sphinx", "--fail-on-warning", "--keep-going", "--nitpicky", "--quiet"),
        *("--fresh-env", "docs", session.create_tmp(), *session.posargs),
    )


@nox.session
def dist(session: nox.Session) -> None:
    """Wheel and sdist: built, checked, installed where there is nothing else, and used there."""
    session.install("build", "twine", "check-wheel-contents", "mypy>=1.18")
    built = Path(session.create_tmp(), "dist")
    for old in built.glob("*"):
        old.unlink()
    session.run("python", "-m", "build", "--quiet", "--outdir", str(built))
    [wheel] = built.glob("*.whl")
    [sdist] = built.glob("*.tar.gz")
    session.run("python", "-m", "twine", "check", "--strict", str(wheel), str(sdist))
    session.run("check-wheel-contents", str(wheel))
    ours = Path("tests/released").resolve()
    session.run("npm", "ci", "--silent", "--prefix", str(ours / "pyright"), external=True)
    for extra in ("", "debug-toolbar", "opentelemetry", "celery"):
        empty = Path(session.create_tmp(), f"with-{extra or 'nothing'}").resolve()
        session.run("python", "-m", "venv", "--clear", str(empty))
        python = str(empty / "bin" / "python")
        wanted = f"{wheel.resolve()}[{extra}]" if extra else str(wheel.resolve())
        session.run(python, "-m", "pip", "install", "--quiet", wanted, external=True)
        with session.chdir(empty):
            session.run(python, str(ours / "use.py"), extra, external=True)
            if not extra:
                typed = str(ours.parent / "typed_api.py")
                session.run(
                    *("mypy", "--strict", "--config-file=", f"--python-executable={python}", typed)
                )
                pyright = str(ours / "pyright" / "node_modules" / ".bin" / "pyright")
                session.run(pyright, f"--pythonpath={python}", typed, external=True)


@nox.session
def benchmark(session: nox.Session) -> None:
    """What a trace costs, against untraced Django."""
    install(session, "test")
    session.run("python", "benchmarks/overhead.py", *session.posargs)
    session.run("python", "benchmarks/signal_map.py")
