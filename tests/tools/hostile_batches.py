"""Drives whose `batch.json` was tampered with: each command ends in words and in time, and never says a wrong OK.

python -m tests.tools.hostile_batches --count 500 --seed 1
"""

import hashlib
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import click

from meosbackup import cli
from meosbackup.batch import names
from meosbackup.batch.model import StoredBatch
from meosbackup.errors import BadBatchError
from meosbackup.mysql.private_server import PrivateServer, private_server
from meosbackup.store import inventory
from tests.toolkit.runs import run_meosbackup, server_options, tool_environment, with_password
from tests.toolkit.servers import FILES, INDIVIDUAL, RACE_LIST, RELAY, make_pristine, query

SLOW = 5.0
"""Seconds that a command may take beyond twice its time on a drive that nobody tampered with."""
_HANGS = 120.0

Document: TypeAlias = Any
Tree: TypeAlias = dict[str, tuple[object, ...]]


# What is done to a batch.json

_TIMES = (
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1970-01-01T00:00:00+14:00", "2026-11-22T14:03:00",
    "2026-02-30T00:00:00+01:00", "2199-12-31T23:59:59-23:59", "2026-11-22T14:03:00+23:59:59.999999", "2026-W47-7T14Z",
)  # fmt: skip
_TEXTS = (
    "", "\0", "\x1b[2J\x1b]0;owned\x07", "\u202egpj.exe", "\ud800", "\udfff\ud800", "x" * 140_000, "å" * 60_000,
    "'; DROP DATABASE x; --", "`", "$(touch owned)", "%s%n{0}", "-e", "--yes", "NULL", "NaN", "latest", "meosmain",
    "mysql", "\n\n\r",
)  # fmt: skip
_PATHS = (
    "../../../outside/file", "/etc/passwd", "..", "../batch.json", "batch.json", "RESTORE.txt", "NUL", "con.sql",
    "a" * 300, "C:\\x", "a:b", "../../reference/../../outside/file", "../../reference/x.dump.sql",
    "x.dump.sql", ".", "b.sql.",
)  # fmt: skip
_NUMBERS = (0, -1, 1, 2**31, 2**53 - 1, 2**53, 2**63 - 1, 2**63, -(2**63), 10**400, 65_536, 0.5, -0.0, 1e308)
_OTHER: tuple[object, ...] = (None, True, False, [], {}, [[]], {"": {}}, [None] * 20)
_RAW = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "9" * 4_300,
    "9" * 5_000,
    "-" + "9" * 400,
    "[" * 30_000,
    '{"a":' * 30_000,
)
_VALUES: tuple[tuple[object, ...], ...] = (_TIMES, _TEXTS, _PATHS, _NUMBERS, _OTHER)


def places(document: Document) -> list[tuple[Any, Any]]:
    """Return each place of a document: what holds it, and its key."""
    if not isinstance(document, (dict, list)):
        return []
    items = document.items() if isinstance(document, dict) else enumerate(document)
    return [place for key, value in items for place in ((document, key), *places(value))]


def _replace(document: Document, chance: random.Random) -> None:
    holder, key = chance.choice(places(document))
    holder[key] = chance.choice(chance.choice(_VALUES))


def _replace_with_a_like(document: Document, chance: random.Random) -> None:
    """Put the value of one place into another of the same kind."""
    holder, key = chance.choice(places(document))
    like = [(other, name) for other, name in places(document) if type(other[name]) is type(holder[key])]
    other, name = chance.choice(like)
    holder[key] = json.loads(json.dumps(other[name]))


def _delete(document: Document, chance: random.Random) -> None:
    holder, key = chance.choice(places(document))
    del holder[key]


def _reckon(document: Document, chance: random.Random) -> None:
    """Make a number a little or a lot larger or smaller."""
    numbers = [(holder, key) for holder, key in places(document) if type(holder[key]) is int]
    holder, key = chance.choice(numbers)
    holder[key] += chance.choice((1, -1, 7, -1_000, 2**33, 2**52))


def _repeat(document: Document, chance: random.Random) -> None:
    """Repeat an entry once or thousands of times."""
    entries = document.get("databases") if isinstance(document, dict) else None
    if isinstance(entries, list) and entries:
        entries.extend([chance.choice(entries)] * chance.choice((1, 1, 3_000, 6_000)))


def _as_raw(document: Document, chance: random.Random) -> bytes:
    """Return the document with something in one place that no JSON writer writes."""
    holder, key = chance.choice(places(document))
    holder[key] = "\u0001raw\u0001"
    return _written(document).replace(b'"\\u0001raw\\u0001"', chance.choice(_RAW).encode(), 1)


