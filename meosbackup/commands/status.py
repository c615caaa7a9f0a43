"""`meosbackup status`: whether backups are being made, how old the newest good one is, what waits, what is wrong."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from meosbackup import wording
from meosbackup.commands import status_look
from meosbackup.commands.common import command, spool_of
from meosbackup.commands.status_look import Look
from meosbackup.console import Console
from meosbackup.guide.picture import ALARM
from meosbackup.guide.spare_server import SpareServer, listed
from meosbackup.settings import command_line
from meosbackup.settings.model import SPOOL, Settings
from meosbackup.store import space
from meosbackup.system import lock
from meosbackup.system.lock import Holder
from meosbackup.text import NO_BREAK, clean, unbroken


@dataclass(frozen=True)
class Fact:
    """A thing that was looked at: what was found, what that means, and what to do, in sentences.

    `word` is OK or FAIL; WAIT if it is too early to tell; empty if there is nothing to judge. `since` is since when it
    has been so, if that is known.
    """

    word: str
    name: str
    text: str
    means: str = ""
    do: str = ""
    since: datetime | None = None


@command("status")
@click.option("--json", "as_json", is_flag=True, help="Print it for programs.")
def status_command(settings: Settings, console: Console, *, as_json: bool) -> bool:
    """Tell whether backups are being made, and how old the newest is.

    It ends with 0 only if all is well.

    Example:  meosbackup status --target /media/usb
    """
    look = status_look.take_in_time(settings)
    found = list(findings(look))
    if as_json:
        console.show(json.dumps(document(look, found), indent=1))
    else:
        show(console, found)
    return is_well(found)


def findings(look: Look) -> Iterator[Fact]:
    """Yield what was found, thing by thing."""
    yield _running(look)
    if look.settings.target != SPOOL:
        yield _newest(look, "drive", look.on_drive)
    if look.is_home:
        yield _newest(look, "computer", look.on_computer)
        yield _waiting(look)
    if look.status and look.status.spare:
        yield _spare(look, look.status.spare)
    wrong = look.status.wrong if look.status else ()
    if look.error and not any(type(look.error).__name__ in one.key for one in wrong):
        yield Fact("FAIL", "drive", look.error.what, look.error.means, look.error.do)
    for one in wrong:
        name = f"{'alarm' if one.kind == ALARM else 'trouble'} since {wording.when(one.began, look.now)}"
        yield Fact("FAIL", name, one.what, one.means, one.do, one.began)


def show(console: Console, found: Sequence[Fact]) -> None:
    """Print what was found, and a verdict."""
    for one in found:
        console.result(one.word, one.name, " ".join(filter(None, (one.text, one.means, one.do))))
    faults = sum(one.word == "FAIL" for one in found)
    console.say()
    if faults:
        console.say(f"Not all is well: {wording.number(faults, 'thing')} to look into.")
    else:
        console.say("All is well." if is_well(found) else "Nothing is wrong so far: run this again in a minute.")


def is_well(found: Sequence[Fact]) -> bool:
    """Return whether all is well."""
    return not any(one.word in {"FAIL", "WAIT"} for one in found)


def document(look: Look, found: Sequence[Fact]) -> dict[str, Any]:
    """Return what JSON says of a look; README names the keys."""
    day, holder = look.status.document() if look.status else {}, (look.is_running and look.holder) or Holder()
    return {
        "well": is_well(found),
        "running": look.is_running if look.is_home or look.other else None,
        "process": holder.process,
        "since": _iso(holder.since),
        **{key: day.get(key) for key in ("interval", "moment", "unchanged_until", "free", "hours", "spare")},
        "newest_on_drive": _iso(look.on_drive),
        "newest_on_computer": _iso(look.on_computer),
        "waiting": len(look.waiting),
        "wrong": [
            {"name": one.name, "what": one.text, "means": one.means, "do": one.do.replace(NO_BREAK, " "),
             "since": _iso(one.since)}
            for one in found if one.word in {"FAIL", "WAIT"}
        ],
    }  # fmt: skip


def _running(look: Look) -> Fact:
    """Return whether a race day runs on this target, and lives."""
    name, now, holder, status = "meosbackup", look.now, look.holder, look.status
    start = command_line.command(look.settings)
    start = f"Start it with: {start}" if look.settings.target != SPOOL else "Start it, with the drive as its --target."
    nothing = "Nothing is backed up."
    if holder is None:
        return _not_running(look, start)
    since = wording.when(holder.since, now) if holder.since else "an unknown time"
    if holder.command:
        text = f"`meosbackup {holder.command}` has been using the drive since {since}."
        return Fact("FAIL", name, text, nothing, f"Wait until it has ended. {start}", holder.since)
    if not lock.holds(holder, spool_of(look.settings)):
        others = ", ".join(unbroken(place) for place in holder.places if place != str(look.settings.target))
        text = f"running since {since}, but its waiting room is not {spool_of(look.settings)}."
        return Fact("FAIL", name, text, "How it stands can't be told.", f"Run this with --spool {others}")
    look_there = "Look at its window; if it stands still, stop it with Ctrl-C."
    if status is None:
        text = f"started at {since}; its first backup is not finished yet."
        is_early = holder.since is None or now - holder.since <= look.limit
        return Fact("WAIT", name, text) if is_early else Fact("FAIL", name, text, nothing, look_there)
    if abs(now - status.moment) > look.limit:
        last = f"{wording.when(status.moment, now)}, {wording.ago(status.moment, now)}"
        text = f"running since {since}, but its last sign of life is from {last}."
        return Fact("FAIL", name, text, "Changes since then may not be backed up.", f"{look_there} {start}")
    every, alive = wording.number(status.interval, "second"), wording.when(status.moment, now)
    return Fact("OK", name, f"running since {since}, every {every}; last sign of life at {alive}")


def _not_running(look: Look, start: str) -> Fact:
    name, other = "meosbackup", look.other
    if other is not None and not other.command:
        others = ", ".join(unbroken(place) for place in other.places if place != str(spool_of(look.settings)))
        text = f"running, but not on {look.settings.target}: it backs up to {others}."
        return Fact("FAIL", name, text, "Nothing is backed up here.", "With --target, name the drive that it uses.")
    if not look.is_home:
        text = "not running on this computer, which made none of these backups."
        return Fact("FAIL", name, text, "Only the computer that made them can tell more.", "Run this there.")
    return Fact("FAIL", name, "not running.", "Nothing is backed up.", start)


def _newest(look: Look, where: str, taken: datetime | None) -> Fact:
    """Return how old the newest good backup is, on the drive or on this computer."""
    now, status = look.now, look.status
    name = f"newest good backup on {'the drive' if where == 'drive' else 'this computer'}"
    if taken is None:
        return Fact("FAIL" if status else "", name, "none" if status else "none yet")
    until = status.unchanged_until if status and taken == status.on_computer else None
    if until is not None and until > taken:
        text = f"{wording.when(taken, now)}, current as of {wording.when(until, now)}, {wording.ago(until, now)}"
    else:
        text, until = f"{wording.when(taken, now)}, {wording.ago(taken, now)}", taken
    if where == "drive" and status and status.free is not None and look.error is None:
        text += f"; {wording.size(status.free)} free"
        text += f", enough for {space.about(status.hours)}" if status.hours is not None else ""
    word = "" if status is None else "OK" if now - until <= look.limit else "FAIL"
    return Fact(word, name, text)


def _waiting(look: Look) -> Fact:
    """Return which batches are only on this computer."""
    name, now = "waiting for the drive", look.now
    if not look.waiting:
        return Fact("OK", name, "nothing")
    oldest = min(look.waiting)
    text = f"{wording.number(len(look.waiting), 'batch', 'batches')}, the oldest from {wording.when(oldest, now)}"
    if look.is_running and now - oldest <= look.limit:
        return Fact("OK", name, text)
    do = ""
    if not look.is_running and look.settings.target != SPOOL:
        do = f"To copy them to the drive, run: {command_line.command(look.settings, '--once')}"
    return Fact("FAIL", name, f"{text}.", "They are only on this computer.", do, oldest)


def _spare(look: Look, spare: SpareServer) -> Fact:
    """Return whether the spare server has all races, and as of when."""
    name, now, began = "spare server", look.now, look.holder.since if look.holder else None
    if spare.as_of is None:
        text = f"{clean(spare.host, 80)} doesn't have all races yet"
        return Fact("WAIT" if began and now - began <= look.limit else "FAIL", name, f"{text}.")
    without = f", except {listed(spare.without)}" if spare.without else ""
    deleted = f"; deleted on the race server, but still there: {listed(spare.deleted)}" if spare.deleted else ""
    as_of = f"{wording.when(spare.as_of, now)}, {wording.ago(spare.as_of, now)}"
    text = f"{clean(spare.host, 80)} has all races as of {as_of}{without}{deleted}"
    if now - spare.as_of > look.limit:
        return Fact("FAIL", name, f"{text}.", "What changed since then is only in the backups.", since=spare.as_of)
    if spare.without:
        do = "To have them saved and replaced there, start meosbackup with --adopt-standby."
        return Fact("FAIL", name, f"{text}.", "If the race server is lost, these must be restored.", do)
    return Fact("OK", name, text)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
