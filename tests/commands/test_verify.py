"""Real drives, made by the real command and then damaged: what is wrong is found and named, and nothing else is."""

import json
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from io import StringIO
from pathlib import Path
from string import Template
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meosbackup import __version__
from meosbackup.batch import batch_file
from meosbackup.batch.model import Batch, Entry, Freshness, StoredFile
from meosbackup.commands import verify
from meosbackup.commands.verify import Oddity
from meosbackup.console import Console
from meosbackup.errors import DriveGoneError, MeosBackupError
from meosbackup.guide import restore_txt
from meosbackup.guide.page import page_html
from meosbackup.guide.page_data import PageFacts
from meosbackup.guide.picture import Picture
from meosbackup.mysql.private_server import ServerProgram, private_server
from meosbackup.store import inventory
from meosbackup.store.inventory import root_of
from tests.toolkit.runs import EXAMPLE_DRIVE, run_meosbackup, server_options, with_password
from tests.toolkit.servers import FILES, INNODB, make_pristine, query
from tests.toolkit.waiting import PATIENCE

BATCHES = 3
CHECK_LINE = b"\r\n\r\n(For meosbackup verify:\r\n"
READ = (".sql", ".meosxml")
SAME_DRIVE = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@dataclass(frozen=True)
class Drive:
    """A drive that a test may damage, and the folders of the batches that the command made on it, oldest first."""

    target: Path
    folders: tuple[Path, ...]

    @property
    def root(self) -> Path:
        return self.target / "meosbackup"

    @property
    def newest(self) -> Path:
        return self.folders[-1]

    @property
    def reference(self) -> Path:
        """A dump of reference tables that every batch names."""
        return max((self.root / "reference").iterdir(), key=lambda path: path.stat().st_size)

    def dump(self, stem: str = "InnoDB") -> Path:
        """A dump of the newest batch."""
        [path] = self.newest.glob(f"{stem}*.dump.sql")
        return path


