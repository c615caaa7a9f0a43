"""Sizes, counts, spans and times in words, the same in every message; and what a typed answer means."""

import re
import unicodedata
from datetime import datetime

# Without accents, since `answer` removes them: English, Swedish, Danish, Norwegian, German, Dutch, Czech, Slovak,
# Polish, French, Spanish, Catalan, Italian, Portuguese, Finnish, Estonian, Latvian, Lithuanian, Hungarian, Romanian,
# Slovenian, Croatian, Turkish, Bulgarian, Russian, Ukrainian.
_YES = re.compile("y|yes|j|ja|jo|jah|jaa|joo|k|kylla|a|ano|t|tak|taip|o|oui|s|si|sim|i|igen|d|da|evet|д|да|т|так")
_NO = re.compile("n|no|nej|nei|nein|nee|ne|nie|non|nao|ei|nem|nu|hayir|н|не|нет|ні")


def size(count: int) -> str:
    """Return a number of bytes with its unit: `640 B`, `67 kB`, `1.9 MB`, `27.4 GB`."""
    if count < 1000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB"
    unit, name = (1_000_000, "MB") if count < 1_000_000_000 else (1_000_000_000, "GB")
    return f"{count / unit:.1f} {name}"


def number(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: `1 race`, `3 races`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def span(seconds: float) -> str:
    """Return a duration in words: `40 seconds`, `12 minutes`, `5 hours`, `3 days`."""
    for unit, name, least in ((86_400, "day", 2), (3_600, "hour", 2), (60, "minute", 2)):
        if seconds >= least * unit:
            return number(round(seconds / unit), name)
    return number(max(0, round(seconds)), "second")


def when(moment: datetime, now: datetime) -> str:
    """Return a time of day in the time zone of `now`, with the date if that isn't the date of `now`."""
    local = moment.astimezone(now.tzinfo)
    return f"{local:%H:%M:%S}" if local.date() == now.date() else f"{local:%Y-%m-%d %H:%M:%S}"


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago a moment was: `37 seconds ago`, `just now`."""
    seconds = round((now - moment).total_seconds())
    return f"{span(seconds)} ago" if seconds > 0 else "just now"


def answer(typed: str) -> bool | None:
    """Return whether an answer is a yes or a no; None if it is neither."""
    letters = unicodedata.normalize("NFKD", typed.casefold())
    word = "".join(letter for letter in letters if not unicodedata.combining(letter)).strip(" .!'\"")
    return True if _YES.fullmatch(word) else False if _NO.fullmatch(word) else None
