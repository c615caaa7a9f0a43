"""Which statements of a dump may reach a server: those that a dump program writes about the dump's own tables.

A drive may come from anyone, and its checksums prove only that it is as somebody wrote it. So whatever isn't known here
ends the restore before any of that statement is sent. Triggers, views and other code that dump programs write are
known, and left out.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from meosbackup.dump import definitions
from meosbackup.dump.reader import Sink
from meosbackup.dump.rows import CONTENT, INSERT, NAME
from meosbackup.dump.scanner import SANDBOX_LINE, Kind, Piece, unquoted
from meosbackup.errors import MeosBackupError
from meosbackup.meos import relisting
from meosbackup.text import clean

PREAMBLE = b"SET NAMES utf8mb4;\nSET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO';\n"
"""What goes before a dump: with it, strings end where they seem to, whatever the server's own settings are."""

_LONGEST = 1 << 20
"""The most bytes of a statement other than an INSERT."""

_VARIABLES = (
    rb"CHARACTER_SET_CLIENT|CHARACTER_SET_RESULTS|COLLATION_CONNECTION|TIME_ZONE|UNIQUE_CHECKS|FOREIGN_KEY_CHECKS"
    rb"|SQL_MODE|SQL_NOTES|NOTE_VERBOSITY|AUTOCOMMIT"
)
# In these, no byte of a letter looks like a quotation mark or a backslash, as some do in gbk.
_CHARACTERS = rb"(?:utf8mb4|utf8mb3|utf8|latin1|binary)"
_SET = re.compile(rb"(?:/\*M?!\d{5,6} SET (.+) \*/ ?|SET (.+));\r?\n")
_ASSIGNMENT = re.compile(
    rb"(?i)@OLD_(%b) ?= ?@@\1|(%b) ?= ?@OLD_\2|@saved_cs_client += @@character_set_client"
    rb"|character_set_client = (?:@saved_cs_client|%b)|NAMES %b|TIME_ZONE='\+00:00'|SQL_MODE='NO_AUTO_VALUE_ON_ZERO'"
    rb"|(?:UNIQUE_CHECKS|FOREIGN_KEY_CHECKS|SQL_NOTES|NOTE_VERBOSITY|(?:@@)?AUTOCOMMIT) ?= ?0"
    % (_VARIABLES, _VARIABLES, _CHARACTERS, _CHARACTERS)
)
_ABOUT_A_TABLE = re.compile(
    rb"(?:DROP TABLE IF EXISTS %b|LOCK TABLES %b WRITE|UNLOCK TABLES|COMMIT"
    rb"|/\*!40000 ALTER TABLE %b (?:DISABLE|ENABLE) KEYS \*/);\r?\n" % (NAME, NAME, NAME)
)
_DATABASE = re.compile(
    rb"(?:CREATE DATABASE (?:/\*!32312 IF NOT EXISTS\*/ )?(%b)"
    rb"(?: /\*!40100 DEFAULT CHARACTER SET \w+(?: COLLATE \w+)? \*/)?(?: /\*!80016 DEFAULT ENCRYPTION='[NY]' \*/)?"
    rb"|USE (%b));\r?\n" % (NAME, NAME)
)

# Views, triggers, routines, events, sequences, and settings that matter to them alone.
_CODE = re.compile(rb"/\*!(?:5000[13]|50013|50017|50106|50117) |(?:DROP|CREATE) SEQUENCE |(?:DO|SELECT) SETVAL\(")
_MOST_NAMED = 50
_CODE_END = re.compile(rb"(?:\*/|;) ?;?\r?\n\Z")
_OBJECT = re.compile(
    rb"\b(VIEW|TRIGGER|EVENT|FUNCTION|PROCEDURE|SEQUENCE)\s+(?:IF (?:NOT )?EXISTS )?(?:[\w`]+\.)?(%b|\w+)" % NAME
)

