"""`meosbackup check`, run, and what it found."""

import re
from pathlib import Path

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.place import Place
from tests.toolkit.runs import Completed, run_meosbackup, server_options, with_password

RACES = ["Höstmedeln «Осень» O'Cup (2026-11-22)", "Stafettkväll – Relais d'Été (2026-11-23)",
         "Tom tävling (2026-11-22)", "InnoDB-tävlingen (2026-11-22)"]  # fmt: skip
"""What `check` calls the races of the fixture `server`."""


def check(place: Place, server: PrivateServer, *more: str | Path) -> Completed:
    return run_meosbackup("check", *place.options, *server_options(server), *more, env=with_password())


def findings(result: Completed) -> dict[str, list[tuple[str, str]]]:
    """Return for each thing that was checked its words and texts."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in result.stdout.splitlines():
        if parts := re.fullmatch(r"(OK|NOTE|FAIL) +([^:]+): (.+)", line):
            found.setdefault(parts[2], []).append((parts[1], parts[3]))
    return found


def to_do(result: Completed) -> list[str]:
    """Return what the verdict says that is left to do; it ends what is said."""
    said = result.stdout.rstrip().rpartition("\n\n")[2].splitlines()
    if result.returncode == 0:
        assert said[0].startswith("Ready for race day.")
        return said[1:]
    assert re.fullmatch(rf"Not ready for race day: {len(said) - 1} things? to do\.", said[0])
    assert [line.partition(". ")[0] for line in said[1:]] == [str(number) for number in range(1, len(said))]
    return [line.partition(". ")[2] for line in said[1:]]


def failed(result: Completed) -> dict[str, str]:
    """Return for each thing that is not as it should be what was said of it."""
    return {
        name: text for name, results in findings(result).items() for word, text in results if word == "FAIL"
    }  # fmt: skip
