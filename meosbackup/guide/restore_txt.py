"""RESTORE.txt: tells a helper who has never seen a database how to bring a batch back without meosbackup."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from posixpath import normpath
from string import Template
from textwrap import fill

from meosbackup.batch.model import Batch, Entry, Proof
from meosbackup.batch.names import GUIDE_FILE
from meosbackup.text import clean
from meosbackup.wording import number, when

ENCODING = "utf-8-sig"
"""The encoding of RESTORE.txt. The byte order mark lets Notepad before Windows 10, WordPad and PowerShell 5 read its
letters correctly; no editor is known to fail on it, and cmd's `type` can't read UTF-8 with or without it."""

_WIDTH = 78
_LONGEST_NAME = 60
_LONGEST_REASON = 400
_CHECK_LINE = "\r\n\r\n(For meosbackup verify:\r\n{})\r\n"
_HELD = "Nothing had changed by {}, when the server was last asked."
_MYSQL = "mysql -u meos -p --default-character-set=utf8mb4"
# cmd takes lines of at most 8,191 characters (Microsoft, "Command prompt line string limitation").
_STATEMENTS_IN_A_LINE = 40
# The packet limit is raised to the most that a server takes: half the default is too little for some maps.
_MAKE_USER = (
    "CREATE USER IF NOT EXISTS 'meos'@'%' IDENTIFIED BY 'PASSWORD'; GRANT ALL ON *.* TO 'meos'@'%';"
    " SET GLOBAL max_allowed_packet=1073741824;"
)


@dataclass(frozen=True)
class _Shell:
    """Command lines of one shell: `load` feeds the server a file, `say` sends it SQL without quotation marks."""

    load: str
    say: str
    backslashes: bool


_SHELLS = {
    "cmd": _Shell(f'{_MYSQL} < "{{}}"', f'{_MYSQL} {{}}-e "{{}}"', backslashes=True),
    # PowerShell has no `<`.
    "powershell": _Shell(f'cmd /c "{_MYSQL} < {{}}"', f"{_MYSQL} {{}}-e '{{}}'", backslashes=True),
    "bash": _Shell(f"{_MYSQL} < '{{}}'", f"{_MYSQL} {{}}-e '{{}}'", backslashes=False),
}


def restore_text(batch: Batch, folder: str | None, proof: Proof | None = None, held: datetime | None = None) -> str:
    """Return the text of a batch's RESTORE.txt, with CRLF line ends, to be written in ENCODING.

    `folder` is None for the one in the batch's own folder. For the one at the top of the drive it is the batch's
    folder, relative to the top: `2026-11-22/14-03-00`. Only there, `proof` says which batch was last restored and
    compared, and `held` when the server was last known to be unchanged since this batch.
    """
    template = Template(resources.files("meosbackup.guide").joinpath("templates", GUIDE_FILE).read_text("utf-8"))
    values = {
        "summary": _wrapped(_summary(batch)),
        "place": _place(folder, proof, held),
        "races": "\n".join(_races(batch)),
        "quick": "\n".join(_quick(batch, folder)),
        "lower_case": _wrapped(_lower_case(batch)),
        "make_user": _MAKE_USER,
        "earlier": _wrapped(_earlier(folder)),
    }
    for name, shell in _SHELLS.items():
        values[f"restore_{name}"] = "\n".join(_restore(batch, folder, shell))
        values[f"check_{name}"] = "\n".join(_check(batch, shell))
        values[f"alone_{name}"] = "\n".join(_alone(batch, folder, shell))
    text = template.substitute(values).replace("\n", "\r\n")
    return text if folder is None else f"{text}{_CHECK_LINE.format(_checksum(text))}"


def is_damaged(text: bytes, *, has_check_line: bool) -> bool:
    """Return whether the RESTORE.txt at the top of a drive differs from what was written, by its checksum.

    `has_check_line` is false if an older version may have written it: then one without a checksum counts as undamaged.
    """
    body, mark, _ = text.decode(ENCODING, "replace").rpartition(_CHECK_LINE.partition("{")[0])
    return f"{body}{_CHECK_LINE.format(_checksum(body))}".encode(ENCODING) != text if mark else has_check_line


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _summary(batch: Batch) -> str:
    taken = f"{batch.taken:%Y-%m-%d %H:%M:%S}"
    if batch.complete:
        return f"Batch from {taken}: the race list and {number(len(batch.races), 'race')}, complete."
    faults = []
    if batch.race_list is None or batch.race_list.dump is None:
        faults.append("race list missing")
    elif batch.race_list.error:
        faults.append("race list older")
    missing = sum(entry.dump is None for entry in batch.races)
    older = sum(entry.dump is not None and entry.error is not None for entry in batch.races)
    counts = ((missing, "missing"), (older, "older"))
    faults += [f"{number(count, 'race')} {word}" for count, word in counts if count]
    return f"Batch from {taken}, NOT COMPLETE: {', '.join(faults) or 'see below'}."


def held_in(text: str) -> datetime | None:
    """Return the `held` that a RESTORE.txt was written with, in local time without a zone; None if it has none."""
    found = re.search("^" + _HELD.format(r"(\S{10} \S{8})"), text, re.MULTILINE)
    try:
        return datetime.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def _place(folder: str | None, proof: Proof | None, held: datetime | None) -> str:
    if folder is None:
        return "This file describes the batch in this folder."
    lines = [f"This file always describes the newest batch: folder {folder}."]
    if held is not None:
        lines.append(_HELD.format(f"{held:%Y-%m-%d %H:%M:%S}"))
    if proof is not None:
        batch, proven = (f"{moment:%Y-%m-%d %H:%M:%S}" for moment in (proof.batch, proof.proven))
        lines.append(f"Proven: the batch from {batch} was restored and compared at {proven}.")
    return "\n".join(lines)


def _earlier(folder: str | None) -> str:
    place = "Two folders up from this one" if folder is None else "Beside this file"
    return (
        f"{place}, each day has a folder (such as 2026-11-22), and in it each batch has a folder named after its time"
        f" (such as 13-45-00). The {GUIDE_FILE} there tells which races are in that batch. Open the one from the time"
        " that you want, and follow it (for one race, its PART C)."
    )


def _lower_case(batch: Batch) -> str:
    if batch.server.lower_case_table_names == 0:
        return (
            "This batch comes from a server whose setting lower_case_table_names is 0. It can be restored on a"
            " server with any value of this setting, so an existing server will do."
        )
    return (
        "The server must have the setting lower_case_table_names = 1, or MeOS won't see the races. Windows has it by"
        " default; on Linux the lines below set it. (On Linux, MySQL 8 and newer accepts this setting only when the"
        " server is first set up, so MariaDB is the easy choice there.)"
    )


def _races(batch: Batch) -> Iterator[str]:
    server = clean(f"{batch.server.flavour} {batch.server.version} on {batch.server.host}", 200)
    yield _wrapped(f"They come from {server}. All times are those of the computer that made the batch.")
    for title, entry in _titled(batch):
        yield f"\n{title}"
        yield from (_wrapped(line, "  ") for line in _facts(batch, entry))
    if batch.race_list is None:
        yield "\nRace list\n  MISSING from this batch."
    elif batch.race_list.error or batch.race_list.dump is None:
        yield "\nRace list"
        yield _wrapped(_fault(batch, batch.race_list), "  ")


def _facts(batch: Batch, entry: Entry) -> Iterator[str]:
    day = (entry.race and clean(entry.race.date, 32)) or "no date"
    fresh = entry.freshness
    if fresh is None:
        yield day
    else:
        entries = number(fresh.entries, "entry", "entries")
        cards, punches = number(fresh.cards, "card"), number(fresh.punches, "punch", "punches")
        yield f"{day}: {entries}, {fresh.finished:,} finished, {cards}, {punches}"
        yield f"Last change: {when(fresh.last_change, batch.taken) if fresh.last_change else 'not known'}"
    if entry.error or entry.dump is None:
        yield _fault(batch, entry)


def _fault(batch: Batch, entry: Entry) -> str:
    reason = f" Why: {clean(entry.error, _LONGEST_REASON)}" if entry.error else ""
    if entry.dump is None:
        return f"MISSING from this batch; look in earlier ones (PART B).{reason}"
    since = f"from {when(entry.taken, batch.taken)}" if entry.taken else "from an earlier time"
    return f"OLDER than the batch: {since}.{reason}"


def _quick(batch: Batch, folder: str | None) -> Iterator[str]:
    """Yield each race's file for MeOS; a file name is never broken over two lines, however long it is."""
    if not any(entry.meosxml for entry in batch.races):
        yield _wrapped(
            "This batch has no such files. A computer with meosbackup can make them from it, without a server:"
            " meosbackup export",
            "   ",
        )
        return
    if folder is not None:
        yield f"   (in the folder {folder})"
    for title, entry in _titled(batch):
        yield f"   {title}"
        if entry.meosxml is not None:
            yield f"   {entry.meosxml.file}"
        else:
            why = "has no such file: follow the steps" if entry.dump else "is missing from this batch: see PART B"
            yield f"   It {why}."