# Rows: integers and what stands between them are read in one go, then another literal with what follows, and so on. A
# literal that doesn't end in the piece that it begins in is read bit by bit.
_INTEGERS = rb"[-0-9,()\r\n]*+"
_ROWS = re.compile(
    rb"%b(?:(?:'%b'|(?<=[(,])(?:_binary ?'%b'|NULL|[xX]'[0-9A-Fa-f]*+')|(?<=0)x[0-9A-Fa-f]*+"
    rb"|(?<=\d)(?:\.\d++(?:[eE][-+]?\d++)?|[eE][-+]?\d++))[,)]%b)*" % (_INTEGERS, CONTENT, CONTENT, _INTEGERS)
)
_LONG = re.compile(rb"(?<=[(,])(?:(?P<text>(?:_binary ?)?')|(?P<quoted_digits>[xX]'))|(?<=0)(?P<digits>x)")
_DIGITS = re.compile(rb"[0-9A-Fa-f]*")
_GOES_ON = {"text": re.compile(CONTENT), "quoted_digits": _DIGITS, "digits": _DIGITS}
_ENDS = {
    "text": re.compile(rb"'(?=[,)])"),
    "quoted_digits": re.compile(rb"'(?=[,)])"),
    "digits": re.compile(rb"(?=[,)])"),
}
_LAST = re.compile(rb"\);\r?\n")
_SHORT = 64
"""Bytes that may wait for the next piece: more than a number, or what ends a value, takes."""


class ForbiddenStatementError(MeosBackupError):
    """A dump with a statement that no dump program writes."""


def _forbidden(statement: bytes) -> ForbiddenStatementError:
    shown = clean(statement[:400].decode("utf-8", "replace"), 60)
    return ForbiddenStatementError(
        f"The dump has a statement that no dump program writes: {shown}",
        "The server is unchanged.",
        "Choose another batch. If the drive was in nobody else's hands, RESTORE.txt brings this one back without such a"
        " check; please report it then.",
    )


def statements(
    pieces: Iterable[Piece], database: str, left_out: list[str], *, with_race_list: bool = False
) -> Iterator[bytes]:
    """Yield what of a dump may be sent to a server; the dump must be of this database alone.

    What is known and never sent, such as `trigger t1`, is added to `left_out`. The lines that put a race on the race
    list aren't sent either, unless `with_race_list`. Raises ForbiddenStatementError before anything of another
    statement is yielded, and what making the pieces raises.
    """
    yield PREAMBLE
    check = _Check(database, left_out, with_race_list=with_race_list)
    for piece in pieces:
        if sent := check.taken(piece):
            yield sent
    check.end()


class Trial(Sink):
    """Finds out, as a sink of a pass over a new dump, whether `restore` would take its statements; rows aside."""

    kinds = frozenset(Kind) - {Kind.INSERT}

    def __init__(self, database: str) -> None:
        """Begin with no fault."""
        self.fault: ForbiddenStatementError | None = None
        self._check = _Check(database, [], with_race_list=False)

    def take_piece(self, piece: Piece) -> None:
        """Look at a piece."""
        if self.fault is not None:
            return
        try:
            self._check.taken(piece)
        except ForbiddenStatementError as fault:
            self.fault = fault


