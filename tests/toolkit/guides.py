"""A batch for guides to describe, names that are meant to mislead them, and what is read out of their text."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from meosbackup.batch.model import Batch, Entry, Freshness, Race, Server, StoredFile
from meosbackup.guide.spare_server import SpareServer

TAKEN = datetime(2026, 11, 22, 21, 30, tzinfo=timezone(timedelta(hours=1)))
TOP = "2026-11-22/21-30-00"

RACE_LIST = Entry("meosmain", dump=StoredFile("meosmain_2026-11-22_21-30-00.dump.sql", 1, "00"), taken=TAKEN)
INDIVIDUAL = Entry(
    "meos_20261122_211702_1e5",
    Race("Höstmedeln «Осень» O'Cup", "", "2026-11-22", "meos_20261122_211702_1E5", 1, 101),
    Freshness(datetime(2026, 11, 22, 20, 17, 5, tzinfo=UTC), 70, 41, 40, 12),
    StoredFile("Hostmedeln_Osen_O_Cup_2026-11-22_21-30-00.dump.sql", 1, "00"), taken=TAKEN,
    reference=StoredFile("../../reference/Hostmedeln_Osen_O_Cup_3f9a2c71.dump.sql", 1, "3f9a2c71"),
)  # fmt: skip
RELAY = Entry(
    "meos_20261122_211713_94",
    Race("Stafettkväll – Relais d'Été", "", "2026-11-23", "meos_20261122_211713_94", 2, 101),
    Freshness(datetime(2026, 11, 21, 20, 17, 5, tzinfo=UTC), 24, 1, 1, 1),
    StoredFile("Stafettkvall_Relais_d_Ete_2026-11-22_20-40-00.dump.sql", 1, "00"),
    taken=TAKEN - timedelta(minutes=50), unchanged_since=3,
)  # fmt: skip
BATCH = Batch(
    7, TAKEN, True, Server("laptop-1", 3306, "MySQL", "8.0.45", 1), "mysqldump", "0.1.0",
    (RACE_LIST, INDIVIDUAL, RELAY), guides=(("restore.sql", "00"),),
)  # fmt: skip
SPARE = SpareServer("192.168.1.21", 3307, "meos", TAKEN, ("Ungdomsstafetten (it was changed there)",))
NASTY = st.text(
    st.one_of(st.characters(), st.sampled_from("\r\n\t\x1b\u202e`'\"\\$%<>|&;! STEPART0123-")), max_size=140
)  # fmt: skip


def with_databases(*dumps: Entry) -> Batch:
    """Return the batch with these databases."""
    return replace(BATCH, databases=dumps, complete=all(entry.error is None for entry in dumps))


def chapter(text: list[str], heading: str) -> list[str]:
    """Cut out a chapter: what stands below a heading, up to the next empty line."""
    start = next(place for place, line in enumerate(text) if line.startswith(heading))
    return text[start : text.index("", start)]