@pytest.fixture(scope="module")
def made(server_program: ServerProgram, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drive with batches of the real command; it is copied, never changed."""
    folder = tmp_path_factory.mktemp("made")
    target = folder / "drive"
    target.mkdir()
    with private_server(program=server_program) as server:
        make_pristine(server, FILES, {})
        for count in range(BATCHES):
            result = run_meosbackup(
                "--once", "--target", target, "--any-disk", "--spool", folder / "spool", "--log-file", folder / "log",
                "--race", "InnoDB", "--race", "Tom", *server_options(server), env=with_password(),
            )  # fmt: skip
            assert result.returncode == 0, result.stdout + result.stderr
            query(server, f"UPDATE {INNODB}.orunner SET StartNo = %s WHERE Id = 1", 100 + count)
    return target


@pytest.fixture
def drive(made: Path, tmp_path: Path) -> Drive:
    target = shutil.copytree(made, tmp_path / "drive")
    return Drive(target, tuple(stored.folder for stored in inventory.find(target / "meosbackup").batches))


def command(*arguments: str | Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    return run_meosbackup("verify", *arguments, "--log-file", folder / "log")


def contents(folder: Path) -> dict[str, object]:
    """Return all that lies below a folder: where a link points to, what a file holds."""
    return {
        str(path.relative_to(folder)): path.readlink() if path.is_symlink() else _digest(path)
        for path in folder.rglob("*")
    }


def _digest(path: Path) -> object:
    found = path.stat()
    is_read = path.is_file() and found.st_size < 1_000_000
    return sha256(path.read_bytes()).hexdigest() if is_read else (found.st_mode, found.st_size, found.st_mtime_ns)


def found(drive: Drive) -> list[Oddity]:
    """Read a drive back, and see that nothing on it was changed."""
    before = contents(drive.target)
    findings = list(verify.read_back(verify.look(root_of(drive.target))))
    assert contents(drive.target) == before
    return findings


def wrong(drive: Drive) -> set[tuple[str, str]]:
    """Return the folder and the file of each thing that is wrong."""
    return {(finding.folder, finding.file) for finding in found(drive) if finding.is_wrong}


def notes(drive: Drive) -> set[str]:
    """Return what is noted; nothing is wrong."""
    findings = found(drive)
    assert [finding for finding in findings if finding.is_wrong] == []
    return {"/".join(filter(None, (finding.folder, finding.file))) for finding in findings}


def name(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


def rewrite(folder: Path, change: Callable[[Batch], Batch]) -> Batch:
    """Write what a batch tells of itself anew, so that its `batch.json` and its guides agree."""
    changed = change(inventory.read(folder))
    text = restore_txt.restore_text(changed, None).encode(restore_txt.ENCODING)
    guides = {**dict(changed.guides), "RESTORE.txt": sha256(text).hexdigest()}
    changed = replace(changed, guides=tuple(guides.items()))
    batch_file.write(folder, changed)
    (folder / "RESTORE.txt").write_bytes(text)
    root = folder.parents[1]
    (root / "RESTORE.txt").write_bytes(restore_txt.restore_text(changed, name(folder)).encode(restore_txt.ENCODING))
    (root / "RESTORE.html").write_text(page_html(PageFacts(changed, Picture(), name(folder), changed.taken)), "utf-8")
    return changed


def with_dump(file: str, /, **changes: Any) -> Callable[[Batch], Batch]:
    """Change what a batch says of a dump."""

    def one(entry: Entry) -> Entry:
        return replace(entry, **changes) if entry.dump and entry.dump.file == file else entry

    return lambda found: replace(found, databases=tuple(map(one, found.databases)))


def described(path: Path, content: bytes) -> StoredFile:
    """Return what a batch says of a file that has this content."""
    return StoredFile(path.name, len(content), sha256(content).hexdigest())


def rewritten(path: Path, content: bytes) -> None:
    """Give a dump another content, and have its batch say that this is what was written."""
    path.write_bytes(content)
    rewrite(path.parent, with_dump(path.name, dump=described(path, content)))


# A drive that is as it should be


def test_a_drive_as_the_command_made_it_is_good(drive: Drive, tmp_path: Path) -> None:
    assert found(drive) == []
    files = sum(path.is_file() for path in drive.root.rglob("*")) - 3  # without those at the top
    size = sum(path.stat().st_size for path in drive.root.rglob("*_*.*") if path.suffix in READ)
    result = command("--target", drive.target, folder=tmp_path)
    assert result.stdout == f"OK    {BATCHES} batches, {files} files, {size / 1000:.0f} kB: all good\n"
    assert (result.returncode, result.stderr) == (0, "")
    quiet = command("--target", drive.target, "--quiet", folder=tmp_path)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_the_options_of_a_backup_may_stand_before_its_name(drive: Drive, tmp_path: Path) -> None:
    result = run_meosbackup("--target", drive.target, "--any-disk", "verify", "--log-file", tmp_path / "log")
    assert (result.returncode, result.stderr) == (0, "")


def test_each_reference_dump_is_read_once(drive: Drive) -> None:
    assert all(drive.reference.name in (folder / "batch.json").read_text("utf-8") for folder in drive.folders)
    told: list[int] = []
    plan = verify.look(drive.root)
    assert list(verify.read_back(plan, told.append)) == []
    assert sum(told) == plan.bytes
    assert plan.bytes == sum(path.stat().st_size for path in drive.root.rglob("*_*.*") if path.suffix in READ)


def test_progress_reaches_its_end_whatever_is_wrong(drive: Drive) -> None:
    drive.dump().unlink()
    os.truncate(drive.reference, 10)
    told: list[int] = []
    plan = verify.look(drive.root)
    assert list(verify.read_back(plan, told.append))
    assert sum(told) == plan.bytes


def test_a_pinned_batch_and_what_a_look_into_a_folder_leaves_are_fine(drive: Drive) -> None:
    (drive.newest / "PINNED").touch()
    (drive.newest / "KEPT").write_text("2026-11-23T23:59:59+01:00\nLångdistans lost 38 entries\n", "utf-8")
    assert found(drive) == []
    for litter in ("Thumbs.db", "desktop.ini", ".DS_Store", "._RESTORE.txt"):
        (drive.newest / litter).write_text("litter")
    assert len(notes(drive)) == 4


@pytest.mark.parametrize("is_newer", [True, False], ids=["newer", "older"])
def test_a_batch_that_another_version_made_is_good(drive: Drive, is_newer: bool) -> None:
    """It may word its RESTORE.txt differently, and knows more keys; an old one has no restore.sql, and no SHA-256s."""
    guide, top = drive.newest / "RESTORE.txt", drive.root / "RESTORE.txt"
    guide.write_bytes(guide.read_bytes().replace(b"HOW TO GET THE RACES", b"On you go"))
    body, mark, _ = top.read_bytes().replace(b"HOW TO GET THE RACES", b"On you go").rpartition(CHECK_LINE)
    assert mark
    check = sha256(body.removeprefix(BOM_UTF8)).hexdigest().encode()
    top.write_bytes(body + mark + check + b")\r\n" if is_newer else body)
    document = json.loads((drive.newest / "batch.json").read_text("utf-8"))
    document |= {"meosbackup": "99.0" if is_newer else "0.1", "weather": "rain"}
    if is_newer:
        document["guides"]["RESTORE.txt"] = sha256(guide.read_bytes()).hexdigest()
    else:
        del document["guides"]
        for file in (drive.newest / "restore.sql", drive.newest / "RESTORE.html", drive.root / "RESTORE.html"):
            file.unlink()
    (drive.newest / "batch.json").write_text(json.dumps(document), "utf-8")
    assert found(drive) == []
    guide.write_bytes(guide.read_bytes().replace(drive.dump().name.encode(), b"x.dump.sql"))
    assert wrong(drive) == {(name(drive.newest), "RESTORE.txt")}


def test_other_words_in_the_template_damage_no_guide(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the version is the same: what counts is what was written, not what would be written now."""
    template = restore_txt._template
    monkeypatch.setattr(restore_txt, "_template", lambda name: Template(f"On you go.\n{template(name).template}"))
    batch = inventory.read(drive.newest)
    assert restore_txt.restore_text(batch, None).startswith("On you go.")
    assert "On you go." not in (drive.newest / "RESTORE.txt").read_text(restore_txt.ENCODING)
    assert batch.meosbackup == __version__
    assert found(drive) == []


def test_each_guide_that_a_batch_tells_of_is_read(drive: Drive) -> None:
    guide, text = drive.newest / "restore_2.sql", b"source meosmain.dump.sql\n"
    batch = inventory.read(drive.newest)
    guides = (*batch.guides, (guide.name, sha256(text).hexdigest()))
    batch_file.write(drive.newest, replace(batch, guides=guides))
    assert wrong(drive) == {(name(drive.newest), guide.name)}
    guide.write_bytes(text)
    assert found(drive) == []
    guide.write_bytes(text.upper())
    assert wrong(drive) == {(name(drive.newest), guide.name)}


def test_a_top_guide_that_lost_its_check_line_is_damaged(drive: Drive) -> None:
    top = drive.root / "RESTORE.txt"
    top.write_bytes(top.read_bytes().rpartition(CHECK_LINE)[0])
    assert wrong(drive) == {("", "RESTORE.txt")}


def test_an_incomplete_batch_is_good(drive: Drive) -> None:
    entry = drive.dump()
    rewrite(drive.newest, lambda found: replace(with_dump(entry.name, error="It failed.")(found), complete=False))
    assert found(drive) == []
    rewrite(drive.newest, with_dump(entry.name, dump=None))
    entry.unlink()
    assert found(drive) == []


# What is left over, and what is somebody else's


def test_what_is_not_a_batch_is_named_and_left_alone(drive: Drive, tmp_path: Path) -> None:
    day = drive.newest.parent
    (drive.root / "Semester 2026").mkdir()
    (drive.root / "Semester 2026" / "IMG_0001.jpg").write_text("a picture")
    (day / "IMG_0002.jpg").write_text("a picture")
    (day / "99-59-59").write_text("a file that is called like a batch")
    (drive.root / "1999-12-31").write_text("a file that is called like a day")
    shutil.copytree(drive.newest, day / "99-59-58.partial")
    (day / "99-59-58.partial" / "batch.json").unlink()
    (drive.root / "reference" / "Langdistans_00000000.dump.sql.partial").write_text("-- ")
    (drive.root / "reference" / "Langdistans_11111111.dump.sql").write_text("-- ")
    (drive.root / "RESTORE.txt.partial").write_text("HOW")
    expected = {
        "Semester 2026", f"{day.name}/IMG_0002.jpg", f"{day.name}/99-59-59", "1999-12-31",
        f"{day.name}/99-59-58.partial", "reference/Langdistans_00000000.dump.sql.partial",
        "reference/Langdistans_11111111.dump.sql", "RESTORE.txt.partial",
    }  # fmt: skip
    assert notes(drive) == expected
    result = command("--target", drive.target, folder=tmp_path)
    assert result.returncode == 0
    assert result.stdout.count("NOTE") == len(expected)
    assert result.stdout.splitlines()[-1].endswith("all good")


def test_many_pictures_are_not_all_named(drive: Drive, tmp_path: Path) -> None:
    for number in range(300):
        (drive.root / f"IMG_{number:04}.jpg").touch()
    result = command("--target", drive.target, folder=tmp_path)
    assert result.returncode == 0
    assert "NOTE  and 280 more" in result.stdout
    assert len(result.stdout.splitlines()) == 22


def test_the_guide_of_the_batch_before_is_what_a_broken_off_backup_leaves(drive: Drive) -> None:
    (drive.root / "RESTORE.txt").write_bytes(top_guide(drive.folders[-2]))
    assert notes(drive) == {"RESTORE.txt"}
    (drive.root / "RESTORE.txt").write_bytes(top_guide(drive.folders[-3]))
    assert wrong(drive) == {("", "RESTORE.txt")}
    (drive.root / "RESTORE.txt").unlink()
    assert wrong(drive) == {("", "RESTORE.txt")}


def test_the_page_at_the_top_is_held_against_the_newest_batch(drive: Drive) -> None:
    top = drive.root / "RESTORE.html"
    page = top.read_text("utf-8")
    top.write_text(page.replace("HOW TO", "HOW NOT TO", 1), "utf-8")
    assert wrong(drive) == {("", "RESTORE.html")}
    top.write_text(top_page(drive.folders[-2]), "utf-8")
    assert notes(drive) == {"RESTORE.html"}
    top.write_text(top_page(drive.folders[-3]), "utf-8")
    assert wrong(drive) == {("", "RESTORE.html")}
    top.unlink()
    assert wrong(drive) == {("", "RESTORE.html")}


def test_a_backup_that_was_broken_off_after_its_first_batch(drive: Drive) -> None:
    for folder in drive.folders[1:]:
        shutil.rmtree(folder)
    (drive.root / "RESTORE.txt").unlink()
    (drive.root / "RESTORE.html").unlink()
    assert notes(drive) == {"RESTORE.txt", "RESTORE.html"}


def top_page(folder: Path) -> str:
    batch = inventory.read(folder)
    return page_html(PageFacts(batch, Picture(), name(folder), batch.taken))


def top_guide(folder: Path) -> bytes:
    return restore_txt.restore_text(inventory.read(folder), name(folder)).encode(restore_txt.ENCODING)


def test_names_that_would_steer_the_terminal_are_shown_as_text(drive: Drive) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no such names")
    (drive.root / "\x1b]0;pwned\x07").touch()
    (drive.newest / "\x1b[2J\u202e.sql").touch()
    screen = StringIO()
    assert not verify.run(drive.target, Console(stream=screen))
    assert not {"\x1b", "\x07", "\u202e"} & set(screen.getvalue())
    assert "]0;pwned" in screen.getvalue()


# Damage


def test_any_byte_of_a_dump_or_a_guide_counts(drive: Drive) -> None:
    files = sorted(path for path in drive.root.rglob("*") if path.name == "RESTORE.txt" or path.suffix in READ)
    assert len(files) == 1 + 2 * BATCHES + (3 + 2) * BATCHES + len(list((drive.root / "reference").iterdir()))

    @SAME_DRIVE
    @given(st.sampled_from(files), st.integers(0, 1 << 30), st.integers(1, 255))
    def flipped(path: Path, place: int, mask: int) -> None:
        content = path.read_bytes()
        place %= len(content)
        path.write_bytes(content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :])
        findings = verify.read_back(verify.look(drive.root))
        named = {(finding.folder, finding.file) for finding in findings if finding.is_wrong}
        path.write_bytes(content)
        assert named == blamed(drive, path)

    flipped()
    assert found(drive) == []


