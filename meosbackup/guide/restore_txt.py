"""RESTORE.txt: tells a helper who has never seen a database how to bring a batch back without meosbackup."""

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from importlib import resources
from string import Template
from textwrap import fill

from meosbackup.batch.model import Batch, Entry, Proof
from meosbackup.batch.names import GUIDE_FILE, RESTORE_FILE
from meosbackup.guide.restore_sql import COMMAND, file_count, last_line, race_name, results
from meosbackup.guide.spare_server import SpareServer
from meosbackup.text import clean
from meosbackup.wording import number, when

ENCODING = "utf-8-sig"
"""The encoding of RESTORE.txt. The byte order mark lets Notepad before Windows 10, WordPad and PowerShell 5 read its
letters correctly; no editor is known to fail on it, and cmd's `type` can't read UTF-8 with or without it."""

_WIDTH = 78
_LONGEST_REASON = 400
_CHECK_LINE = "\r\n\r\n(For meosbackup verify:\r\n{})\r\n"
_HELD = "Nothing had changed by {}, when the server was last asked."
# In quotation marks, cmd takes slashes in a path, as bash does. PowerShell has no `<`.
LOAD = 'mysql -u meos -p --default-character-set=utf8mb4 < "{}"'
# The packet limit is raised to the most that a server takes: half the default is too little for some maps.
MAKE_USER = (
    "CREATE USER IF NOT EXISTS 'meos'@'%' IDENTIFIED BY 'PASSWORD'; GRANT ALL ON *.* TO 'meos'@'%';"
    " SET GLOBAL max_allowed_packet=1073741824;"
)
_ENTER = """\
   Paste this line. You see the folder's name where you type next.
    cd "{}"
"""
_RESTORE = f"""\
2. Paste this line; it is the same for cmd, PowerShell and Linux. Type the
   password of the user meos (nothing is shown while you type).
    {COMMAND}
   You see a warning of an unknown option, which is harmless, and then
   "Restoring 1 of {{0}}", and so on. Wait for {{0}} of {{0}}. Do you see ERROR or "not
   recognized"? Look into PART A, and paste the line again."""
_RESTORE_ONE_BY_ONE = """\
2. An older meosbackup made this batch, without a line for all races. Paste
   the lines of PART C, one after the other: the race list's first."""
_CHECK_IN_MEOS = """\
Open each race in MeOS (STEP 5). You see as many entries as in the list above."""
VERSIONS = {"mariadb": "10.11", "mysql": "8.4"}
"""The versions to install: MeOS refuses MariaDB 11 and newer. Their folders on Windows are named after them."""


def restore_text(
    batch: Batch,
    folder: str | None,
    proof: Proof | None = None,
    held: datetime | None = None,
    spare: SpareServer | None = None,
) -> str:
    """Return the text of a batch's RESTORE.txt, with CRLF line ends, to be written in ENCODING.

    `folder` is None for the one in the batch's own folder. For the one at the top of the drive it is the batch's
    folder, relative to the top: `2026-11-22/14-03-00`. Only there, `proof` says which batch was last restored and
    compared, `held` when the server was last known to be unchanged since this batch, and `spare` what the spare server
    has.
    """
    has_sql = RESTORE_FILE in dict(batch.guides)  # an older version's batch has none
    values = {
        "spare": _spare(spare) if spare and spare.as_of else "",
        "summary": _wrapped(_summary(batch)),
        "place": _place(folder, proof, held),
        "races": "\n".join(_races(batch)),
        "quick": _quick(batch, folder),
        "lower_case": _wrapped(_lower_case(batch)),
        "make_user": MAKE_USER,
        "enter": "" if folder is None else _ENTER.format(folder),
        "restore": _RESTORE.format(file_count(batch)) if has_sql else _RESTORE_ONE_BY_ONE,
        "check": "\n".join(_check(batch)) if has_sql else _CHECK_IN_MEOS,
        "earlier": _wrapped(_earlier(folder)),
        "alone": "\n".join(_alone(batch)),
        **VERSIONS,
    }
    text = _template(GUIDE_FILE).substitute(values).replace("\n", "\r\n")
    return text if folder is None else f"{text}{_CHECK_LINE.format(_checksum(text))}"


@cache
def _template(name: str) -> Template:
    return Template(resources.files("meosbackup.guide").joinpath("templates", name).read_text("utf-8"))


def _spare(spare: SpareServer) -> str:
    return _template("SPARE.txt").substitute(
        held=_wrapped(spare.held), how_to_go_on=_wrapped(spare.how_to_go_on), as_race_server=spare.as_race_server,
        as_spare_server=spare.as_spare_server,
    )  # fmt: skip


