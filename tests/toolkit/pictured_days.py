"""Days to be pictured: one as it may be, with all that can happen, and one as large as any."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from meosbackup.batch import names
from meosbackup.batch.model import BACKUP, SAFETY, Batch, Entry, Freshness, Race, StoredFile
from meosbackup.guide.page_data import PageFacts
from meosbackup.guide.picture import ALARM, START, TROUBLE, Happening, Picture
from tests.toolkit.guides import BATCH, RACE_LIST

ZONE = timezone(timedelta(hours=1))
MINUTE = timedelta(minutes=1)
LONG, MIDDLE, RELAY, TRIAL = "Långdistans", "Medeldistans, öppna klasser", "Ungdomsstafetten", "Test"


@dataclass(frozen=True)
class Counts:
    entries: int
    finished: int = 0
    cards: int = 0


def at(clock: str) -> datetime:
    """Return a time of the day."""
    return datetime.fromisoformat(f"2026-11-22T{clock}").replace(tzinfo=ZONE)


def batch(taken: datetime, races: Mapping[str, Counts], kind: str = BACKUP) -> Batch:
    """Return a batch of these races."""
    entries = [_entry(taken, place, name, counts) for place, (name, counts) in enumerate(races.items(), 1)]
    return replace(BATCH, taken=taken, databases=(RACE_LIST, *entries), kind=kind)


def _entry(taken: datetime, place: int, name: str, counts: Counts) -> Entry:
    key = f"meos_20261122_0700{place:02}_1e5"
    dump = StoredFile(names.dump_name(f"race_{place}", taken), 1, "00")
    freshness = Freshness(taken, counts.entries, counts.finished, counts.cards, counts.cards)
    race = Race(name, "", "2026-11-22", key.upper(), place, 101)
    return Entry(key, race, freshness, dump, taken, meosxml=StoredFile(names.meosxml_name(dump.file), 1, "00"))


def facts(day: Picture, newest: Batch, removed: tuple[str, ...] = ()) -> PageFacts:
    """Return what a page at the top of a drive tells of a day."""
    held = max(one.held for one in day.batches)
    return PageFacts(newest, day, names.folder_name(newest.taken), held, removed=removed)


def race_day() -> PageFacts:
    """Return a race day with a deleted race, an outage, an alarm, a restore, a missing drive and a restart."""
    day, newest, before = Picture(), None, dict[str, Counts]()
    for minute in range(8 * 60 + 25):
        now = at("07:30:00") + minute * MINUTE
        if _within(now, "12:52:00", "13:03:00") or _within(now, "14:41:00", "14:46:00"):
            continue
        races = _race_day_at(now)
        if _within(now, "11:46:00", "11:46:00"):
            safety = batch(now - timedelta(seconds=22), before, SAFETY)
            day = day.with_batch(safety, names.folder_name(safety.taken))
        if races == before:
            day = day.held(now)
        else:
            newest, before = batch(now, races), races
            day = day.with_batch(newest, names.folder_name(now))
    assert newest is not None
    old = [one.name for one in day.batches if one.is_backup and newest.taken - one.taken > timedelta(hours=2)]
    removed = tuple(name for place, name in enumerate(old) if place % 10)
    return facts(replace(day, happenings=_HAPPENINGS), newest, removed)


_HAPPENINGS = (
    Happening(START, "", "", "", "", at("07:29:58"), at("07:29:58")),
    Happening(
        ALARM, "gone", "Test (2026-11-22) was deleted between 09:11:00 and 09:12:00. It had 3 entries.",
        "The batch from 09:11:00 has it as it was before that.",
        "If this was a mistake, stop meosbackup with Ctrl-C, and run: meosbackup restore --batch 09:11:00 --race Test",
        at("09:12:00"), at("09:31:00"),
    ),
    Happening(
        ALARM, "fell", "Långdistans lost 38 of its 412 entries between 11:39:00 and 11:40:00. Left: 374 entries.",
        "The batch from 11:39:00 has it as it was before that.",
        "If this was a mistake, stop meosbackup with Ctrl-C, and run: meosbackup restore --batch 11:39:00",
        at("11:40:00"), at("11:47:00"),
    ),
    Happening(
        TROUBLE, "server", "No answer from MySQL on localhost, port 3306.",
        "Nothing has been backed up since 12:51:00.", "Check that MySQL is running there.",
        at("12:52:00"), at("13:04:00"),
    ),
    Happening(
        TROUBLE, "drive", "The drive is missing from /media/usb.",
        "New batches wait on this computer's disk.", "Plug the drive in again.", at("14:10:00"), at("14:25:00"),
    ),
    Happening(START, "", "", "", "", at("14:46:40"), at("14:46:40")),
)  # fmt: skip


def _within(now: datetime, first: str, last: str) -> bool:
    return at(first) <= now <= at(last)


def _race_day_at(now: datetime) -> dict[str, Counts]:
    races = {
        LONG: _counts(now, 412, "08:00:00", "09:40:00", "10:25:00", "14:05:00"),
        MIDDLE: _counts(now, 168, "08:20:00", "10:10:00", "11:05:00", "13:20:00"),
        RELAY: _counts(now, 96, "08:30:00", "13:45:00", "14:32:00", "15:50:00"),
    }
    if now <= at("09:11:00"):
        races[TRIAL] = Counts(3)
    if _within(now, "11:40:00", "11:46:00"):
        races[LONG] = replace(races[LONG], entries=374)
    return races


def _counts(now: datetime, most: int, opened: str, closed: str, first: str, last: str) -> Counts:
    """Return counts of a race whose late entries come between two times, and its finishers between two others."""
    entries = round(most * (0.86 + 0.14 * _share(now, opened, closed)))
    finished = round(most * 0.94 * _share(now, first, last))
    return Counts(entries, finished, finished + (finished and int(now.timestamp()) // 60 % 4))


def _share(now: datetime, first: str, last: str) -> float:
    share = (now - at(first)) / (at(last) - at(first))
    smooth = min(max(share, 0.0), 1.0)
    return (1 - math.cos(math.pi * smooth)) / 2


def largest_day(batches: int = 600, races: int = 30) -> PageFacts:
    """Return a day on which every race changes in every batch."""
    counts = [Counts(300 + race, 0, 0) for race in range(races)]
    day, newest = Picture(), None
    for minute in range(batches):
        counts = [
            Counts(
                one.entries + (minute + race) % 9 // 8, one.finished + 1 + minute * race % 3, one.cards + 1 + minute % 3
            )
            for race, one in enumerate(counts)
        ]
        now = at("07:00:00") + minute * MINUTE
        newest = batch(now, {f"Deltävling {place}, huvudklasserna": one for place, one in enumerate(counts, 1)})
        day = day.with_batch(newest, names.folder_name(now))
    assert newest is not None
    return facts(day, newest)
