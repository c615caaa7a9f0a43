"""RESTORE.txt: how a helper who has never seen a database brings a batch back, without meosbackup."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from posixpath import normpath
from string import Template
from textwrap import fill

from meosbackup.batch.model import Batch, Entry, Proof
from meosbackup.batch.names import GUIDE_FILE
from meosbackup.text import clean

ENCODING = "utf-8-sig"
"""What RESTORE.txt is written in. With the mark at its start, Notepad before Windows 10, WordPad and PowerShell 5 read
its letters right too; nothing that opens a text file stumbles over it, and cmd's `type` reads neither."""

_WIDTH = 78
_LONGEST_NAME = 60
_LONGEST_REASON = 400
_CHECK_LINE = "\r\n\r\n(For meosbackup verify:\r\n{})\r\n"
_HELD = "Nothing had changed by {}, when the server was last asked."
_MYSQL = "mysql -u meos -p --default-character-set=utf8mb4"
# 8,191 letters are the longest line that cmd takes (Microsoft, "Command prompt line string limitation").
_STATEMENTS_IN_A_LINE = 40
# The largest that a server takes: a map of more than half the default limit doesn't come back otherwise.
_MAKE_USER = (
    "CREATE USER IF NOT EXISTS 'meos'@'%' IDENTIFIED BY 'PASSWORD'; GRANT ALL ON *.* TO 'meos'@'%';"
    " SET GLOBAL max_allowed_packet=1073741824;"
)


@dataclass(frozen=True)
class _Shell:
    """How a shell is told to give the server a file, or SQL that holds neither of the two quotation marks."""

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
    folder below that, `2026-11-22/14-03-00`; there, `proof` tells which batch was restored and compared last, and
    `held` when it was last seen that nothing had changed since this batch.
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
    """Tell whether the RESTORE.txt at the top of a drive isn't what was written.

    Where an older version may have written it (`has_check_line` is false), one without that line is taken as it is.
    """
    body, mark, _ = text.decode(ENCODING, "replace").rpartition(_CHECK_LINE.partition("{")[0])
    return f"{body}{_CHECK_LINE.format(_checksum(body))}".encode(ENCODING) != text if mark else has_check_line


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _summary(batch: Batch) -> str:
    when = f"{batch.taken:%Y-%m-%d %H:%M:%S}"
    count = len(batch.races)
    if batch.complete:
        return f"Batch of {when}: the race list and {_counted(count, 'race')}, complete."
    faults = []
    if batch.race_list is None or batch.race_list.dump is None:
        faults.append("race list missing")
    elif batch.race_list.error:
        faults.append("race list older")
    missing = sum(entry.dump is None for entry in batch.races)
    older = sum(entry.dump is not None and entry.error is not None for entry in batch.races)
    counts = ((missing, "missing"), (older, "older"))
    faults += [f"{_counted(number, 'race')} {word}" for number, word in counts if number]
    return f"Batch of {when}, NOT COMPLETE: {', '.join(faults) or 'see below'}."


def held_in(text: str) -> datetime | None:
    """Read from a RESTORE.txt when it was last seen that nothing had changed; local time without its zone."""
    found = re.search("^" + _HELD.format(r"(\S{10} \S{8})"), text, re.MULTILINE)
    try:
        return datetime.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def _place(folder: str | None, proof: Proof | None, held: datetime | None) -> str:
    if folder is None:
        return "This file describes the batch in this very folder."
    lines = [f"This file always describes the newest batch: folder {folder}."]
    if held is not None:
        lines.append(_HELD.format(f"{held:%Y-%m-%d %H:%M:%S}"))
    if proof is not None:
        batch, proven = (f"{moment:%Y-%m-%d %H:%M:%S}" for moment in (proof.batch, proof.proven))
        lines.append(f"Proven: the batch of {batch} was restored and compared at {proven}.")
    return "\n".join(lines)


def _earlier(folder: str | None) -> str:
    place = "Two folders up from this one" if folder is None else "Beside this file"
    return (
        f"{place}, each day has a folder (such as 2026-11-22), and in it each batch has a folder, named by its time"
        f" (such as 13-45-00). There lies a {GUIDE_FILE} that tells which races are in that batch. Open the one of the"
        " time that you want, and do what that one says (for one race, its PART C)."
    )


def _lower_case(batch: Batch) -> str:
    if batch.server.lower_case_table_names == 0:
        return (
            "This batch comes from a server whose setting lower_case_table_names is 0. It can be brought back to a"
            " server with any value of it, so a server that is there already will do."
        )
    return (
        "The server must have the setting lower_case_table_names = 1, or MeOS won't see the races. On Windows it has;"
        " on Linux the lines below see to it. (MySQL 8 and newer on Linux takes this setting only when it is first set"
        " up, so MariaDB is the easy choice there.)"
    )


def _races(batch: Batch) -> Iterator[str]:
    server = clean(f"{batch.server.flavour} {batch.server.version} on {batch.server.host}", 200)
    yield _wrapped(f"They come from {server}. All times are that computer's.")
    for title, entry in _titled(batch):
        yield f"\n{title}"
        yield from (_wrapped(line, "  ") for line in _facts(batch, entry))
    if batch.race_list is None:
        yield "\nRace list\n  MISSING in this batch."
    elif batch.race_list.error or batch.race_list.dump is None:
        yield "\nRace list"
        yield _wrapped(_fault(batch, batch.race_list), "  ")