class _Check:
    """Reads a dump piece by piece: what reads a statement decides where it ends."""

    def __init__(self, database: str, left_out: list[str], *, with_race_list: bool) -> None:
        self._database = database
        self._unsent = {Kind.COMMENT, Kind.COMPLETED} | (set() if with_race_list else {Kind.RACE_LIST})
        self._left_out = left_out
        self._reader: Callable[[Piece], bytes] | None = None
        self._is_first = True
        self._held = b""

    def taken(self, piece: Piece) -> bytes:
        """Return what may be sent by now."""
        if self._reader is None:
            self._reader = self._reader_of(piece)
        self._is_first = False
        return self._reader(piece)

    def end(self) -> None:
        """Refuse a statement that the dump's end cuts short."""
        if self._held:
            raise _forbidden(self._held)

    def _reader_of(self, piece: Piece) -> Callable[[Piece], bytes]:
        if piece.kind is Kind.INSERT:
            return self._rows
        if piece.kind is Kind.TRIGGER or _CODE.match(piece.data):
            return self._code
        is_sandbox = self._is_first and piece.kind is Kind.SANDBOX and SANDBOX_LINE.fullmatch(piece.data)
        if piece.kind in self._unsent or piece.data.isspace() or is_sandbox:
            return self._nothing
        return self._statement

    def _nothing(self, piece: Piece) -> bytes:
        if piece.ends:
            self._reader = None
        return b""

    def _code(self, piece: Piece) -> bytes:
        for kind, name in _OBJECT.findall(piece.data):
            text = unquoted(name) if name.startswith(b"`") else name.decode("utf-8", "replace")
            thing = clean(f"{kind.decode().lower()} {text}", 60)
            if thing not in self._left_out and len(self._left_out) < _MOST_NAMED:
                self._left_out.append(thing)
        if piece.ends if piece.kind is Kind.TRIGGER else _CODE_END.search(piece.data):
            self._reader = None
        return b""

    def _statement(self, piece: Piece) -> bytes:
        statement = self._held = self._held + piece.data
        if len(statement) > _LONGEST:
            raise _forbidden(statement)
        is_in_name = piece.kind is not Kind.TABLE and statement.count(b"`") % 2 == 1  # it may hold a line end
        if is_in_name or not piece.ends:
            return b""
        self._refuse_unless_known(statement)
        self._held, self._reader = b"", None
        return statement

    def _refuse_unless_known(self, statement: bytes) -> None:
        if statement.startswith(b"CREATE TABLE "):
            fault = definitions.first_fault(statement)
            if fault is not None:
                raise _forbidden(b"CREATE TABLE \xe2\x80\xa6 " + statement[fault:])
            return
        if _ABOUT_A_TABLE.fullmatch(statement):
            return
        database, assignments = _DATABASE.fullmatch(statement), _SET.fullmatch(statement)
        is_known = (
            (database and unquoted(database[1] or database[2]) == self._database)
            or (assignments and all(map(_ASSIGNMENT.fullmatch, (assignments[1] or assignments[2]).split(b", "))))
            or relisting.is_statement(statement, self._database)
        )
        if not is_known:
            raise _forbidden(statement)

    def _rows(self, piece: Piece) -> bytes:
        head = INSERT.match(piece.data)
        if head is None:
            raise _forbidden(piece.data)
        rows = _Rows()
        self._reader = lambda more: self._more_rows(rows, more, 0)
        return self._more_rows(rows, piece, head.end())

    def _more_rows(self, rows: "_Rows", piece: Piece, at: int) -> bytes:
        sent = rows.taken(piece.data, at)
        if not piece.ends:
            return sent
        if not _LAST.fullmatch(rows.held):
            raise _forbidden(rows.held)
        self._reader = None
        return sent + rows.held


class _Rows:
    """Reads the rows of one INSERT: literals alone, and the signs between them. `held` waits for the next piece."""

    def __init__(self) -> None:
        self.held = b""
        self._inside: str | None = None

    def taken(self, data: bytes, at: int) -> bytes:
        """Return what of the data may be sent; `at` is where rows begin in it."""
        data = self.held + data if self.held else data
        while True:
            if self._inside is not None:
                at = _end_of(_GOES_ON[self._inside], data, at)
                if not _ENDS[self._inside].match(data, at):
                    break
                at, self._inside = at + (self._inside != "digits"), None
            at = _end_of(_ROWS, data, at)
            begins = _LONG.match(data, at) if len(data) - at > _SHORT else None
            if begins is None:
                at = max(0, at - 1)  # what comes next depends on this byte
                break
            at, self._inside = begins.end(), begins.lastgroup
        self.held = data[at:]
        if len(self.held) > _SHORT + 1:
            raise _forbidden(self.held)
        return data[:at]


def _end_of(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    """Return where a pattern that always matches, perhaps nothing, ends."""
    found = pattern.match(data, at)
    return found.end() if found else at