def blamed(drive: Drive, path: Path) -> set[tuple[str, str]]:
    """Return where damage of a file is to be found."""
    if path.parent == drive.root:
        return {("", path.name)}
    if path.parent.name == "reference":
        return {(name(folder), f"reference/{path.name}") for folder in drive.folders}
    return {(name(path.parent), path.name)}


@pytest.mark.parametrize("damage", ["cut short", "longer", "empty", "missing", "a folder", "another dump"])
@pytest.mark.parametrize("which", ["dump", "reference", "meosxml", "guide", "top guide"])
def test_damage_of_a_file_is_found(drive: Drive, which: str, damage: str) -> None:
    path = {
        "dump": drive.dump(), "reference": drive.reference, "guide": drive.newest / "RESTORE.txt",
        "meosxml": next(drive.newest.glob("InnoDB*.meosxml")),
        "top guide": drive.root / "RESTORE.txt",
    }[which]  # fmt: skip
    content = path.read_bytes()
    path.unlink()
    if damage == "a folder":
        path.mkdir()
    elif damage != "missing":
        contents = {"cut short": content[:-1], "longer": content + b"\n", "empty": b""}
        path.write_bytes(contents.get(damage, drive.dump("Tom_tavling").read_bytes()))
    assert wrong(drive) == blamed(drive, path)