def _restore(batch: Batch, folder: str | None, shell: _Shell) -> Iterator[str]:
    """Yield the lines that restore a whole batch."""
    yield "First the race list:"
    if batch.race_list is None or batch.race_list.dump is None:
        yield _wrapped(
            "It is missing from this batch. Connect one MeOS to the server (STEP 5, points 1 and 2), which creates an"
            " empty race list, and close MeOS again. Then use the line of PART C for each race instead of those here."
        )
    else:
        yield _load(shell, folder, batch.race_list.dump.file)
    yield "\nThen each race:" if batch.races else "\nThis batch has no races."
    for title, entry in _titled(batch):
        yield f"\n{title}"
        yield _load(shell, folder, entry.dump.file) if entry.dump else "It is missing from this batch: see PART B."
    references = [(title, entry.reference.file) for title, entry in _titled(batch) if entry.reference]
    if references:
        yield "\n" + _wrapped(
            "You can carry on now: go to STEP 4. The reference tables (the registers of runners and clubs, and images)"
            " can wait until nobody has the race open in MeOS:"
        )
    for title, file in references:
        yield f"\n{title}"
        yield _load(shell, folder, file)


def _alone(batch: Batch, folder: str | None, shell: _Shell) -> Iterator[str]:
    """Yield, for each race, the line that restores it alone; its dump also puts it on the race list."""
    for place, (title, entry) in enumerate(_titled(batch)):
        yield f"\n{title}" if place else title
        if entry.dump is None or entry.race is None:
            yield "It is missing from this batch: see PART B."
            continue
        yield _load(shell, folder, entry.dump.file)