def _written(document: Document) -> bytes:
    text = json.dumps(document, ensure_ascii=False, indent=1)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(document, indent=1).encode() + b"\n"


_STRUCTURE: tuple[Callable[[Document, random.Random], None], ...] = (
    _replace, _replace, _replace, _replace_with_a_like, _replace_with_a_like, _delete, _reckon, _repeat,
)  # fmt: skip


def _cut(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return chance.choice((data[:at], data[at:], data[:at] + data[at + chance.randrange(1, 200) :]))


def _flip(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 5, 100))):
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _digit(data: bytes, chance: random.Random) -> bytes:
    at = chance.choice([number for number, byte in enumerate(data) if 48 <= byte <= 57])
    return data[:at] + chance.choice(b"0123456789eE.-+").to_bytes(1, "big") + data[at + 1 :]


def _insert(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    more = (chance.randbytes(chance.randrange(1, 100)), b"\0" * 4096, b"\xff\xfe", data, b'"', b"}", b"\xed\xa0\x80")
    return data[:at] + chance.choice(more) + data[at:]


def _recode(data: bytes, chance: random.Random) -> bytes:
    text = data.decode()
    return chance.choice((
        b"\xef\xbb\xbf" + data, text.encode("utf-16"), text.encode("latin-1", "replace"),
        text.replace("\n", "\r\n").encode(), b"", b"\0" * len(data),
        chance.randbytes(len(data)), data + data, data + b" " * (17 << 20),
    ))  # fmt: skip


_BYTES = (_cut, _cut, _flip, _flip, _digit, _digit, _insert, _recode)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return a batch.json with one to three things done to it."""
    times = chance.choice((1, 1, 1, 2, 3))
    if chance.random() < 0.35:
        for _ in range(times):
            with suppress(UnicodeDecodeError, IndexError, ValueError):  # the one before left nothing to work on
                data = chance.choice(_BYTES)(data, chance)
        return data
    document = json.loads(data)
    if chance.random() < 0.1:
        return _as_raw(document, chance)
    for _ in range(times):
        with suppress(IndexError):
            chance.choice(_STRUCTURE)(document, chance)
    return _written(document)


# What is run, and what it said


@dataclass(frozen=True)
class Ran:
    """How a command ended: None if it was killed since it hung."""

    code: int | None
    said: str
    seconds: float


def forked(arguments: Sequence[str], environment: dict[str, str], output: Path) -> Ran:
    """Run a command in a copy of this process, which has imported everything already."""
    if sys.platform == "win32":
        raise OSError("Windows can't copy a process")
    began = time.monotonic()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _run_in_child(arguments, environment, output)
    code = None
    while code is None and time.monotonic() - began < _HANGS:
        ended, status = os.waitpid(child, os.WNOHANG)
        code = os.waitstatus_to_exitcode(status) if ended else None
        time.sleep(0.005)
    if code is None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return Ran(code, output.read_text("utf-8", "replace"), time.monotonic() - began)


def _run_in_child(arguments: Sequence[str], environment: dict[str, str], output: Path) -> None:
    code = 99
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number in (1, 2):
            os.dup2(handle, number)
        os.environ.clear()
        os.environ.update(environment)
        tempfile.tempdir = environment["TMPDIR"]
        sys.argv = ["meosbackup", *arguments]
        cli.main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 98
    except BaseException:  # noqa: BLE001 - it would go on as a second one of this process
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def fresh(arguments: Sequence[str], environment: dict[str, str], _output: Path) -> Ran:
    """Run a command in an interpreter of its own."""
    began = time.monotonic()
    result = run_meosbackup(*arguments, env=environment, timeout=_HANGS)
    return Ran(result.returncode, result.stdout + result.stderr, time.monotonic() - began)


# What must hold


def tree(*folders: Path) -> Tree:
    """Return all that lies below these folders: kinds, sizes, times and contents."""
    found: Tree = {}
    for folder in folders:
        for path in (folder, *sorted(folder.rglob("*"))):
            seen = path.lstat()
            found[str(path)] = (seen.st_mode, seen.st_mtime_ns, _sha256(path) if path.is_file() else "")
    return found


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unfit_files(stored: StoredBatch) -> list[str]:
    """Return the files of a batch that aren't what its batch.json says."""
    entries = stored.batch.databases
    meant = [file for entry in entries for file in (entry.dump, entry.reference, entry.meosxml) if file]
    return [
        file.file for file in meant
        if not stored.path(file).is_file() or stored.path(file).stat().st_size != file.bytes
        or _sha256(stored.path(file)) != file.sha256
    ]  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """One case: a folder with a copy of the drive, and all that a command may and may not touch."""

    folder: Path
    server: PrivateServer
    made: frozenset[str]
    ways: frozenset[tuple[object, object]]
    """The SHA-256 of each `.meosxml`, and the ways to make them, of the drive that nobody tampered with."""

    @property
    def root(self) -> Path:
        return self.folder / "drive" / names.ROOT_FOLDER

    def run(self, name: str, run: Callable[[Sequence[str], dict[str, str], Path], Ran], *options: str | Path) -> Ran:
        """Run a command on the drive."""
        # An empty spool: this computer didn't make the drive.
        arguments = [
            *([] if name == "once" else [name.partition(" ")[0]]), "--target", self.folder / "drive",
            "--spool", self.folder / "spool", "--log-file", self.folder / "log", *server_options(self.server), *options,
        ]  # fmt: skip
        environment = {**tool_environment(), **with_password(), "TMPDIR": str(self.folder / "tmp")}
        return run([str(argument) for argument in arguments], environment, self.folder / "said")

    def commands(self, *, rehearses: bool) -> Iterator[tuple[str, list[str | Path]]]:
        """Yield each command, and its options; `rehearse` takes long."""
        yield "list", []
        yield "list --json", ["--json"]
        yield "list --race", ["--race", "Stafett"]
        yield "verify", []
        yield "export", ["--to", self.folder / "out"]
        yield "restore", ["--dry-run"]
        if rehearses:
            yield "rehearse", []
        yield "once", ["--once", "--any-disk", "--days", "36500", "--race", "Stafett"]

    def faults(self, name: str, ran: Ran, batches: Sequence[Path]) -> Iterator[str]:
        """Yield what is wrong with how a command ended."""
        if ran.code is None:
            yield "hung"
        if ran.code not in {0, 1, 2} or "Traceback" in ran.said or "unexpected error" in ran.said:
            yield f"crashed with {ran.code}"
        if any(letter in ran.said for letter in "\x1b\x07\u202e\0") or "\ud800" in ran.said:
            yield "let a control character through"
        if ran.code == 0:
            yield from self._wrongly_fine(name, batches)
        elif name == "once":
            yield "made no batch"

    def _wrongly_fine(self, name: str, batches: Sequence[Path]) -> Iterator[str]:
        found = inventory.find(self.root)
        if name == "verify":
            unfit = [file for stored in found.batches for file in unfit_files(stored)]
            if found.doubtful or unfit:
                yield f"all good, with {unfit or found.doubtful}"
        elif name == "export":
            done = [path for path in (self.folder / "out").iterdir() if _sha256(path) not in self.made]
            if done and ways(found.batches) <= self.ways:
                yield f"exported something else: {done}"
        elif name == "rehearse":
            if all(unfit_files(stored) for stored in found.batches):
                yield "proven, and no batch is good"
        elif name == "once":
            new = [stored for stored in found.batches if stored.folder not in batches and not unfit_files(stored)]
            if len(new) != 1 or new[0].name not in (self.root / names.GUIDE_FILE).read_text("utf-8-sig"):
                yield "no new batch is whole on the drive"
        elif not found.batches:
            yield "OK, without a batch"


def ways(found: Sequence[StoredBatch]) -> set[tuple[object, object]]:
    """Return what a `.meosxml` depends on beside its dump: a race's version, and the batch's time zone."""
    return {
        (entry.race.version, stored.batch.taken.utcoffset())
        for stored in found for entry in stored.batch.races if entry.race
    }  # fmt: skip


@dataclass
class Figures:
    """What all cases came to."""

    codes: Counter[tuple[str, int | None]] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    believed: int = 0


def try_case(
    scene: Scene, seed: int, run: Callable[..., Ran], usual: dict[str, float], figures: Figures, *, rehearses: bool
) -> None:
    """Tamper with a batch.json of a scene, and run all commands on it."""
    chance = random.Random(seed)
    batches = [stored.folder for stored in inventory.find(scene.root).batches]
    file = batches[-1 if chance.random() < 0.7 else 0] / names.BATCH_FILE
    file.write_bytes(mutated(file.read_bytes(), chance))
    with suppress(BadBatchError):
        inventory.read(file.parent)
        figures.believed += 1
    drive, others = scene.folder / "drive", (scene.folder / "outside", scene.folder / "drive" / "photos")
    before, whole = tree(*others), tree(drive)
    for name, options in scene.commands(rehearses=rehearses):
        ran = scene.run(name, run, *options)
        found = list(scene.faults(name, ran, batches))
        if ran.seconds > 2 * usual.get(name, 0) + SLOW:
            found.append(f"took {ran.seconds:.1f} s")
        if tree(*others) != before:
            found.append("touched something outside")
        if name not in {"once", "rehearse"} and tree(drive) != whole:
            found.append("changed the drive")
        if any((scene.folder / "tmp").iterdir()):
            found.append("left something among temporary files")
        figures.codes[name, ran.code] += 1
        figures.slowest[name] = max(figures.slowest.get(name, 0), ran.seconds)
        figures.faults += [f"seed {seed}: {name}: {fault}\n{ran.said[-1500:]}" for fault in found]


def set_up(folder: Path, server: PrivateServer) -> Scene:
    """Make a drive with two batches of two races, and things beside it."""
    for name in ("drive/photos", "outside", "out", "tmp"):
        (folder / name).mkdir(parents=True)
    for name in ("drive/photos/Strand.jpg", "outside/file"):
        (folder / name).write_bytes(b"theirs")
    scene = Scene(folder, server, frozenset(), frozenset())
    for count in range(2):
        query(server, f"UPDATE {RELAY}.orunner SET StartNo = %s WHERE Id = 1", 100 + count)
        ran = scene.run("once", fresh, "--once", "--any-disk", "--days", "36500")
        assert ran.code == 0, ran.said
    found = inventory.find(scene.root).batches
    made = frozenset(map(_sha256, scene.root.rglob(f"*{names.MEOSXML}")))
    return Scene(folder, server, made, frozenset(ways(found)))


def copied(scene: Scene, folder: Path) -> Scene:
    """Return a copy of a scene, without its spool."""
    shutil.copytree(scene.folder, folder, ignore=lambda _, found: {"spool"} & set(found))
    return replace(scene, folder=folder)


def run_all(count: int, seed: int, fresh_ones: int, rehearse_each: int) -> Figures:
    """Try so many cases; the first few of them run each command in an interpreter of its own."""
    for name in cli.COMMANDS:
        importlib.import_module(f"meosbackup.commands.{name}")
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="meosbackup-hostile-") as work, private_server() as server:
        make_pristine(server, {name: FILES[name] for name in (RACE_LIST, RELAY, INDIVIDUAL)}, {})
        scene = set_up(Path(work, "scene"), server)
        case = copied(scene, Path(work, "untampered"))
        commands = case.commands(rehearses=rehearse_each > 0)
        first = fresh if fresh_ones else forked
        usual = {name: case.run(name, first, *options).seconds for name, options in commands}
        for number in range(count):
            case = copied(scene, Path(work, "case"))
            rehearses = rehearse_each > 0 and number % rehearse_each == 0
            run = fresh if number < fresh_ones else forked
            try_case(case, seed + number, run, usual, figures, rehearses=rehearses)
            shutil.rmtree(case.folder)
            if (number + 1) % 50 == 0:
                click.echo(f"{number + 1} cases from seed {seed} to {seed + number}: {len(figures.faults)} faults")
    return figures