@pytest.mark.parametrize(
    "content", [b"<meosdata><Name>", b"<meosdata></meosdata>x", b"<Other/>", b"<meosdata>\xff</meosdata>"]
)
def test_a_file_for_meos_that_is_no_xml_is_found(drive: Drive, content: bytes) -> None:
    path = next(drive.newest.glob("InnoDB*.meosxml"))
    path.write_bytes(content)
    written = described(path, content)
    rewrite(drive.newest, with_dump(drive.dump().name, meosxml=written))
    assert wrong(drive) == {(name(drive.newest), path.name)}


def test_what_is_wrong_is_told_in_a_table_and_by_the_exit_code(drive: Drive, tmp_path: Path) -> None:
    oldest, middle, newest = map(name, drive.folders)
    entry, size = drive.dump(), drive.dump().stat().st_size
    os.truncate(entry, size - 20)
    reference = f"reference/{drive.reference.name}"
    drive.reference.unlink()
    (drive.folders[0] / "RESTORE.txt").unlink()
    result = command("--target", drive.target, "--quiet", folder=tmp_path)
    assert (result.returncode, result.stderr) == (1, "")
    head, *rows, last = result.stdout.splitlines()
    assert [" ".join(row.split()) for row in (head, *rows)] == [
        "BATCH FILE WHAT",
        f"{oldest} and 2 more {reference} is missing",
        f"{oldest} RESTORE.txt is missing",
        f"{newest} {entry.name} is {size - 20:,} bytes long, and was {size:,}",
    ]
    assert [row.index(" is ") for row in rows] == [head.index("WHAT") - 1] * 3
    assert last.startswith(f"FAIL  {BATCHES} batches")
    good = f"1 of {BATCHES} are good (reference tables and .meosxml files aside), the newest of them {middle}."
    assert f"{good} Restore from" in last