def _facts(batch: Batch, entry: Entry) -> Iterator[str]:
    day = (entry.race and clean(entry.race.date, 32)) or "no date"
    fresh = entry.freshness
    if fresh is None:
        yield day
    else:
        entries = _counted(fresh.entries, "entry", "entries")
        cards, punches = _counted(fresh.cards, "card"), _counted(fresh.punches, "punch", "punches")
        yield f"{day}: {entries}, {fresh.finished} finished, {cards}, {punches}"
        yield f"Last change: {_when(batch, fresh.last_change) if fresh.last_change else 'not known'}"
    if entry.error or entry.dump is None:
        yield _fault(batch, entry)


def _fault(batch: Batch, entry: Entry) -> str:
    reason = f" Why: {clean(entry.error, _LONGEST_REASON)}" if entry.error else ""
    if entry.dump is None:
        return f"MISSING in this batch; look in earlier ones (PART B).{reason}"
    since = f"as it was at {_when(batch, entry.taken)}" if entry.taken else "of an earlier moment"
    return f"OLDER than the batch: {since}.{reason}"


def _quick(batch: Batch, folder: str | None) -> Iterator[str]:
    """Tell the file of each race that MeOS opens by itself; a file's name stays in one piece, however long."""
    if not any(entry.meosxml for entry in batch.races):
        yield _wrapped(
            "This batch holds no such file. A computer with meosbackup makes them of it, without a server: meosbackup"
            " export",
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
            why = "has no such file: take the steps" if entry.dump else "is missing in this batch: see PART B"
            yield f"   It {why}."


def _restore(batch: Batch, folder: str | None, shell: _Shell) -> Iterator[str]:
    """Tell the lines that bring all of a batch back."""
    yield "First the race list:"
    if batch.race_list is None or batch.race_list.dump is None:
        yield _wrapped(
            "It is missing in this batch. Tell one MeOS of the server (STEP 5, points 1 and 2), which makes an empty"
            " race list, and close MeOS again. Then take the lines of PART C for each race, in the place of those here."
        )
    else:
        yield _load(shell, folder, batch.race_list.dump.file)
    yield "\nThen each race:" if batch.races else "\nThis batch holds no race."
    for title, entry in _titled(batch):
        yield f"\n{title}"
        yield _load(shell, folder, entry.dump.file) if entry.dump else "It is missing in this batch: see PART B."
    references = [(title, entry.reference.file) for title, entry in _titled(batch) if entry.reference]
    if references:
        yield "\n" + _wrapped(
            "You can carry on now: go to STEP 4. The reference tables (the register of runners and clubs, and images)"
            " can wait for a time when nobody has the race open in MeOS:"
        )
    for title, file in references:
        yield f"\n{title}"
        yield _load(shell, folder, file)


def _alone(batch: Batch, folder: str | None, shell: _Shell) -> Iterator[str]:
    """Tell the line that brings back one race, for each race; its dump puts it on the race list itself."""
    for number, (title, entry) in enumerate(_titled(batch)):
        yield f"\n{title}" if number else title
        if entry.dump is None or entry.race is None:
            yield "It is missing in this batch: see PART B."
            continue
        yield _load(shell, folder, entry.dump.file)


def _check(batch: Batch, shell: _Shell) -> Iterator[str]:
    """Tell the lines that show the race list, and how many entries each restored race has, by its number here."""
    statements = ["SELECT Name, Date FROM MeOSMain.oEvent WHERE Removed = 0"] + [
        f"SELECT {number} AS Race, COUNT(*) AS Entries FROM {database}.oRunner WHERE Removed = 0"
        for number, entry in enumerate(batch.races, 1)
        if entry.dump is not None and (database := _quoted(entry.database)) is not None
    ]
    for start in range(0, len(statements), _STATEMENTS_IN_A_LINE):
        # --force goes on to the next race where one is missing.
        yield _say(shell, "; ".join(statements[start : start + _STATEMENTS_IN_A_LINE]), "--force ")


def _quoted(database: str) -> str | None:
    """Quote a database's name for SQL in a command line; None where it holds more than a shell can be trusted with."""
    return f"`{database}`" if re.fullmatch(r"[A-Za-z0-9_$-]+", database) else None


def _load(shell: _Shell, folder: str | None, file: str) -> str:
    path = file if folder is None else normpath(f"{folder}/{file}")
    return _command(shell.load.format(path.replace("/", "\\") if shell.backslashes else path))


def _say(shell: _Shell, statements: str, options: str = "") -> str:
    return _command(shell.say.format(options, statements))


def _command(line: str) -> str:
    """Set in a line to be pasted: by four blanks, which nothing else in the text has."""
    return f"    {line}"


def _titled(batch: Batch) -> Iterable[tuple[str, Entry]]:
    """Give each race's dump with the title that it has in all of the text."""
    for number, entry in enumerate(batch.races, 1):
        name = (entry.race and clean(entry.race.name, _LONGEST_NAME)) or "(no name)"
        yield f"Race {number}: {name}", entry


def _when(batch: Batch, moment: datetime) -> str:
    local = moment.astimezone(batch.taken.tzinfo)
    return f"{local:%H:%M:%S}" if local.date() == batch.taken.date() else f"{local:%Y-%m-%d %H:%M:%S}"


def _counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _wrapped(text: str, indent: str = "") -> str:
    return fill(text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
