"""The thread that ships batches, at the moments when a message and its work meet."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from meosbackup.batch import batch_file
from meosbackup.batch.model import Batch, Proof, Server, StoredBatch
from meosbackup.day import shipping_thread
from meosbackup.day.shipping_orders import KeepBatch, Leave, NoteProof
from meosbackup.day.shipping_thread import ShippingThread
from meosbackup.errors import StoppedError
from meosbackup.guide.picture import Picture
from meosbackup.store import drive, inventory, keeping, shipping, top_of_drive
from meosbackup.store.drive import Place
from meosbackup.store.keeping import Keep
from meosbackup.store.shipping import Shipper
from tests.toolkit.waiting import PATIENCE

_MOMENT = datetime(2026, 11, 22, 14, 3, tzinfo=UTC)


@contextmanager
def shipping_to(folder: Path) -> Iterator[ShippingThread]:
    """Give a thread that ships from an empty spool to an empty drive."""
    place = Place(folder / "drive", may_be_system_disk=True)
    place.target.mkdir()
    shipper = Shipper(folder / "spool", place, None, threading.Event(), print)
    thread = ShippingThread(shipper, drive.mark(place, _MOMENT), inventory.find(place.root))
    thread.start()
    yield thread
    thread.send(Leave())
    thread.join(PATIENCE)


def test_a_proof_that_comes_while_another_is_written_is_noted_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (Proof(_MOMENT, _MOMENT + timedelta(minutes=minutes)) for minutes in (1, 2))
    noted: list[Proof] = []
    is_writing, may_end = threading.Event(), threading.Event()

    def note(_: Place, __: StoredBatch | None, proof: Proof) -> None:
        noted.append(proof)
        is_writing.set()
        assert may_end.wait(PATIENCE)

    monkeypatch.setattr(top_of_drive, "note_proof", note)
    with shipping_to(tmp_path) as thread:
        thread.send(NoteProof(first))
        thread.ship(Picture())
        assert is_writing.wait(PATIENCE)
        thread.send(NoteProof(second))
        thread.ship(Picture())
        may_end.set()
        assert thread.settled(PATIENCE)
    assert noted == [first, second]


def test_it_has_settled_only_when_all_that_waited_is_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting: list[int] = []
    shipped: list[int] = []
    monkeypatch.setattr(shipping, "ship_waiting", lambda *_: shipped.extend(waiting[len(shipped) :]))
    chance = random.Random(1)
    threading.settrace(_dawdle)
    try:
        with shipping_to(tmp_path) as thread:
            for number in range(0, 120, 2):
                waiting.append(number)
                thread.ship(Picture())
                time.sleep(chance.uniform(0, 0.03))
                waiting.append(number + 1)
                thread.ship(Picture())
                assert thread.settled(PATIENCE)
                assert shipped == waiting
    finally:
        threading.settrace(None)


def _dawdle(frame: FrameType, event: str, _: Any) -> Any:
    """Slow down each line of the thread's own module, as a busy computer may at any of them."""
    if frame.f_code.co_filename != shipping_thread.__file__:
        return None
    if event == "line":
        time.sleep(0.001)
    return _dawdle


def test_a_drive_that_hangs_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comes_back = threading.Event()
    monkeypatch.setattr(shipping, "ship_waiting", lambda *_: comes_back.wait(PATIENCE) and None)
    with shipping_to(tmp_path) as thread:
        began = time.monotonic()
        thread.ship(Picture())
        assert not thread.settled(0.1)
        thread.send(Leave())
        thread.join(0.1)
        assert time.monotonic() - began < PATIENCE / 2
        comes_back.set()


def test_whoever_waits_for_a_shipping_after_the_end_is_told(tmp_path: Path) -> None:
    with shipping_to(tmp_path) as thread:
        thread.send(Leave())
        thread.ship(Picture())
        with pytest.raises(StoppedError):
            thread.settled(PATIENCE)


def test_a_batch_that_left_the_spool_is_kept_on_the_drive_once_that_is_back(tmp_path: Path) -> None:
    server = Server("localhost", 3306, "MariaDB", "11.8.3", 1)
    batch = Batch(1, _MOMENT, True, server, "mysqldump", "1.0.0", ())
    name = "2026-11-22/14-03-00"
    with shipping_to(tmp_path) as thread:
        folder = drive.root(tmp_path / "drive") / name
        folder.mkdir(parents=True)
        batch_file.write(folder, batch)
        (tmp_path / "drive").rename(tmp_path / "pulled out")
        until = keeping.evening_after(datetime.now().astimezone())
        thread.send(KeepBatch(StoredBatch(tmp_path / "spool" / name, batch), Keep(until, "Långdistans was deleted")))
        thread.ship(Picture())
        assert thread.settled(PATIENCE)
        assert thread.latest.trouble
        (tmp_path / "pulled out").rename(tmp_path / "drive")
        thread.ship(Picture())
        assert thread.settled(PATIENCE)
    assert str(keeping.read(folder, until)).endswith("evening: Långdistans was deleted")