def is_damaged(text: bytes, *, has_check_line: bool) -> bool:
    """Return whether the RESTORE.txt at the top of a drive differs from what was written, by its checksum.

    `has_check_line` is false if an older version may have written it: then one without a checksum counts as undamaged.
    """
    body, mark, _ = text.decode(ENCODING, "replace").rpartition(_CHECK_LINE.partition("{")[0])
    return f"{body}{_CHECK_LINE.format(_checksum(body))}".encode(ENCODING) != text if mark else has_check_line


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _summary(batch: Batch) -> str:
    taken = f"{batch.taken:%Y-%m-%d %H:%M:%S}" + ("" if batch.is_backup else " (saved before a restore)")
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
        lines.append(f"Proven at {proven}: the batch from {batch} restores.")
    return "\n".join(lines)


def _earlier(folder: str | None) -> str:
    place = "Two folders up from this one" if folder is None else "Beside this file"
    return (
        f"{place}, each day has a folder (such as 2026-11-22), and in it each batch has one, named after its time"
        f" (such as 13-45-00). The {GUIDE_FILE} there tells which races are in it: follow that one."
    )


def _lower_case(batch: Batch) -> str:
    if batch.server.lower_case_table_names == 0:
        return (
            "This batch comes from a server whose setting lower_case_table_names is 0. It can be restored on a"
            " server with any value of this setting, so an existing server will do."
        )
    return (
        "The server must have the setting lower_case_table_names = 1, or MeOS won't see the races: Windows has it by"
        " default, and the lines for Linux set it. (On Linux, a MySQL that has been used before can't take it:"
        " choose MariaDB.)"
    )


def _races(batch: Batch) -> Iterator[str]:
    server = clean(f"{batch.server.flavour} {batch.server.version} on {batch.server.host}", 200)
    yield _wrapped(f"From {server}; times as on the computer with meosbackup.")
    for title, entry in _titled(batch):
        yield title
        yield from (_wrapped(line, "  ") for line in _facts(batch, entry))
    if batch.race_list is None:
        yield "Race list\n  MISSING from this batch."
    elif batch.race_list.error or batch.race_list.dump is None:
        yield "Race list"
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
    if entry.meosxml is not None:
        yield f"File for MeOS: {entry.meosxml.file}"
    elif entry.dump is not None:
        yield "File for MeOS: none, follow the steps"


def _fault(batch: Batch, entry: Entry) -> str:
    reason = f" Why: {clean(entry.error, _LONGEST_REASON)}" if entry.error else ""
    if entry.dump is None:
        return f"MISSING from this batch; look in earlier ones (PART B).{reason}"
    since = f"from {when(entry.taken, batch.taken)}" if entry.taken else "from an earlier time"
    return f"OLDER than the batch: {since}.{reason}"


def _quick(batch: Batch, folder: str | None) -> str:
    if not any(entry.meosxml for entry in batch.races):
        return (
            ".\n   This batch has no such files. A computer with meosbackup can make them from"
            "\n   it, without a server: meosbackup export"
        )
    return f", named above, in {'this folder' if folder is None else f'the folder {folder}'}."


def _check(batch: Batch) -> Iterator[str]:
    """Yield what restore.sql shows in the end."""
    yield "At the end of STEP 3, you see each race's entries, on the server and in the"
    yield "batch: the same number twice. (Letters such as å, ä and ö may look odd.)"
    yield from (_wrapped(line, "   ") for line in (*results(batch), last_line(batch)))


def _alone(batch: Batch) -> Iterator[str]:
    """Yield the line that restores the race list alone, and those of each race; its dump also puts it on the list."""
    if batch.race_list and batch.race_list.dump:
        yield "Race list (only if MeOS shows no races at all)"
        yield _command(LOAD.format(batch.race_list.dump.file))
    for title, entry in _titled(batch):
        yield title
        if entry.dump is None:
            yield "It is missing from this batch: see PART B."
            continue
        yield _command(LOAD.format(entry.dump.file))
        if entry.reference is not None:
            yield _command(LOAD.format(entry.reference.file))


def _command(line: str) -> str:
    """Indent a line to be pasted by four spaces, as no other line of the text is."""
    return f"    {line}"


def _titled(batch: Batch) -> Iterator[tuple[str, Entry]]:
    """Yield each race's entry with its title, which is the same throughout the text."""
    for place, entry in enumerate(batch.races, 1):
        yield f"Race {place}: {race_name(entry)}", entry


def _wrapped(text: str, indent: str = "") -> str:
    return fill(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )  # fmt: skip
