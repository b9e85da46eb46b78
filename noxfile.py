"""What must hold, by name: `nox -l` lists the sessions, `nox` runs those that every change must pass."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "imports", "tests", "no_extras", "package"]

# Default tests run beside each other; loadfile keeps a file's costly fixtures in one process.
PARALLEL = ("-n", "auto", "--dist", "loadfile")

# What a wheel can lack is a file, which is looked for, or what pip makes of it: entry points, extras. That all of it
# works is shown from the source tree.
FROM_A_WHEEL = (
    "tests/cli/guide/test_interview.py",
    "tests/cli/test_completion.py",
    "tests/cli/test_demo.py",
    "tests/cli/test_transcripts.py",
    "tests/contract/test_state_contents.py",
    "tests/property/test_what_clients_find.py",
)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and common mistakes."""
    session.install("ruff==0.17.5")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    session.install("-e", ".[dev]")
    session.run("mypy")


@nox.session
def imports(session: nox.Session) -> None:
    """Which room may know which."""
    session.install("-e", ".[dev]")
    session.run("lint-imports")


@nox.session
def tests(session: nox.Session) -> None:
    """The default tests, with every extra installed."""
    session.install("-e", ".[test,daemon]")
    session.run("pytest", *PARALLEL, *session.posargs)


@nox.session
def no_extras(session: nox.Session) -> None:
    """The default tests as a laptop has them: without any extra."""
    session.install("-e", ".[test]")
    session.run("python", "-c", "import importlib.util as u, sys; sys.exit(bool(u.find_spec('watchdog')))")
    session.run("pytest", *PARALLEL, "tests/unit", "tests/cli", *session.posargs)


@nox.session
def package(session: nox.Session) -> None:
    """The built wheel outside the source tree: every file, a session of each kind, a client."""
    session.install("build")
    with tempfile.TemporaryDirectory() as scratch:
        session.run("python", "-m", "build", "--installer", "pip", "--outdir", scratch, ".")
        (wheel,) = Path(scratch).glob("*.whl")
        if missing := _missing_from(wheel):
            session.error(f"the wheel lacks {', '.join(missing)}")
        session.install(f"{wheel}[test]", "--force-reinstall")
        shutil.copytree("tests", Path(scratch) / "run" / "tests")
        shutil.copytree("examples", Path(scratch) / "run" / "examples")
        for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "noxfile.py"):
            shutil.copy(name, Path(scratch) / "run")
        shutil.copytree("docs", Path(scratch) / "run" / "docs")
        with session.chdir(Path(scratch) / "run"):
            session.run("python", "-c", "import rstuf; assert 'site-packages' in rstuf.__file__, rstuf.__file__")
            session.run("pytest", *PARALLEL, *FROM_A_WHEEL, *session.posargs)


def _missing_from(wheel: Path) -> list[str]:
    """The files of the source tree that a wheel does not have."""
    with zipfile.ZipFile(wheel) as archive:
        there = {*archive.namelist()}
    files = (path for path in Path("src").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    names = (path.relative_to("src").as_posix() for path in files if ".egg-info" not in str(path))
    return sorted({*names} - there)


@nox.session
def example(session: nox.Session) -> None:
    """Real input: the project's own dependencies, published and verified by a client that lives elsewhere."""
    session.install("-e", ".")
    session.run("python", "examples/dependencies/run.py", *session.posargs)


@nox.session
def crash(session: nox.Session) -> None:
    """Their instruments; then kills, power cuts, errors, full disks, clocks, crowds, seeded faults. Needs strace."""
    session.install("-e", ".[test]")
    session.run("pytest", "tests/crash")
    session.run("python", "-m", "tests.crash", *session.posargs)


@nox.session
def people(session: nox.Session) -> None:
    """Key holders with real keys change root and online keys while others publish and read: no client may fail."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "tests.people", *session.posargs)


@nox.session
def interop(session: nox.Session) -> None:
    """tuf-js, go-tuf and python-tuf read what the command line makes. Needs node with npm, go, and their registries."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "tests.interop", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Ratios to the floor and to the plain way; `-- --full` for the sizes of the documentation."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "tests.benchmarks", *session.posargs)