def test_a_stray_file_in_a_batch_is_wrong(drive: Drive) -> None:
    (drive.newest / "IMG_0001.jpg").write_text("a picture")
    (drive.newest / "more").mkdir()
    assert wrong(drive) == {(name(drive.newest), "IMG_0001.jpg"), (name(drive.newest), "more")}


@pytest.mark.parametrize("cut", ["-- Dump completed", "UNLOCK TABLES;", "INSERT INTO `oRunner` VALUES"])
def test_a_dump_that_is_what_was_written_and_yet_not_good(drive: Drive, cut: str) -> None:
    entry = drive.dump()
    content = entry.read_bytes()
    place = content.lower().index(cut.lower().encode()) + (len(cut) if cut.startswith("INSERT") else 0)
    rewritten(entry, content[:place])
    assert wrong(drive) == {(name(drive.newest), entry.name)}


def test_a_freshness_that_is_not_the_dumps(drive: Drive) -> None:
    file = drive.dump().name
    [fresh] = [
        entry.freshness for entry in inventory.read(drive.newest).databases if entry.dump and entry.dump.file == file
    ]
    assert fresh is not None
    rewrite(drive.newest, with_dump(file, freshness=replace(fresh, finished=fresh.finished + 1)))
    assert wrong(drive) == {(name(drive.newest), "batch.json")}


