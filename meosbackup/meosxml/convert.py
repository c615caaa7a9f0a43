"""A race as MeOS's own file, `.meosxml`, made from its dump: MeOS opens it by itself, without any server."""

import hashlib
import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from meosbackup.dump import reader, rows, scanner
from meosbackup.dump.portable import Written
from meosbackup.dump.reader import CutShortError, Sink, Table
from meosbackup.dump.rows import Literals, Value
from meosbackup.dump.scanner import Piece
from meosbackup.errors import MeosBackupError, StoppedError
from meosbackup.meosxml import extras, tags
from meosbackup.meosxml.scratch import Scratch
from meosbackup.meosxml.tags import Kind, Writer, encoded
from meosbackup.system import files
from meosbackup.system.patience import patiently

log = logging.getLogger(__name__)

Taken = TypeVar("Taken")
Given = TypeVar("Given")

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n\n\n'
_FORMAT = "5.0"
"""The version that MeOS 5 writes into its files; for a lower one MeOS asks nothing, for a higher one it warns."""

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
_LISTS = (_CONTROL, _COURSE, _CLASS, _CLUB, _RUNNER, _TEAM, _PUNCH, _CARD)  # in MeOS's order
_KINDS = {kind.table: kind for kind in (_EVENT, *_LISTS)}

_CARD_PLACE = b"\0"  # where a runner's card goes: no text holds it, since XML can't
_CUT_SHORT = "is cut short: it lacks the line that ends a whole dump"


class UnconvertibleError(MeosBackupError):
    """A dump that no `.meosxml` can be made from."""


@dataclass(frozen=True)
class Source:
    """What a file is made from: a race's dump, and the dump of its reference tables, for images, if it has one.

    `version` is the race's dbVersion, as the race list tells it. `zone` is the server's: a dump's times of change are
    UTC, while MeOS's files give them by the server's clock.
    """

    dump: Path
    version: int
    zone: tzinfo = UTC
    reference: Path | None = None


def convert(source: Source, target: Path, stop: threading.Event) -> Written:
    """Write the `.meosxml` file of a race, in a pass of its own over the dump; it needs no server.

    Raises as `Draft.finish` does.
    """
    draft = Draft(target, source.version, source.zone)
    try:
        reader.read_through(source.dump, [draft], stop)
    except BaseException as error:
        files.discard(target)
        if isinstance(error, CutShortError):
            raise _unfit(source.dump, _CUT_SHORT) from error
        raise
    return draft.finish(source, target, stop)


