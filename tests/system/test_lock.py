"""One meosbackup at a time on a target or spool, shown with real processes."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from meosbackup.errors import MeosBackupError
from meosbackup.system.lock import AlreadyRunningError, Holder, held, holder, holds
from tests.toolkit.links import link
from tests.toolkit.waiting import wait_until

# Hold the places until the standard input ends; a child, where one is wanted, answers from the same input.
HOLDER = """
import subprocess, sys, time
from pathlib import Path
from meosbackup.system.lock import held

with held(Path(sys.argv[2]), [Path(place) for place in sys.argv[3:]]):
    if sys.argv[1] == "with-child":
        answer = "import sys; print('born', flush=True); [print('alive', flush=True) for line in sys.stdin]"
        subprocess.Popen([sys.executable, "-c", answer], close_fds=False)
        time.sleep(60)
    print("held", flush=True)
    sys.stdin.read()
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    return tmp_path / "state" / "locks"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "stick"
    folder.mkdir()
    return folder


@pytest.fixture
def start(locks: Path) -> Iterator[Start]:
    """Start a process that holds places, and wait until it does."""
    processes: list[subprocess.Popen[str]] = []

    def start(*places: Path, manner: str = "alone") -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, manner, str(locks), *map(str, places)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == ("born\n" if manner == "with-child" else "held\n")
        return process

    yield start
    for process in processes:
        process.kill()
        with process:  # closes its input, which ends its child
            pass


def refusal(locks: Path, *places: Path) -> AlreadyRunningError:
    with pytest.raises(AlreadyRunningError) as caught, held(locks, places):
        pass
    return caught.value


def test_a_second_one_is_refused_with_the_first_ones_process_and_time(locks: Path, place: Path, start: Start) -> None:
    before = datetime.now().astimezone().replace(microsecond=0)
    first = start(place)
    error = refusal(locks, place)
    assert error.exit_code == 1
    assert str(place) in error.what
    found = re.search(r"process (\d+), since (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", error.what)
    assert found is not None
    assert int(found[1]) == first.pid
    since = datetime.fromisoformat(found[2]).astimezone()
    assert before <= since <= before + timedelta(minutes=1)


def test_the_next_one_is_let_in_when_the_first_ended(locks: Path, place: Path, start: Start) -> None:
    with start(place):
        refusal(locks, place)
    with held(locks, [place]):
        pass


def test_a_killed_one_is_no_obstacle(locks: Path, place: Path, start: Start) -> None:
    killed = start(place)
    killed.kill()
    killed.wait()
    assert list(locks.glob("*.json"))
    with held(locks, [place]):
        details = refusal(locks, place).what
    assert f"process {os.getpid()}," in details


