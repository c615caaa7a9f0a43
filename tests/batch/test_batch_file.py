"""`batch.json`: what is written is what is read, and nothing that is wrong in it is believed."""

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meosbackup.batch.batch_file import from_json, to_json, write
from meosbackup.batch.model import BACKUP, SAFETY, Batch, Entry, Freshness, Race, Server, StoredFile
from meosbackup.batch.names import BATCH_FILE
from meosbackup.errors import BadBatchError
from meosbackup.store.inventory import find, read

TAKEN = datetime(2026, 11, 22, 14, 3, tzinfo=timezone(timedelta(hours=1)))
RACE_LIST = Entry("meosmain", dump=StoredFile("meosmain_2026-11-22_14-03-00.dump.sql", 3217, "ab" * 32), taken=TAKEN)
LONG_DISTANCE = Entry(
    "meos_20261122_211702_1e5",
    Race("Långdistans «Осень» O'Cup", "", "2026-11-22", "meos_20261122_211702_1E5", 1, 101),
    Freshness(TAKEN - timedelta(seconds=2), 412, 208, 187, 640),
    StoredFile("Langdistans_2026-11-22_14-03-00.dump.sql", 67261, "cd" * 32), TAKEN, 127, None,
    StoredFile("../../reference/Langdistans_3f9a2c71.dump.sql", 17819891, "3f9a2c71" * 8),
    StoredFile("Langdistans_2026-11-22_14-03-00.meosxml", 59730, "ef" * 32),
)  # fmt: skip
BATCH = Batch(
    128, TAKEN, True, Server("localhost", 3306, "MySQL", "8.0.45", 1), "mysqldump  Ver 8.0.45", "0.1.0",
    (RACE_LIST, LONG_DISTANCE),
)  # fmt: skip

# A name from a database is proper Unicode.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(0, 2**53 - 1)
times = st.datetimes(
    TAKEN.replace(1971, 1, 2, tzinfo=None),
    TAKEN.replace(2199, 12, 30, tzinfo=None),
    timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
file_names = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,20}[0-9]{5}", fullmatch=True)
dumps = st.builds(
    Entry,
    database=texts,
    race=st.none() | st.builds(Race, texts, texts, texts, texts, numbers, numbers),
    freshness=st.none() | st.builds(Freshness, st.none() | times, numbers, numbers, numbers, numbers),
    dump=st.none() | st.builds(StoredFile, file_names, numbers, texts),
    taken=st.none() | times,
    unchanged_since=st.none() | numbers,
    error=st.none() | texts,
    reference=st.none() | st.builds(StoredFile, file_names.map("../../reference/{}".format), numbers, texts),
    meosxml=st.none() | st.builds(StoredFile, file_names, numbers, texts),
)
batches = st.builds(
    Batch,
    sequence=numbers,
    taken=times,
    complete=st.booleans(),
    server=st.builds(Server, texts, st.integers(0, 65535), texts, texts, st.integers(0, 2)),
    dump_program=texts,
    meosbackup=texts,
    databases=st.lists(dumps, max_size=4).map(tuple),
    guides=st.dictionaries(file_names, texts, max_size=3).map(lambda guides: tuple(guides.items())),
    kind=st.sampled_from([BACKUP, SAFETY]),
)


@given(batches)
def test_what_is_written_is_what_is_read(batch: Batch) -> None:
    files = [file.file.lower() for entry in batch.databases for file in entry.files]
    assume(len(set(files)) == len(files))
    text = to_json(batch)
    assert from_json(text) == batch
    assert from_json(text.encode().decode()) == batch


def test_it_has_the_keys_of_the_format_and_readable_letters() -> None:
    document = json.loads(to_json(BATCH))
    assert "Långdistans «Осень» O'Cup" in to_json(BATCH)
    assert document["format"] == 1
    assert "kind" not in document
    assert document["taken"] == "2026-11-22T14:03:00+01:00"
    assert document["databases"][1]["freshness"] == {
        "last_change": "2026-11-22T14:02:58+01:00", "entries": 412, "finished": 208, "cards": 187, "punches": 640,
    }  # fmt: skip


def tree(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
    )


values = tree(st.none() | st.booleans() | st.integers() | st.floats() | texts)


def places(document: Any) -> list[tuple[Any, Any]]:
    """Return each place of a document: what holds it, and its key."""
    if not isinstance(document, (dict, list)):
        return []
    items = document.items() if isinstance(document, dict) else enumerate(document)
    return [place for key, value in items for place in ((document, key), *places(value))]