class Draft(Sink):
    """A `.meosxml` file in the making, as a sink of a pass over the race's dump; `finish` completes it.

    Rows are written in the dump's order first, then put into MeOS's; little of them is held in memory.
    Whatever goes wrong in the pass is kept for `finish` to raise: it costs the race this file and nothing else.
    """

    kinds = frozenset({scanner.Kind.OTHER})
    basis: tuple[int, tzinfo]

    def __init__(self, path: Path, version: int, zone: tzinfo = UTC) -> None:
        """Make the file at `path`, for a race of this dbVersion, with times of change by this zone's clock."""
        self.basis = version, zone
        self._path = path
        self._error: Exception | None = None
        self._scratch = Scratch(path.parent)
        self._writer: Writer | None = None
        self._events: list[tuple[Writer, Literals]] = []
        self._cards_of_runners: list[Value] = []
        self._is_charset_known = self._has_images = False
        self._digest = hashlib.sha256()
        self._packed: tuple[Value, Value, Value] = (None, None, None)

    def take_piece(self, piece: Piece) -> None:
        """Refuse what isn't in UTF-8."""
        if not self._is_charset_known:
            self._tried(self._check_charset, piece)

    def take_table(self, table: Table) -> Collection[str] | None:
        """Want all columns of a table that MeOS writes into its file."""
        return self._tried(self._begin, table)

    def made_of(self, columns: Sequence[Literals]) -> Sequence[Any]:
        """Return rows as the file has them; None for those that it doesn't have."""
        return self._tried(self._made_of, columns) or [None] * len(columns[0])

    def take_rows(self, made: Sequence[Any]) -> None:
        """Write rows."""
        self._tried(self._write_rows, made)

    @property
    def is_sound(self) -> bool:
        """Whether nothing went wrong in the pass."""
        return self._error is None

    def take_end(self, *, is_completed: bool) -> None:
        """Put together all of the file but its end."""
        self._tried(self._put_together, is_completed)

    def close(self) -> None:
        """Let go of the rows."""
        self._scratch.close()

    def fits(self, source: Source) -> bool:
        """Return whether the file is drafted for this version and zone."""
        return self.basis == (source.version, source.zone)

    def finish(self, source: Source, target: Path, stop: threading.Event) -> Written:
        """Move the file to its target and write its end, for which images are read from the reference dump.

        `source` must fit. Raises UnconvertibleError, BadDumpError, OSError, whatever went
        wrong in the pass, and StoppedError if `stop` is set; then there is no file.
        """
        try:
            return self._finished(source, target, stop)
        except BaseException:
            files.discard(self._path)
            files.discard(target)
            raise

    def _finished(self, source: Source, target: Path, stop: threading.Event) -> Written:
        if isinstance(self._error, _UnfitError):
            raise _unfit(source.dump, str(self._error)) from self._error
        if self._error is not None:
            raise self._error
        if self._path != target:
            files.move(self._path, target)
        dumps = [*([source.dump] if self._has_images else []), *filter(None, [source.reference])]
        with patiently(lambda: target.open("ab"), target) as file:
            for text in extras.pieces(*self._packed, dumps):
                if stop.is_set():
                    raise StoppedError
                self._write(file, encoded(text))
            self._write(file, encoded("</meosdata>\n"))
            files.begin_writing(file)
            return Written(file.tell(), self._digest.hexdigest())

    def _tried(self, step: Callable[[Taken], Given], what: Taken) -> Given | None:
        if self._error is None:
            try:
                return step(what)
            except Exception as error:
                log.debug("no .meosxml file", exc_info=True)
                self._error = error
        return None

    def _check_charset(self, piece: Piece) -> None:
        if found := scanner.character_set(piece):
            self._is_charset_known = True
            if not found.startswith("utf8"):
                raise _UnfitError(f"is in the character set {found}, and only UTF-8 is read")

    def _begin(self, table: Table) -> Collection[str] | None:
        name = table.name.lower()
        self._has_images = self._has_images or name == extras.IMAGE_TABLE
        kind = _KINDS.get(name)
        if kind is None:
            return None
        if name in self._scratch:
            raise _UnfitError(f"holds the table {name} twice: it comes from several databases")
        self._scratch.begin(name)
        self._writer = tags.writer(kind, table, *self.basis)
        return table.columns

    def _made_of(self, columns: Sequence[Literals]) -> Sequence[Any]:
        """Return what is written of rows; of a card with its Id, of a runner with its card's, and of a race all."""
        writer = self._writer
        if writer is None or writer.kind is _EVENT:
            return list(zip(*columns, strict=True))  # a race counts even if it is marked as removed
        made: Iterable[Any] = writer.written(columns, _CARD_PLACE if writer.kind is _RUNNER else b"")
        if key := {_CARD: "id", _RUNNER: "card"}.get(writer.kind):
            made = zip(rows.each(writer.column(columns, key), rows.value), made, strict=True)
        removed = rows.each(writer.column(columns, "removed"), rows.value)
        return [None if is_gone else one for one, is_gone in zip(made, removed, strict=True)]

    def _write_rows(self, made: Sequence[Any]) -> None:
        writer, present = self._writer, [one for one in made if one is not None]
        if writer is None:
            return
        if writer.kind is _EVENT:
            self._events += [(writer, row) for row in present]
        elif writer.kind is _CARD:
            self._scratch.add_keyed(present)
        elif writer.kind is _RUNNER:
            self._cards_of_runners += [card for card, _ in present]
            self._scratch.add([data for _, data in present])
        else:
            self._scratch.add(present)

    def _put_together(self, is_completed: bool) -> None:
        """Write the file up to its lists, in the order in which MeOS writes it."""
        about, event = self._checked(is_completed)
        lists, maps, machines = (rows.value(about.column(event, name)[0]) for name in ("lists", "maps", "machine"))
        self._packed = lists, maps, machines
        head = encoded(f'{_DECLARATION}<meosdata version="{_FORMAT}">\n')
        with patiently(lambda: self._path.open("wb"), self._path) as file:
            self._write(file, head + about.written(event)[0])
            for kind in _LISTS:
                self._write(file, encoded(f"<{kind.group}>\n"))
                for data in self._list(kind):
                    self._write(file, data)
                self._write(file, encoded(f"</{kind.group}>\n"))

    def _checked(self, is_completed: bool) -> tuple[Writer, Sequence[Literals]]:
        """Return the columns of the one row that tells of the race itself, if the dump is a whole one of a race."""
        if not is_completed:
            raise _UnfitError(_CUT_SHORT)
        if self.basis[0] < 1:
            raise _UnfitError(
                "is from a race whose version isn't known, nor whether its times are in tenths of a second"
            )
        if _EVENT.table in self._scratch and len(self._events) != 1:
            raise _UnfitError(f"holds {len(self._events)} rows of a race in its table oEvent")
        for kind in (_EVENT, _RUNNER):
            if kind.table not in self._scratch:
                raise _UnfitError(f"holds no table {kind.table}: it isn't a race's")
        about, event = self._events[0]
        return about, list(zip(event, strict=True))

    def _list(self, kind: Kind) -> Iterator[bytes]:
        """Yield a list's rows, each runner with its card; cards that no runner holds have a list of their own."""
        if kind is _CARD:
            yield from self._scratch.keyed_otherwise(set(self._cards_of_runners))
            return
        holders = iter(self._cards_of_runners)
        for piece in self._scratch.pieces(kind.table):
            parts = piece.split(_CARD_PLACE)
            cards = [self._scratch.keyed(holder) for holder in islice(holders, len(parts) - 1)]
            yield b"".join(chain.from_iterable(zip(parts, [*cards, b""], strict=True)))

    def _write(self, file: BinaryIO, data: bytes) -> None:
        self._digest.update(data)
        file.write(data)


class _UnfitError(Exception):
    """Why no file can be made from a dump."""


def _unfit(dump: Path, why: str) -> UnconvertibleError:
    return UnconvertibleError(
        f"The dump {dump.name} {why}.",
        "No .meosxml file is made from it; the dump itself is unchanged.",
        "Restore the race to a server from its dump, or use another batch.",
    )