def test_a_child_that_outlives_its_killed_parent_holds_nothing(locks: Path, place: Path, start: Start) -> None:
    parent = start(place, manner="with-child")
    refusal(locks, place)
    parent.kill()
    parent.wait()
    with held(locks, [place]):
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdin.write("are you there?\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == "alive\n"


def test_two_places_do_not_interfere(locks: Path, tmp_path: Path, start: Start) -> None:
    start(tmp_path / "stick", tmp_path / "spool")
    with held(locks, [tmp_path / "other stick", tmp_path / "other spool"]):
        pass


def test_one_common_place_is_enough_and_the_others_are_given_back(locks: Path, tmp_path: Path, start: Start) -> None:
    spool, mine = tmp_path / "spool", [tmp_path / name for name in "abcdef"]
    start(tmp_path / "stick", spool)
    error = refusal(locks, *mine, spool)
    assert str(spool) in error.what
    start(*mine)


def test_the_same_place_spelled_otherwise(
    locks: Path, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held(locks, [place]):
        monkeypatch.chdir(tmp_path)
        for spelled in [place / ".." / place.name, Path(place.name)]:
            refusal(locks, spelled)
        link(tmp_path / "link", place)
        refusal(locks, tmp_path / "link")


@pytest.mark.skipif(sys.platform != "win32", reason="paths differ by case here")
def test_the_same_place_in_capitals(locks: Path, place: Path) -> None:
    with held(locks, [place]):
        refusal(locks, Path(str(place).upper()))


def test_the_target_as_its_own_spool_is_no_conflict(locks: Path, place: Path) -> None:
    with held(locks, [place, place / ".." / place.name]):
        refusal(locks, place)


def test_an_exception_gives_the_place_back(locks: Path, place: Path) -> None:
    with pytest.raises(ZeroDivisionError), held(locks, [place]):
        raise ZeroDivisionError
    assert not list(locks.glob("*.json"))
    with held(locks, [place]):
        pass


@pytest.mark.parametrize(
    "garbage",
    [
        b"", b'{"process": 12', b"[]", b"null", b"\xff\x00", b'{"process": "1; rm", "since": 5}', b"[" * 100_000,
        b'{"process": 12, "since": "yesterday", "command": "", "places": []}',
        b'{"process": 1e999, "since": "2026-11-22T14:03:00+01:00", "command": "", "places": []}',
    ],
)  # fmt: skip
def test_garbage_about_the_first_one_still_refuses(locks: Path, place: Path, garbage: bytes) -> None:
    with held(locks, [place]):
        assert holder(locks, place) != Holder()
        (note,) = locks.glob("*.json")
        assert json.loads(note.read_bytes())["process"] == os.getpid()
        note.write_bytes(garbage)
        assert holder(locks, place) == Holder()
        assert refusal(locks, place).what == f"Another meosbackup is still running, and is already using {place}."


def test_nothing_known_about_the_first_one_still_refuses(locks: Path, place: Path) -> None:
    with held(locks, [place]):
        (note,) = locks.glob("*.json")
        note.unlink()
        assert refusal(locks, place).what == f"Another meosbackup is still running, and is already using {place}."


def test_a_note_that_cannot_be_written_is_no_obstacle(locks: Path, place: Path) -> None:
    with held(locks, [place]):
        (note,) = locks.glob("*.json")
    note.mkdir()
    with held(locks, [place]):
        refusal(locks, place)


def test_who_looks_learns_who_holds_a_place_and_creates_nothing(locks: Path, place: Path, start: Start) -> None:
    assert holder(locks, place) is None
    assert not locks.parent.exists()
    first = start(place)
    found = holder(locks, place / ".." / place.name)
    assert found is not None
    assert (found.process, found.command) == (first.pid, "")
    assert found.since is not None
    assert timedelta() <= datetime.now().astimezone() - found.since < timedelta(minutes=2)
    assert holds(found, place / ".." / place.name)
    assert not holds(found, place.parent)
    assert holder(locks, place.parent) is None
    first.kill()
    first.wait()
    before = set(locks.iterdir())
    assert holder(locks, place) is None
    assert set(locks.iterdir()) <= before


def test_who_looks_again_and_again_keeps_nobody_from_starting(locks: Path, place: Path) -> None:
    stop, seen = threading.Event(), list[str | None]()

    def look() -> None:
        while not stop.wait(0.01):
            found = holder(locks, place)
            seen.append(found.command if found else None)

    looker = threading.Thread(target=look)
    looker.start()
    try:
        for number in map(str, range(5)):
            with held(locks, [place], number):
                wait_until(partial(seen.__contains__, number), "a look at who holds the place")
    finally:
        stop.set()
        looker.join()


def test_a_folder_that_cannot_be_made(tmp_path: Path, place: Path) -> None:
    in_the_way = tmp_path / "state"
    in_the_way.write_text("a file")
    with pytest.raises(MeosBackupError) as caught, held(in_the_way / "locks", [place]):
        pass
    assert not isinstance(caught.value, AlreadyRunningError)
    assert str(in_the_way) in str(caught.value)
