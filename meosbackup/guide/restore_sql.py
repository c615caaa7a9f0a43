"""restore.sql: brings a whole batch back by one line and one password, and says what it is doing."""

import re
from collections.abc import Iterator

from meosbackup.batch.model import Batch, Entry
from meosbackup.batch.names import RESTORE_FILE
from meosbackup.text import clean
from meosbackup.wording import number

COMMAND = f'mysql -u meos -p -B -N --loose-commands --loose-abort-source-on-error -e "source {RESTORE_FILE}"'
"""The line that runs restore.sql in the batch's folder, the same in cmd, PowerShell (which has no `<`) and bash.

Seen: MySQL 9.7's client refuses `source` without --commands, and MariaDB's goes on after an error in a file that it
reads by `source`, unless --abort-source-on-error is given. Each of the two warns that it doesn't know the other option.
"""

_LONGEST_NAME = 60


def restore_sql(batch: Batch) -> str:
    """Return the text of a batch's restore.sql, in ASCII: the race list, each race, and then the reference tables.

    At its end it counts each race's entries. Names are in hexadecimal digits there, so that none of them can end a
    literal or begin a line.
    """
    sources = list(_sources(batch))
    lines = [f"-- In this folder: {COMMAND}", "charset utf8mb4"]
    for place, (what, name, file) in enumerate(sources, 1):
        lines += [_say(f"'Restoring {place} of {len(sources)}: {what}'", name), f"source {file}"]
    if batch.race_list is None or batch.race_list.dump is None:
        lines.append(_say("'MISSING from this batch: race list'"))
    lines += [_result(batch, entry) for entry in batch.races]
    if batch.server.lower_case_table_names != 0:
        warning = "'WARNING: MeOS will not see these races: lower_case_table_names is 0 on this server. See STEP 2.'"
        lines.append(_say(warning, rest=" FROM (SELECT 1) AS one WHERE @@lower_case_table_names = 0"))
    return "".join(f"{line}\n" for line in [*lines, _say(f"'{last_line(batch)}'")])


def file_count(batch: Batch) -> int:
    """Return how many files restore.sql restores."""
    return len(list(_sources(batch)))


def results(batch: Batch) -> list[str]:
    """Return what restore.sql says about each race in the end, if all went well."""
    return [f"{_entries(entry) or ''}{_words(entry)}{race_name(entry)}" for entry in batch.races]


def last_line(batch: Batch) -> str:
    """Return the last line that restore.sql says."""
    races = number(sum(entry.dump is not None for entry in batch.races), "race")
    return f"Restored: {'the race list and ' if batch.race_list and batch.race_list.dump else ''}{races}."


def race_name(entry: Entry) -> str:
    """Return what the guides call a race: its name, cleaned and cut to size."""
    return (entry.race and clean(entry.race.name, _LONGEST_NAME)) or "(no name)"


def _sources(batch: Batch) -> Iterator[tuple[str, str, str]]:
    """Yield what each file is, in words and with the race's name, and the file, in their order."""
    if batch.race_list and batch.race_list.dump:
        yield "race list", "", batch.race_list.dump.file
    restored = [(entry, entry.dump) for entry in batch.races if entry.dump]
    for entry, dump in restored:
        yield "", race_name(entry), dump.file
    for entry, _ in restored:
        if entry.reference:
            yield "reference tables of ", race_name(entry), entry.reference.file


def _entries(entry: Entry) -> str | None:
    """Return a race's number of entries; None if it can't be counted."""
    is_plain = re.fullmatch(r"[A-Za-z0-9_$-]+", entry.database)  # no line break, above all
    return str(entry.freshness.entries) if entry.dump and entry.freshness and is_plain else None


def _words(entry: Entry) -> str:
    """Return what stands before a race's name in the end, and after its number of entries, if that is known."""
    if entry.dump is None:
        return "MISSING from this batch: "
    return "restored: " if (entries := _entries(entry)) is None else f" of {entries} entries: "


def _result(batch: Batch, entry: Entry) -> str:
    """Return the statement that shows in the end what there is of a race."""
    words, name = f"'{_words(entry)}'", race_name(entry)
    if _entries(entry) is None:
        return _say(words, name)
    table = "orunner" if batch.server.lower_case_table_names == 1 else "oRunner"  # as its dump spells it
    return _say(f"COUNT(*), {words}", name, f" FROM `{entry.database}`.{table} WHERE Removed = 0")


def _say(words: str, name: str = "", rest: str = "") -> str:
    """Return a statement that shows a line: words, which are SQL, and a name. Its heading is empty."""
    shown = f"CONCAT({words}, CONVERT(X'{name.encode().hex()}' USING utf8mb4))" if name else words
    return f"SELECT {shown} AS ''{rest};"