@given(st.text(st.characters()) | values.map(json.dumps))
def test_any_text_is_a_batch_or_is_refused(text: str) -> None:
    with pytest.raises(BadBatchError):
        from_json(text)


@given(st.data())
def test_a_batch_with_anything_in_one_place_is_a_batch_or_is_refused(data: st.DataObject) -> None:
    document = json.loads(to_json(BATCH))
    holder, key = data.draw(st.sampled_from(places(document)))
    if data.draw(st.booleans()):
        holder[key] = data.draw(values)
    else:
        del holder[key]
    try:
        found = from_json(json.dumps(document))
    except BadBatchError:
        return
    assert from_json(to_json(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"format": ' + "9" * 10_000 + "}",
        '{"format": 1, "databases": ' + '{"a":' * 50_000,
        to_json(BATCH).replace("412", "9" * 5_000),
        to_json(BATCH).replace("412", "9" * 4_000),
        to_json(BATCH).replace("412", "-1"),
        to_json(BATCH).replace("67261", "9" * 400),
        to_json(BATCH).replace("67261", str(2**63)),
        to_json(BATCH).replace("3306", "65536"),
        to_json(BATCH).replace('"id": 1,', f'"id": {2**63},'),
        to_json(BATCH).replace('"sequence": 128', '"sequence": -1'),
        to_json(BATCH).replace('"sequence": 128', f'"sequence": {2**53}'),
        to_json(BATCH).replace('"format": 1', '"format": 0'),
        to_json(BATCH).replace("2026-11-22T14:03:00", "0001-01-01T00:00:00"),
        to_json(BATCH).replace("2026-11-22T14:03:00", "1970-12-31T23:59:59"),
        to_json(BATCH).replace("2026-11-22T14:03:00", "2200-11-22T14:03:00"),
        to_json(BATCH).replace("2026-11-22T14:02:58+01:00", "9999-12-31T23:59:59-23:59"),
        to_json(BATCH).replace("O'Cup", "x" * 140_000),
        to_json(BATCH).replace("O'Cup", "\\ud800"),
        to_json(BATCH).replace('"error": null', '"not_backed_up": ["\\ud800"]'),
        to_json(replace(BATCH, databases=(replace(RACE_LIST, dump=None),) * 5_001)),
        to_json(replace(BATCH, databases=(RACE_LIST, replace(LONG_DISTANCE, dump=RACE_LIST.dump)))),
        to_json(BATCH).replace("412", "NaN"),
        to_json(BATCH).replace("412", "1e400"),
        to_json(BATCH).replace("2026-11-22T14:02:58+01:00", "2026-11-22T14:02:58"),
        to_json(BATCH).replace('"complete": true', '"complete": 1'),
        to_json(BATCH).replace('"sequence": 128', '"sequence": true'),
        "\ufeff" + to_json(BATCH),
        "\0" * 2_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_what_is_no_batch_is_refused(text: str) -> None:
    with pytest.raises(BadBatchError):
        from_json(text)


def test_what_is_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    data = to_json(BATCH).encode().rstrip()
    assert from_json(data.decode()) == BATCH
    for length in range(len(data)):
        (tmp_path / BATCH_FILE).write_bytes(data[:length])
        with pytest.raises(BadBatchError):
            read(tmp_path)


@pytest.mark.parametrize(
    "data",
    [b"\xff" * 4096, b"\0" * 4096, bytes(range(256)), "{}".encode("utf-16")],
    ids=["ones", "zeros", "rubbish", "other"],
)
def test_a_file_that_a_bad_drive_garbled_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / BATCH_FILE).write_bytes(data)
    with pytest.raises(BadBatchError):
        read(tmp_path)


def test_a_later_format_says_which_program_reads_it() -> None:
    with pytest.raises(BadBatchError, match=r"format 2.*the meosbackup that made it"):
        from_json('{"format": 2, "batches": "quite different"}')


def test_keys_of_later_versions_are_ignored() -> None:
    document = json.loads(to_json(BATCH))
    for holder in (document, document["server"], *document["databases"], document["databases"][1]["race"]):
        holder["colour"] = ["red"]
    assert from_json(json.dumps(document)) == BATCH


OUTSIDE = [
    "NUL", "com1.dump.sql", "aux.sql", "b.sql.", "b" * 256,
    "../../etc/passwd", "/etc/passwd", "..", ".", "", "a/b.sql", "..\\b.sql", "C:b.sql", "C:\\b.sql", "b.sql:stream",
    "\\\\server\\share\\b.sql", "b.sql\n", "b.sql\0", "å.sql", ".hidden", "~/b.sql", "b c.sql",
]  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_file_outside_of_its_batch_is_believed(name: str) -> None:
    with pytest.raises(BadBatchError):
        from_json(to_json(replace(BATCH, databases=(replace(RACE_LIST, dump=StoredFile(name, 1, "ab")),))))
    with pytest.raises(BadBatchError):
        from_json(to_json(replace(BATCH, databases=(replace(LONG_DISTANCE, meosxml=StoredFile(name, 1, "ef")),))))


@pytest.mark.parametrize(
    "name",
    [*OUTSIDE, *(f"../../reference/{name}" for name in OUTSIDE), "b.sql", "../reference/b.sql", "../../other/b.sql"],
)
def test_no_reference_outside_of_its_folder_is_believed(name: str) -> None:
    reference = StoredFile(name, 1, "3f9a2c71" * 8)
    with pytest.raises(BadBatchError):
        from_json(to_json(replace(BATCH, databases=(replace(LONG_DISTANCE, reference=reference),))))


@pytest.mark.parametrize("name", [*OUTSIDE, "../../reference/b.sql", "../b.txt"])
def test_no_guide_outside_of_its_batch_is_believed(name: str) -> None:
    with pytest.raises(BadBatchError):
        from_json(to_json(replace(BATCH, guides=((name, "ab" * 32),))))


@pytest.mark.parametrize("guides", [["RESTORE.txt"], "RESTORE.txt", {"RESTORE.txt": None}, {"RESTORE.txt": 7}])
def test_guides_that_are_none_are_refused(guides: object) -> None:
    with pytest.raises(BadBatchError):
        from_json(json.dumps({**json.loads(to_json(BATCH)), "guides": guides}))


def test_a_carried_dump_names_the_batch_that_it_was_made_for() -> None:
    made = replace(LONG_DISTANCE, unchanged_since=None)
    assert made.carried(128) == replace(made, unchanged_since=128)
    assert made.carried(128).carried(129) == replace(made, unchanged_since=128)


def test_the_newest_change_is_that_of_any_race_in_any_zone() -> None:
    later = Freshness(datetime(2026, 11, 22, 13, 2, 59, tzinfo=UTC), 0, 0, 0, 0)
    other = replace(LONG_DISTANCE, freshness=later)
    assert replace(BATCH, databases=(RACE_LIST, other, LONG_DISTANCE)).newest_change == later.last_change
    assert replace(BATCH, databases=(RACE_LIST,)).newest_change is None


def test_batches_are_found_in_the_order_of_their_sequence_and_nothing_else_is(tmp_path: Path) -> None:
    for folder, sequence in (("2026-11-22/14-03-00", 2), ("2026-11-22/14-03-00_2", 3), ("2026-11-21/23-59-59", 4)):
        (tmp_path / folder).mkdir(parents=True)
        write(tmp_path / folder, replace(BATCH, sequence=sequence))
    for other in ("2026-11-22/14-04-00.partial", "reference/14-03-00", "2026-11-22/x", "14-03-00"):
        (tmp_path / other).mkdir(parents=True)
        write(tmp_path / other, replace(BATCH, sequence=99))
    (tmp_path / "2026-11-23").write_text("no folder", "utf-8")
    doubtful = tmp_path / "2026-11-22/15-00-00"
    doubtful.mkdir()
    links = [tmp_path / "2026-11-20", tmp_path / "2026-11-22/16-00-00"] if sys.platform != "win32" else []
    for link in links:
        link.symlink_to(tmp_path / "2026-11-22")
    found = find(tmp_path)
    assert [stored.batch.sequence for stored in found.batches] == [2, 3, 4]
    assert [stored.folder.relative_to(tmp_path).as_posix() for stored in found.batches] == [
        "2026-11-22/14-03-00", "2026-11-22/14-03-00_2", "2026-11-21/23-59-59",
    ]  # fmt: skip
    assert found.newest == found.batches[-1]
    assert [folder for folder, _ in found.doubtful] == [doubtful, *links]
    assert find(tmp_path / "missing").newest is None
