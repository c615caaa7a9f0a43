"""A race as MeOS's own file, `.meosxml`, made from its dump: MeOS opens it by itself, with no server at all."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path

from meosbackup.dump import reader
from meosbackup.dump.portable import Written
from meosbackup.dump.reader import Row
from meosbackup.errors import MeosBackupError, StoppedError
from meosbackup.meosxml import extras, tags
from meosbackup.meosxml.tags import Kind, Writer

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n\n\n'
_FORMAT = "5.0"
"""The version that MeOS 5 writes into its files; a lower one asks nothing, a higher one warns of lost data."""

_EVENT = Kind(
    "oevent", "", "", "Name Date ZeroTime NameId Annotation Id Updated=Modified",
    frozenset({"counter", "removed", "buildversion", "lists", "machine", "maps"}),
)  # fmt: skip
_CONTROL = Kind("ocontrol", "ControlList", "Control", "Id Updated=Modified Name Numbers Status")
_COURSE = Kind("ocourse", "CourseList", "Course", "Id Updated=Modified Name Length Controls Start Finish Legs")
_CLASS = Kind("oclass", "ClassList", "Class", "Id Updated=Modified Name Course MultiCourse LegMethod")
_CLUB = Kind("oclub", "ClubList", "Club", "Id Updated=Modified Name")
_RUNNER = Kind(
    "orunner", "RunnerList", "Runner",
    "Id Updated=Modified Name Start=StartTime Finish=FinishTime Status CardNo StartNo InputPoint=InputPoints"
    " InputStatus InputTime InputPlace Club Class Course MultiR", frozenset({"card", "counter", "removed"}),
)  # fmt: skip
_TEAM = Kind(
    "oteam", "TeamList", "Team",
    "Id StartNo Updated=Modified Name Start=StartTime Finish=FinishTime Status Runners Club Class"
    " InputPoint=InputPoints InputStatus InputTime InputPlace",
)  # fmt: skip
_PUNCH = Kind("opunch", "PunchList", "Punch", "CardNo Time Type Unit Origin Id Updated=Modified", has_data=False)
_CARD = Kind(
    "ocard", "CardList", "Card", "CardNo Punches ReadId Voltage BatteryDate=BDate Id Updated=Modified", has_data=False
)


class UnconvertibleError(MeosBackupError):
    """A dump that no `.meosxml` can be made of."""


@dataclass(frozen=True)
class Source:
    """What a file is made of: a race's dump, and the dump of its reference tables, for images, where it has one.

    `version` is the race's dbVersion, as the race list tells it. `zone` is the server's: a dump's times of change are
    UTC, and MeOS's files tell them as the server's clock did.
    """

    dump: Path
    version: int
    zone: tzinfo = UTC
    reference: Path | None = None


def convert(source: Source, target: Path, stop: threading.Event) -> Written:
    """Write the `.meosxml` file of a race; it needs the memory of the race's largest table, and no server.

    Raises UnconvertibleError, BadDumpError, OSError, and StoppedError where `stop` is set; then there is no file.
    """
    if not reader.is_completed(source.dump):
        raise _unfit(source.dump, "is cut short: it lacks the line that ends a whole dump")
    if not (found := reader.character_set(source.dump)).startswith("utf8"):
        raise _unfit(source.dump, f"is in the character set {found}, and only UTF-8 is read")
    digest = hashlib.sha256()
    try:
        with target.open("wb") as file:
            for piece in _pieces(source, stop):
                data = piece.replace("\r\n", "\n").replace("\n", "\r\n").encode()  # MeOS writes its files on Windows
                digest.update(data)
                file.write(data)
            return Written(file.tell(), digest.hexdigest())
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _pieces(source: Source, stop: threading.Event) -> Iterator[str]:
    """Yield the file piece by piece, in the order in which MeOS writes it."""
    if source.version < 1:
        raise _unfit(
            source.dump, "is of a race whose version isn't known, nor whether its times are tenths of a second"
        )
    about, event = _event(source, stop)
    lists, maps, machines = (about.cell(event, column) for column in ("lists", "maps", "machine"))
    yield f'{_DECLARATION}<meosdata version="{_FORMAT}">\n{about.written_tags(event)}{about.written_data(event)}'
    for kind in (_CONTROL, _COURSE, _CLASS, _CLUB):
        yield from _list(source, kind, stop)
    cards = {writer.cell(row, "id"): writer.written(row) for writer, row in _rows(source, _CARD, stop)}
    owned = set()
    yield f"<{_RUNNER.group}>\n"
    for writer, row in _rows(source, _RUNNER, stop, required=True):
        card = writer.cell(row, "card")
        owned.add(card)
        yield writer.written(row, cards.get(card, ""))
    yield f"</{_RUNNER.group}>\n"
    yield from _list(source, _TEAM, stop)
    yield from _list(source, _PUNCH, stop)
    yield f"<{_CARD.group}>\n"
    yield from (text for card, text in cards.items() if card not in owned)
    yield f"</{_CARD.group}>\n"
    yield from extras.pieces(lists, maps, machines, [source.dump, *filter(None, [source.reference])])
    yield "</meosdata>\n"


def _event(source: Source, stop: threading.Event) -> tuple[Writer, Row]:
    """Return the one row that tells of the race itself; it counts even where it is marked as removed."""
    found = [*_rows(source, _EVENT, stop, required=True, with_removed=True)]
    if len(found) != 1:
        raise _unfit(source.dump, f"holds {len(found)} rows of a race in its table oEvent")
    return found[0]


def _list(source: Source, kind: Kind, stop: threading.Event) -> Iterator[str]:
    yield f"<{kind.group}>\n"
    yield from (writer.written(row) for writer, row in _rows(source, kind, stop))
    yield f"</{kind.group}>\n"


def _rows(
    source: Source, kind: Kind, stop: threading.Event, *, required: bool = False, with_removed: bool = False
) -> Iterator[tuple[Writer, Row]]:
    """Yield the rows of a table that aren't marked as removed, each with what writes it."""
    writer = None
    for table, row in reader.read(source.dump, lambda name: name.lower() == kind.table):
        if stop.is_set():
            raise StoppedError
        if row is not None and writer is not None:
            if with_removed or not writer.cell(row, "removed"):
                yield writer, row
        elif table.name.lower() == kind.table:
            if writer is not None:
                raise _unfit(source.dump, f"holds the table {kind.table} twice: it is that of several databases")
            writer = tags.writer(kind, table, source.version, source.zone)
    if required and writer is None:
        raise _unfit(source.dump, f"holds no table {kind.table}: it is no race's")


def _unfit(dump: Path, why: str) -> UnconvertibleError:
    return UnconvertibleError(
        f"The dump {dump.name} {why}.",
        "No .meosxml file is made of it; the dump itself is as it was.",
        "Restore the race to a server from its dump; or take another batch.",
    )
