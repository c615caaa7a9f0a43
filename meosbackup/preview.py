"""What a restore is going to do, told: each race then and now, and what would be lost."""

from datetime import datetime

from meosbackup import plan, races
from meosbackup.batch import Dump, Freshness
from meosbackup.console import Console, span, when
from meosbackup.plan import Plan
from meosbackup.standing import Standing
from meosbackup.text import clean


def show(found: Plan, console: Console, now: datetime) -> None:
    """Tell what is going to be done, race by race: how it is in the batch, how it is on the server, what would go."""
    age = span((now - found.stored.batch.taken).total_seconds())
    console.say(f"Batch of {found.stored.when}, {age} old" + (f" ({found.note})" if found.note else ""))
    for dump, standing in zip(found.dumps, found.standings, strict=True):
        console.say()
        console.block([(races.named(dump.race) if dump.race else "race list", ""), *_rows(dump, standing, now)])
    for missing in found.missing:
        console.say()
        console.block([
            (races.named(missing.race), ""),
            ("", f"NOT RESTORED: the batch has no good dump of it. {clean(missing.error, 80)}".rstrip()),
            ("", plan.where(missing)),
        ])  # fmt: skip
    console.say()


def _rows(dump: Dump, standing: Standing | None, now: datetime) -> list[tuple[str, str]]:
    if dump.race is None:
        return [("", "takes the place of the server's race list, all rows of it")]
    rows = [("", f"in the batch:   {_counts(dump.freshness, now)}")]
    if standing is None:
        rows.append(("", "on the server:  not there; it is made anew"))
    else:
        rows.append(("", f"on the server:  {clean(standing.damage, 100) or _counts(standing.freshness, now)}"))
        rows.append(("", _loss(dump.freshness, standing.freshness)))
    if dump.error:
        rows.append(("", f"OLDER than the batch: {clean(dump.error, 80)}"))
    return rows


def _counts(freshness: Freshness | None, now: datetime) -> str:
    if freshness is None:
        return "not known"
    changed = f"last change {when(freshness.last_change, now)}" if freshness.last_change else "no change known"
    return f"{freshness.entries} entries, {freshness.finished} finished, {freshness.cards} cards, {changed}"


def _loss(then: Freshness | None, now: Freshness | None) -> str:
    """Tell what the server has that the batch hasn't."""
    if then is None or now is None or then.last_change is None or now.last_change is None:
        return "what is on the server now goes"
    newer = (now.last_change - then.last_change).total_seconds()
    if newer <= 0:
        return "the server has nothing newer"
    return f"LOST: what changed on the server in {span(newer)} after that ({now.finished - then.finished:+d} finished)"