@pytest.mark.parametrize("changes", [{"complete": False}, {"databases": ()}])
def test_a_batch_that_does_not_agree_with_itself(drive: Drive, changes: dict[str, Any]) -> None:
    dumps = {path.name for path in drive.newest.iterdir() if path.suffix in READ} - {"restore.sql"}
    rewrite(drive.newest, lambda found: replace(found, **changes))
    expected = {"batch.json"} if "complete" in changes else dumps
    assert wrong(drive) == {(name(drive.newest), file) for file in expected}


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_at_the_end_of_the_calendar(drive: Drive, moment: str) -> None:
    fresh = Freshness(datetime.fromisoformat(moment), 1, 1, 1, 1)
    folder = drive.folders[0]
    file = next(entry.dump.file for entry in inventory.read(folder).races if entry.dump)
    batch_file.write(folder, with_dump(file, freshness=fresh)(inventory.read(folder)))
    assert wrong(drive) == {(name(folder), "batch.json")}


def test_a_dump_whose_checksum_was_lost(drive: Drive) -> None:
    batch = drive.newest / "batch.json"
    document = json.loads(batch.read_text("utf-8"))
    document["databases"][1]["sha256"] = None
    batch.write_text(json.dumps(document), "utf-8")
    assert wrong(drive) == {(name(drive.newest), "batch.json"), ("", "RESTORE.txt"), ("", "RESTORE.html")}


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": 1, "id": 7}', b'{"format": 1, "id": "8f', b"\xff\0"])
def test_a_mark_that_is_damaged(drive: Drive, content: bytes) -> None:
    (drive.root / "drive.json").write_bytes(content)
    assert wrong(drive) == {("", "drive.json")}


def test_a_copy_of_a_drive_may_lack_the_mark(drive: Drive) -> None:
    (drive.root / "drive.json").unlink()
    assert notes(drive) == {"drive.json"}


# A batch.json that can't be trusted


def garbled(document: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({**document, **changes}).encode()


GARBLED: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "missing": lambda document: b"",
    "cut short": lambda document: garbled(document)[:700],
    "not JSON": lambda document: b"HOW TO GET THE RACES OF MeOS BACK",
    "binary": lambda document: bytes(range(256)),
    "another's": lambda document: b'{"name": "left-pad", "version": "1.0.0"}',
    "a list": lambda document: b"[1, 2, 3]",
    "deep": lambda document: b"[" * 200_000,
    "a later format": lambda document: garbled(document, format=2),
    "pointing outside": lambda document: garbled(
        document, databases=[{**document["databases"][0], "file": "../../../../etc/passwd"}]
    ),
    "pointing to the root": lambda document: garbled(
        document, databases=[{**document["databases"][0], "file": "/etc/passwd"}]
    ),
    "a reference outside": lambda document: garbled(
        document,
        databases=[{**document["databases"][0],
                    "reference": {"file": "../../reference/../../../etc/passwd", "bytes": 1, "sha256": "00"}}],
    ),
    "databases that are none": lambda document: garbled(document, databases=["meosmain", None, 7]),
}  # fmt: skip


@pytest.mark.parametrize("kind", GARBLED)
def test_a_batch_file_that_cannot_be_trusted(drive: Drive, kind: str) -> None:
    oldest = drive.folders[0]
    path = oldest / "batch.json"
    path.write_bytes(GARBLED[kind](json.loads(path.read_text("utf-8"))))
    if kind == "missing":
        path.unlink()
    assert wrong(drive) == {(name(oldest), "batch.json")}
    screen = StringIO()
    assert not verify.run(drive.target, Console(stream=screen))
    assert f"{BATCHES - 1} of {BATCHES - 1} are good" in screen.getvalue()


def test_a_batch_file_of_gigabytes_is_not_read(drive: Drive) -> None:
    path = drive.folders[0] / "batch.json"
    for huge in (path, drive.newest / "RESTORE.txt", drive.root / "drive.json"):
        with huge.open("wb") as file:
            file.truncate(1 << 33)
    expected = {(name(path.parent), "batch.json"), (name(drive.newest), "RESTORE.txt"), ("", "drive.json")}
    assert wrong(drive) == expected


def test_no_text_of_a_batch_file_is_too_odd(drive: Drive) -> None:
    """Whatever stands there: it is told, the other batches are read all the same, and no file elsewhere is."""
    oldest, *others = map(name, drive.folders)
    path = drive.folders[0] / "batch.json"
    document = json.loads(path.read_text("utf-8"))

    @SAME_DRIVE
    @given(st.binary() | JSON.map(json.dumps).map(str.encode) | changed(document))
    def garbage(text: bytes) -> None:
        path.write_bytes(text)
        findings = list(verify.read_back(verify.look(drive.root)))
        assert [finding for finding in findings if finding.folder == oldest and finding.is_wrong]
        assert not [finding for finding in findings if finding.folder in others]
        Console(stream=StringIO()).table(["", "", ""], verify.rows(findings))

    garbage()


