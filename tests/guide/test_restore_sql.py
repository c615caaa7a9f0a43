"""restore.sql: what stands in it, whatever races and databases are called. test_restore_by_hand.py runs it."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meosbackup.batch.model import Race
from meosbackup.guide.restore_sql import last_line, restore_sql, results
from tests.toolkit.guides import BATCH, INDIVIDUAL, NASTY, RACE_LIST, RELAY, with_databases

NAMES = st.one_of(
    NASTY, st.sampled_from(["'; DROP DATABASE meosmain; -- ", "\\", "a\n\\! touch x\nsource y\n", "*/'\"`"])
)
NAME = r"CONVERT\(X'[0-9a-f]+' USING utf8mb4\)"
LINES = re.compile(
    r"charset utf8mb4|source [A-Za-z0-9./_-]+"
    rf"|SELECT (CONCAT\((COUNT\(\*\), )?'[A-Za-z0-9 :]+', {NAME}\)|'[A-Za-z0-9 :._]+') AS ''"
    r"( FROM `[A-Za-z0-9_$-]+`\.orunner WHERE Removed = 0)?"
    r"( FROM \(SELECT 1\) AS one WHERE @@lower_case_table_names = 0)?;"
)


@settings(max_examples=60)
@given(name=NAMES, database=NAMES, has_dump=st.booleans())
def test_no_text_of_others_gets_out_of_its_literal(name: str, database: str, has_dump: bool) -> None:
    race = replace(RELAY, database=database, race=Race(name, name, name, name, 2, 101))
    batch = with_databases(RACE_LIST, INDIVIDUAL, race if has_dump else replace(race, dump=None))
    comment, *lines = restore_sql(batch).encode("ascii").decode().removesuffix("\n").split("\n")
    assert comment.startswith("-- In this folder: mysql ")
    assert [line for line in lines if not LINES.fullmatch(line)] == []
    assert sum(line.startswith("source ") for line in lines) == 3 + has_dump


def test_its_order_is_the_race_list_the_races_and_the_reference_tables() -> None:
    batch = with_databases(replace(RELAY, reference=INDIVIDUAL.reference), INDIVIDUAL, RACE_LIST)
    files = re.findall("^source (.*)$", restore_sql(batch), re.MULTILINE)
    assert [re.split("[_.]2026|_3f9a", file)[0] for file in files] == [
        "meosmain", "Stafettkvall_Relais_d_Ete", "Hostmedeln_Osen_O_Cup",
        "../../reference/Hostmedeln_Osen_O_Cup", "../../reference/Hostmedeln_Osen_O_Cup",
    ]  # fmt: skip


def test_what_is_missing_is_named_and_what_can_t_be_counted_is_not_counted() -> None:
    missing = replace(INDIVIDUAL, dump=None)
    batch = with_databases(replace(RACE_LIST, dump=None), missing, replace(RELAY, freshness=None))
    text = restore_sql(batch)
    assert re.findall("^source (.*)$", text, re.MULTILINE) == ["Stafettkvall_Relais_d_Ete_2026-11-22_20-40-00.dump.sql"]
    assert "SELECT 'MISSING from this batch: race list' AS '';" in text
    assert "COUNT" not in text
    assert results(batch) == [
        "MISSING from this batch: Höstmedeln «Осень» O'Cup", "restored: Stafettkväll – Relais d'Été",
    ]  # fmt: skip
    assert last_line(batch) == "Restored: 1 race."


@pytest.mark.parametrize(("setting", "table"), [(0, "oRunner"), (1, "orunner"), (2, "oRunner")])
def test_tables_are_called_as_in_the_dumps(setting: int, table: str) -> None:
    text = restore_sql(replace(BATCH, server=replace(BATCH.server, lower_case_table_names=setting)))
    assert text.count(f"`.{table} WHERE") == 2
    assert ("MeOS will not see these races" in text) == (setting != 0)
