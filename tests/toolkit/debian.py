"""Packages of any suite of Debian, unpacked into a folder without root, from the archive that apt uses here."""

import email
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.toolkit.cache import NotToBeHadError

_APT = Path("/etc/apt")
_LIMIT = 120.0


def unpack(
    suite: str, names: Sequence[str], into: Path, *, alone: Sequence[str] = (), but: tuple[str, ...] = ()
) -> None:
    """Have apt find and fetch packages in a state of its own, and unpack them into a folder.

    What the packages `names` depend on comes as well, except those that begin like one in `but`; what the packages
    `alone` depend on does not. Raises NotToBeHadError.
    """
    apt = into / "apt"
    (apt / "lists/partial").mkdir(parents=True)
    (apt / "archives/partial").mkdir(parents=True)
    (apt / "status").touch()
    # Names of packages may be as new as the suite, whose date a machine with an odd clock doubts.
    (apt / "sources.list").write_text(f"deb [check-valid-until=no] {mirror(_APT)} {suite} main\n")
    (apt / "apt.conf").write_text(
        f'Dir::State "{apt}"; Dir::State::status "{apt}/status"; Dir::Cache "{apt}";\n'
        f'Dir::Etc::sourcelist "{apt}/sources.list"; Dir::Etc::sourceparts "/dev/null";\n'
        'Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "/dev/null";\n'
        'Acquire::Languages "none"; APT::Sandbox::User ""; APT::Install-Recommends "false";\n'
        'APT::Update::Error-Mode "any";\n'
    )
    _run("apt-get", "-c", f"{apt}/apt.conf", "update", folder=apt)
    needed = [name for name in _with_dependencies(apt, names) if not name.startswith(but)] if names else []
    _run("apt-get", "-c", f"{apt}/apt.conf", "download", *needed, *alone, folder=apt)
    for package in sorted(apt.glob("*.deb")):
        _run("dpkg-deb", "--extract", str(package), str(into), folder=apt)
    shutil.rmtree(apt)


def _with_dependencies(apt: Path, names: Sequence[str]) -> list[str]:
    planned = _run("apt-get", "-c", f"{apt}/apt.conf", "--simulate", "install", *names, folder=apt)
    return [line.split()[1] for line in planned.splitlines() if line.startswith("Inst ")]


def mirror(settings: Path) -> str:
    """Return the first archive of Debian in a folder of apt's settings. Raises NotToBeHadError if it has none."""
    extra = settings / "sources.list.d"
    # Debian's own file there is a .sources file; what vendors add, with paths that end like Debian's, mostly isn't.
    for file in (settings / "sources.list", *sorted(extra.glob("*.sources")), *sorted(extra.glob("*.list"))):
        text = re.sub(r"^[ \t]*#.*\n?", "", file.read_text("utf-8"), flags=re.MULTILINE) if file.is_file() else ""
        for uri in _uris_of_stanzas(text) if file.suffix == ".sources" else _uris_of_lines(text):
            if re.fullmatch(r"https?://\S+/debian/?", uri):
                return uri
    raise NotToBeHadError(f"no archive of Debian is in the settings of apt ({settings})")


def _uris_of_lines(text: str) -> list[str]:
    return re.findall(r"^[ \t]*deb[ \t]+(?:\[.*?\][ \t]+)?(\S+)[ \t].*\bmain\b", text, re.MULTILINE)


def _uris_of_stanzas(text: str) -> list[str]:
    stanzas = map(email.message_from_string, re.split(r"\n\s*\n", text.strip()))
    return [
        uri
        for stanza in stanzas
        if stanza.get("Enabled", "yes") != "no"
        and "deb" in stanza.get("Types", "").split()
        and "main" in stanza.get("Components", "").split()
        for uri in stanza.get("URIs", "").split()
    ]


def _run(*arguments: str, folder: Path) -> str:
    try:
        result = subprocess.run(
            arguments, cwd=folder, env={**os.environ, "LC_ALL": "C"}, capture_output=True, encoding="utf-8",
            timeout=_LIMIT, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotToBeHadError(f"{arguments[0]}: {error}") from error
    if result.returncode:
        complaints = [line for line in result.stderr.splitlines() if line.startswith(("E:", "W:", "dpkg-deb:"))]
        raise NotToBeHadError(f"{arguments[0]} {arguments[3]}: {'; '.join(complaints)}")
    return result.stdout