def _check(batch: Batch, shell: _Shell) -> Iterator[str]:
    """Yield the lines that show the race list and each restored race's number of entries."""
    statements = ["SELECT Name, Date FROM MeOSMain.oEvent WHERE Removed = 0"] + [
        f"SELECT {place} AS Race, COUNT(*) AS Entries FROM {database}.oRunner WHERE Removed = 0"
        for place, entry in enumerate(batch.races, 1)
        if entry.dump is not None and (database := _quoted(entry.database)) is not None
    ]
    for start in range(0, len(statements), _STATEMENTS_IN_A_LINE):
        # With --force, mysql goes on to the next race if one is missing.
        yield _say(shell, "; ".join(statements[start : start + _STATEMENTS_IN_A_LINE]), "--force ")


def _quoted(database: str) -> str | None:
    """Return a database's name quoted for SQL in a command line; None if a shell could misread any of it."""
    return f"`{database}`" if re.fullmatch(r"[A-Za-z0-9_$-]+", database) else None


def _load(shell: _Shell, folder: str | None, file: str) -> str:
    path = file if folder is None else normpath(f"{folder}/{file}")
    return _command(shell.load.format(path.replace("/", "\\") if shell.backslashes else path))


def _say(shell: _Shell, statements: str, options: str = "") -> str:
    return _command(shell.say.format(options, statements))


def _command(line: str) -> str:
    """Indent a line to be pasted by four spaces, as no other line of the text is."""
    return f"    {line}"


def _titled(batch: Batch) -> Iterator[tuple[str, Entry]]:
    """Yield each race's entry with its title, which is the same throughout the text."""
    for place, entry in enumerate(batch.races, 1):
        name = (entry.race and clean(entry.race.name, _LONGEST_NAME)) or "(no name)"
        yield f"Race {place}: {name}", entry


def _wrapped(text: str, indent: str = "") -> str:
    return fill(text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