@click.command(help=__doc__)
@click.option("--count", default=500, show_default=True, help="How many cases.")
@click.option("--seed", default=1, show_default=True, help="The first case's seed; each next one's is one more.")
@click.option("--fresh", "fresh_ones", default=30, show_default=True, help="How many run in interpreters of their own.")
@click.option("--rehearse-each", default=25, show_default=True, help="Which cases are rehearsed too; 0 is none.")
def main(count: int, seed: int, fresh_ones: int, rehearse_each: int) -> None:
    """Tamper with drives, and print what the commands made of it."""
    if sys.platform == "win32":
        click.echo("Skipped: Windows can't copy a process.")
        return
    figures = run_all(count, seed, fresh_ones, rehearse_each)
    for fault in figures.faults:
        click.echo(fault)
    for name, seconds in figures.slowest.items():
        codes = {code: times for (command, code), times in sorted(figures.codes.items()) if command == name}
        shown = ", ".join(f"{times} with exit code {code}" for code, times in codes.items())
        click.echo(f"{name:<12} {shown}; {seconds:.1f} s at most")
    click.echo(
        f"{count} cases from seed {seed} on, {figures.believed} of them still a batch: {len(figures.faults)} faults"
    )
    sys.exit(1 if figures.faults else 0)


if __name__ == "__main__":
    main()
