"""Batches that only this computer has, and drives that are dead: what is on its disk is taken where it belongs."""

import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

from meosbackup.batch import batch_file
from meosbackup.batch.model import StoredBatch
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import inventory
from tests.toolkit.runs import run_meosbackup, server_options, told, with_password
from tests.toolkit.servers import RACE_LIST, RELAY, query, rows_of
from tests.toolkit.tent import RACES, Tent, races, work_on


def test_what_only_this_computer_has_is_read_like_the_drive(
    server: PrivateServer, tent: Tent, backed_up: StoredBatch, tmp_path: Path
) -> None:
    query(server, f"INSERT INTO `{RELAY}`.oimage (Filename, Image) VALUES ('map', 'map')")
    work_on(server, *RACES)
    then = races(server)
    newest = tent.back_up(server)
    shutil.rmtree(newest.folder)
    for file in (tent.root / "reference").iterdir():
        file.unlink()
    folders = [word for word in tent.at(server).folders if word != "--any-disk"]
    listed = run_meosbackup("list", *folders).stdout
    assert re.search(rf"^{newest.when} .* only on this computer$", listed, re.MULTILINE), listed
    assert listed.count("only on this computer") == 1
    assert f"The newest is {newest.name}" in listed
    verified = told(run_meosbackup("verify", *folders), 1, "reference")
    assert re.search(r"OK on this computer: 1 batch, [^:]+: all good", verified), verified
    work_on(server, *RACES, seed=9)
    assert f"Batch from {newest.when}" in tent.restore(server)
    assert [races(server)[name] for name in RACES] == [then[name] for name in RACES]

    # The drive is dead, and each error leads to the same command without it.
    tent.target.rename(tmp_path / "dead")
    tent.target.mkdir()
    options = [*folders, *server_options(server)]
    for command in (["list"], ["verify"], ["export", "--to", "files"], ["restore", "--dry-run"], ["rehearse"]):
        said = told(run_meosbackup(*command, *options), 2, f"up to {newest.when}: meosbackup {command[0]}")
        line = shlex.split(said.partition(f"up to {newest.when}: ")[2])
        assert line[line.index("--target") + 1] == "spool"
        if command[0] == "rehearse":
            continue
        line += ["--to", str(tmp_path / "files")] if command[0] == "export" else []
        line += ["--dry-run"] if command[0] == "restore" else []
        done = told(run_meosbackup(*line[1:], "--log-file", tent.at(server).log, env=with_password()), 0)
        assert newest.name in done or newest.when in done or command[0] == "verify"
    assert f"{backed_up.when} " not in told(run_meosbackup("list", "--target", "spool", *folders[2:]), 0)
    work_on(server, RELAY, seed=10)
    alone = replace(tent.at(server), mounted=Path("spool"))
    restored = run_meosbackup("restore", "--yes", *alone.folders, *server_options(server), env=with_password())
    told(restored, 0, "Now start meosbackup again, with the path of another stick for DRIVE: meosbackup --target DRIVE")
    assert [races(server)[name] for name in RACES] == [then[name] for name in RACES]


def test_the_batches_of_another_drive_are_not_pushed_before_those_of_this_one(
    server: PrivateServer, spare: PrivateServer, tent: Tent
) -> None:
    stored = tent.back_up(server)
    helpers = tent.at(spare).spool
    for sequence in (900, 901):  # last week's race, on the laptop of a helper
        folder = helpers / "2026-11-15" / f"10-00-{sequence % 100:02}"
        shutil.copytree(stored.folder, folder)
        batch_file.write(folder, replace(stored.batch, sequence=sequence))
    (folder / "SHIPPED").write_text("another-drive\n", "ascii")
    for number in range(3):  # from the second on, what is there is saved first, and brought to the drive
        assert f"Batch from {stored.when}, " in tent.restore(spare), number
        query(spare, f"DELETE FROM `{RELAY}`.orunner")
    assert stored.name in (tent.root / "RESTORE.txt").read_text("utf-8-sig")
    assert [one.batch.sequence for one in tent.batches()] == [1, 902, 903]
    assert [one.batch.is_backup for one in tent.batches()] == [True, False, False]
    assert len(inventory.find(helpers).batches) == 4
    # The waiting ones of this computer's own drive are still brought there on the next race day.
    tent.back_up(spare)
    assert {one.batch.sequence for one in tent.batches()} == {1, 900, 902, 903, 904}
    assert rows_of(spare, RACE_LIST)
