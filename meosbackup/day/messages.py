"""Messages to people: what is wrong, what is over, that the day began and ended."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from meosbackup import wording
from meosbackup.day.day_status import DayStatus
from meosbackup.day.telling import Due, Key, Turn, key_of
from meosbackup.guide.picture import ALARM
from meosbackup.system.receivers import Message, Mood
from meosbackup.text import NO_BREAK, clean

_MOST = 5
"""How many things a message tells in full."""
_WIDTH = 500


def news(dues: Sequence[Due], status: DayStatus, computer: str) -> Message:
    """Return the message that tells what is due."""
    now, wrong = status.moment, [one for one in dues if one.turn is not Turn.ENDED]
    is_alarm = any(one.thing.kind == ALARM for one in wrong)
    # An alarm that ends where another begins went over into that, as when more is lost.
    over = [one for one in dues if one.turn is Turn.ENDED and not (is_alarm and one.thing.kind == ALARM)]
    title = "ALARM" if is_alarm else "FAIL" if wrong else "partly well again" if status.wrong else "all is well again"
    parts = _cut([_wrong(one, now) for one in wrong])
    parts += _cut([f"Over, {_span(one, now)}: {_text(one.thing.what)}" for one in over])
    parts += _still(status, {key_of(one.thing) for one in wrong})
    mood: Mood = "failure" if wrong else "info" if status.wrong else "success"
    return Message(f"meosbackup: {title}", _body(parts, status, now, computer), mood)


def started(status: DayStatus, computer: str) -> Message:
    """Return the first message of a day on which nothing is wrong at its start."""
    every = wording.span(status.interval)
    text = f"meosbackup is running, with a backup every {every}. Trouble, alarms and their end are told here."
    return Message("meosbackup: started", _body([text], status, status.moment, computer), "info")


def stopped(status: DayStatus | None, now: datetime, computer: str) -> Message:
    """Return the last message of a day; `status` is the latest one."""
    text = "meosbackup was stopped: nothing is backed up, and nobody is told of trouble, until it is started again."
    still = _still(status, set()) if status else []
    return Message("meosbackup: stopped", _body([text, *still], status, now, computer), "warning")


def trial(now: datetime, computer: str) -> Message:
    """Return the message by which a user finds out whether messages arrive."""
    text = "This is a test. Trouble, alarms and their end will be told here."
    return Message("meosbackup: test", _body([text], None, now, computer), "info")


def _text(text: str) -> str:
    return clean(text, _WIDTH).replace(NO_BREAK, " ")


def _wrong(one: Due, now: datetime) -> str:
    """Return what is told of something that is wrong."""
    thing, word = one.thing, "ALARM" if one.thing.kind == ALARM else "FAIL"
    how = {Turn.AGAIN: " again", Turn.STANDS: f" since {wording.when(thing.began, now)}"}.get(one.turn, "")
    return "\n".join([f"{word}{how}: {_text(thing.what)}", *filter(None, map(_text, (thing.means, thing.do)))])


def _still(status: DayStatus, told_now: set[Key]) -> list[str]:
    """Return what is told of what is wrong besides."""
    others = [one for one in status.wrong if key_of(one) not in told_now]
    return _cut([f"Still wrong, since {wording.when(one.began, status.moment)}: {_text(one.what)}" for one in others])


def _span(one: Due, now: datetime) -> str:
    """Return from when to when something was wrong."""
    return f"from {wording.when(one.thing.began, now)} to {wording.when(one.over or now, now)}"


def _cut(parts: Sequence[str]) -> list[str]:
    more = len(parts) - _MOST
    return [*parts[:_MOST], *([f"And {more:,} more."] if more > 0 else [])]


def _body(parts: Iterable[str], status: DayStatus | None, now: datetime, computer: str) -> str:
    newest = [_newest(status, now)] if status else []
    return "\n\n".join([*parts, *newest, f"{now:%H:%M:%S}, computer {clean(computer, _WIDTH)}"])


def _newest(status: DayStatus, now: datetime) -> str:
    """Return what is told of the newest good backups."""
    drive, computer, until = status.on_drive, status.on_computer, status.unchanged_until
    if drive is None and computer is None:
        return "There is no good backup yet."
    text = f"Newest good backup on the drive: {wording.when(drive, now)}" if drive else "The drive has no backup yet"
    if computer is not None and (drive is None or computer > drive):
        text += f"; on this computer: {wording.when(computer, now)}"
    elif until is not None and drive is not None and until > drive == computer:
        text += f", current as of {wording.when(until, now)}"
    return f"{text}."
