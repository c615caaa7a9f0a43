"""The long command lines of everyday work; `nox -l` lists them.

Every session runs in the virtual environment that nox itself runs in (`pip install -e '.[dev]'`), so none needs the
network or an environment of its own. Only `build` makes one, to try what it built.
"""

import sys
import tempfile
import venv
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "fast"]

_PROGRAMS = Path(sys.executable).parent


def _run(session: nox.Session, program: str, *arguments: str) -> None:
    session.run(str(_PROGRAMS / program), *arguments)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, the direction of imports, and spelling."""
    _run(session, "ruff", "check")
    _run(session, "ruff", "format", "--check")
    _run(session, "lint-imports")
    _run(session, "codespell")


@nox.session
def types(session: nox.Session) -> None:
    """Check types for both platforms."""
    for platform in ("linux", "win32"):
        _run(session, "mypy", "--platform", platform, "--cache-dir", f".mypy_cache/{platform}")


@nox.session
def fast(session: nox.Session) -> None:
    """Run the tests that need no server."""
    _run(session, "pytest", "-m", "not server", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests."""
    _run(session, "pytest", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the tests (or those given after `--`) and report the lines and branches that none of them reached."""
    _run(session, "coverage", "erase")
    _run(session, "coverage", "run", "-m", "pytest", *session.posargs)
    _run(session, "coverage", "combine", "--quiet")
    _run(session, "coverage", "report")


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel and the source archive, and run the demo from each in a new environment, elsewhere."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run(session, "python", "-m", "build", "--outdir", str(folder / "dist"))
        for archive in sorted((folder / "dist").iterdir()):
            environment = folder / archive.suffix.lstrip(".")
            venv.create(environment, with_pip=True)
            programs = environment / _PROGRAMS.name
            with session.chdir(folder):
                session.run(str(programs / "pip"), "install", "--quiet", str(archive))
                session.run(str(programs / "meosbackup"), "demo")


@nox.session
def exe(session: nox.Session) -> None:
    """Make dist/meosbackup.exe: on Windows with this Python, on Linux with that of the tests' Windows."""
    if sys.platform == "win32":
        _run(session, "pyinstaller", "--noconfirm", "meosbackup.spec")
    else:
        _run(session, "python", "-m", "tests.toolkit.exe", "dist")