def changed(document: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """Put something else in one place of a `batch.json`, so that most of it makes sense, though not to the byte."""
    # Order is the sequence's, and the words of another version may be others.
    places = [place for place in map(tuple, _places(document)) if place not in {("sequence",), ("meosbackup",)}]
    odd = JSON | st.sampled_from([
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", -1, 10**60, "\ud800", "\x1b[2J", "..", "x" * 5000,
    ])  # fmt: skip

    def put(place: Sequence[Any], value: Any) -> bytes:
        copy = json.loads(json.dumps(document))
        inner = copy
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = value
        return json.dumps(copy, indent=2).encode()

    return st.builds(put, st.sampled_from(places), odd)


def _places(value: Any) -> Iterator[list[Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield [key]
        yield from ([key, *rest] for rest in _places(inner))


# Links


def linked(path: Path, elsewhere: Path) -> None:
    """Move something elsewhere, and leave a link to it."""
    elsewhere.parent.mkdir(exist_ok=True)
    path.rename(elsewhere)
    try:
        path.symlink_to(elsewhere, target_is_directory=elsewhere.is_dir())
    except OSError as error:
        pytest.skip(f"no link can be made: {error}")


@pytest.mark.parametrize("file", ["dump", "batch.json", "RESTORE.txt"])
def test_a_file_that_is_a_link_is_not_followed(drive: Drive, tmp_path: Path, file: str) -> None:
    """Though what it points to is just what was written."""
    path = drive.dump() if file == "dump" else drive.folders[0] / file
    linked(path, tmp_path / "elsewhere" / path.name)
    findings = [finding for finding in found(drive) if finding.is_wrong]
    assert {(finding.folder, finding.file) for finding in findings} == {(name(path.parent), path.name)}
    assert all("it is a link, and links are not followed" in finding.what for finding in findings)


def test_a_folder_that_is_a_link_is_not_followed(drive: Drive, tmp_path: Path) -> None:
    oldest = drive.folders[0]
    linked(oldest, tmp_path / "elsewhere" / "batch")
    (drive.root / "2020-01-01").symlink_to(drive.newest.parent, target_is_directory=True)
    (drive.root / "loop").symlink_to(drive.root, target_is_directory=True)
    findings = found(drive)
    assert {finding.folder for finding in findings if finding.is_wrong} == {name(oldest), "2020-01-01"}
    assert {finding.file for finding in findings if not finding.is_wrong} == {"loop"}


def test_reference_dumps_behind_a_link_are_not_read(drive: Drive, tmp_path: Path) -> None:
    names = {path.name for path in (drive.root / "reference").iterdir()}
    linked(drive.root / "reference", tmp_path / "elsewhere" / "reference")
    findings = [finding for finding in found(drive) if finding.is_wrong]
    assert {finding.file for finding in findings} == {f"reference/{file}" for file in names}
    assert all("it is a link" in finding.what for finding in findings)


def test_backups_behind_a_link_are_none(drive: Drive, tmp_path: Path) -> None:
    linked(drive.root, tmp_path / "elsewhere" / "meosbackup")
    result = command("--target", drive.target, folder=tmp_path)
    assert result.returncode == 1
    assert "meosbackup can't be used: it is a link" in result.stdout + result.stderr


@pytest.mark.timeout(30)
def test_a_pipe_is_not_opened(drive: Drive) -> None:
    """Reading it would wait for ever."""
    if sys.platform == "win32":
        pytest.skip("Windows has no such files")
    for path in (drive.dump(), drive.folders[0] / "batch.json", drive.folders[1] / "RESTORE.txt"):
        path.unlink()
        os.mkfifo(path)
    assert len(wrong(drive)) == 3


# Reading that fails


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """Have a file answer each reading with an I/O error: it is this process's memory, which has no first byte."""
    path.write_bytes(b"")
    mount = ["mount", "--bind", f"/proc/{os.getpid()}/mem", str(path)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def test_a_file_that_cannot_be_read(drive: Drive) -> None:
    entry = drive.dump()
    for path in (entry, drive.newest / "RESTORE.txt", drive.folders[0] / "batch.json"):
        rewrite(drive.newest, with_dump(entry.name, dump=replace(described(entry, entry.read_bytes()), bytes=0)))
        with unreadable(path):
            findings = list(verify.read_back(verify.look(drive.root)))
        told = {(finding.folder, finding.file): finding.what for finding in findings}
        assert "Input/output error" in told[name(path.parent), path.name]


class Pulled(Console):
    """A screen on which something happens as soon as it shows that the first bytes were read."""

    def __init__(self, happens: Callable[[], object]) -> None:
        self.shown = StringIO()
        super().__init__(stream=self.shown)
        self._happens = happens

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        waiting = [self._happens]

        def told(_: int) -> None:
            while waiting:
                waiting.pop()()

        yield told


def test_a_drive_that_is_pulled_out_meanwhile(drive: Drive) -> None:
    """What was found until then is told; nothing is called missing that was on the drive."""
    (drive.root / "RESTORE.txt").write_text("damaged")
    screen = Pulled(lambda: drive.root.rename(drive.target / "gone"))
    with pytest.raises(DriveGoneError, match="The drive is missing from"):
        verify.run(drive.target, screen)
    assert [row.split()[:3] for row in screen.shown.getvalue().splitlines()] == [
        ["BATCH", "FILE", "WHAT"], ["(the", "drive)", "RESTORE.txt"],
    ]  # fmt: skip


def test_another_drive_that_is_plugged_in_meanwhile(drive: Drive) -> None:
    def swap() -> None:
        drive.root.rename(drive.target / "gone")
        drive.root.mkdir()
        (drive.root / "drive.json").write_text('{"format": 1, "id": "another"}')

    with pytest.raises(DriveGoneError):
        verify.run(drive.target, Pulled(swap))


def test_a_batch_that_is_removed_meanwhile_to_make_room(drive: Drive) -> None:
    screen = Pulled(lambda: shutil.rmtree(drive.folders[1]))
    assert verify.run(drive.target, screen)
    assert f"NOTE  {name(drive.folders[1])}: was deleted meanwhile" in screen.shown.getvalue()


def test_a_large_dump_takes_little_memory(drive: Drive) -> None:
    entry, size = drive.dump(), 60_000_000
    with entry.open("r+b") as file:
        file.truncate(size)
    rewrite(drive.newest, with_dump(entry.name, dump=StoredFile(entry.name, size, "00")))
    tracemalloc.start()
    try:
        assert wrong(drive) == {(name(drive.newest), entry.name)}
        assert tracemalloc.get_traced_memory()[1] < size / 4
    finally:
        tracemalloc.stop()


# The command


def test_a_target_without_backups(tmp_path: Path) -> None:
    for target, words in ((tmp_path, "no folder meosbackup"), (tmp_path / "away", "no folder meosbackup")):
        result = command("--target", target, folder=tmp_path)
        assert result.returncode == 2
        assert words in result.stderr
    result = command(folder=tmp_path)
    assert (result.returncode, "No target is set" in result.stderr) == (2, True)


def test_a_drive_without_a_batch_is_not_called_good(drive: Drive, tmp_path: Path) -> None:
    for folder in drive.folders:
        (folder / "batch.json").unlink()
    result = command("--target", drive.target, folder=tmp_path)
    assert result.returncode == 1
    assert "There is no batch in" in result.stderr
    assert f"{name(drive.folders[0])} and {BATCHES - 1} more" in result.stdout
    shutil.rmtree(drive.root)
    drive.root.mkdir()
    with pytest.raises(MeosBackupError, match="There is no batch in"):
        verify.run(drive.target, Console(stream=StringIO()))


def test_a_terminal_shows_how_far_it_is(drive: Drive, tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no pseudo-terminals")
    controller, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "meosbackup", "verify", "--target", drive.target, "--log-file", tmp_path / "log"],
        stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    written = b""
    try:
        while piece := os.read(controller, 1 << 16):
            written += piece
    except OSError:  # how Linux tells that nobody writes any more
        pass
    finally:
        os.close(controller)
    assert process.wait(PATIENCE) == 0
    assert b"Reading back" in written
    assert re.search(rb"Reading back .* \d+%", written)
    assert b"all good" in written.splitlines()[-1]


def test_help_has_an_example() -> None:
    assert f"meosbackup verify --target {EXAMPLE_DRIVE}" in run_meosbackup("verify", "--help").stdout
