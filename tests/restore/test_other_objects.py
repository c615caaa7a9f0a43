"""Triggers, views and other things that MeOS doesn't make: named, never in the way, and never an OK that isn't."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.batches import dump_file, dump_of, rewrite_dump
from tests.toolkit.programs import needed
from tests.toolkit.runs import run_meosbackup, server_options, with_password
from tests.toolkit.servers import INDIVIDUAL, INNODB, RELAY, everything, query, rows_of
from tests.toolkit.tent import Tent, add_large_image, assert_tidy

OBJECTS = ("procedure p1", "trigger t1", "trigger t2", "view v1")


@contextmanager
def other_objects(server: PrivateServer, database: str) -> Iterator[None]:
    """Put a procedure, two triggers and a view into a race; later, take off the server what is left of them."""
    for trigger, table in (("t1", "oclass"), ("t2", "orunner")):
        query(
            server, f"CREATE TRIGGER {database}.{trigger} BEFORE INSERT ON {database}.{table}"
            " FOR EACH ROW BEGIN SET NEW.Name = CONCAT(NEW.Name, ';'); SET @x = 1; END",
        )  # fmt: skip
    query(server, f"CREATE VIEW {database}.v1 AS SELECT Id FROM {database}.orunner")
    query(server, f"CREATE PROCEDURE {database}.p1() SELECT 1")
    try:
        yield
    finally:
        query(server, f"DROP DATABASE {database}")


def triggers(server: PrivateServer, database: str) -> list[str]:
    rows = query(server, "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s", database)
    return [str(name) for (name,) in rows]


def test_they_are_named_at_each_step_and_the_race_is_restored(server: PrivateServer, tmp_path: Path) -> None:
    with other_objects(server, INDIVIDUAL):
        round_trip(server, INDIVIDUAL, tmp_path)


def test_with_mysql_too(mysql_server: PrivateServer, tmp_path: Path) -> None:
    with other_objects(mysql_server, RELAY):
        round_trip(mysql_server, RELAY, tmp_path)


def round_trip(server: PrivateServer, database: str, folder: Path) -> None:
    tent = Tent(folder)
    tent.target.mkdir()
    place = tent.at(server)
    arguments = [*place.folders, *server_options(server), "--all-races"]
    for command in (["check"], ["--once"]):
        done = run_meosbackup(*command, *arguments, env=with_password())
        said = " ".join((done.stdout + done.stderr).split())
        assert "has 1 procedure, 2 triggers and 1 view, which MeOS doesn't make" in said
    [stored] = tent.batches()
    entry = dump_of(stored.batch, database)
    assert entry.not_backed_up == OBJECTS
    assert all(dump_of(stored.batch, other.database).not_backed_up == () for other in stored.batch.databases
               if other.database != database)  # fmt: skip
    dump = stored.path(dump_file(entry)).read_bytes()
    assert b"TRIGGER" not in dump
    assert b"`v1`" not in dump

    before = rows_of(server, database)
    query(server, f"DELETE FROM {database}.orunner")
    shown = tent.restore(server, "--race", database, "--batch", stored.when)
    assert f"NOT BACKED UP, as MeOS makes no such thing: {', '.join(OBJECTS)}" in shown
    assert "WILL BE LOST on the server: trigger t1, trigger t2" in shown
    assert "Not restored, as MeOS makes no such thing: the server's triggers" in shown
    assert rows_of(server, database) == before
    assert triggers(server, database) == []
    runners = query(server, f"SELECT COUNT(*) FROM {database}.orunner")
    assert query(server, f"SELECT COUNT(*) FROM {database}.v1") == runners
    assert not [name for (name,) in query(server, f"SHOW TABLES FROM {database}") if "meosbackup" in str(name)]
    assert_tidy(server)


def test_an_older_dump_with_triggers_and_views_restores_and_names_them(server: PrivateServer, tmp_path: Path) -> None:
    tent = Tent(tmp_path)
    stored = tent.back_up(server)
    before = rows_of(server, INDIVIDUAL)
    with other_objects(server, INDIVIDUAL):
        dump = subprocess.run(
            [needed("mysqldump"), "--no-defaults", f"--socket={server.socket}", "--user=root", "--databases",
             INDIVIDUAL], capture_output=True, check=True,
        ).stdout  # fmt: skip
        assert b"TRIGGER" in dump
    rewrite_dump(stored, dump_of(stored.batch, INDIVIDUAL), dump)
    said = tent.restore(server, "--race", INDIVIDUAL, "--batch", stored.when)
    assert "Not restored, as MeOS makes no such thing: trigger t1, trigger t2, view v1" in said
    assert rows_of(server, INDIVIDUAL) == before
    assert triggers(server, INDIVIDUAL) == []
    done = run_meosbackup("rehearse", *tent.at(server).folders, "--batch", stored.when)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Not restored, as MeOS makes no such thing: trigger t1, trigger t2, view v1" in " ".join(done.stdout.split())


def test_what_a_restore_would_refuse_is_told_when_it_is_backed_up(server: PrivateServer, tmp_path: Path) -> None:
    query(server, f"CREATE TABLE {INDIVIDUAL}.oxygen (a VARCHAR(99) DEFAULT (SOUNDEX('x')))")
    tent = Tent(tmp_path)
    tent.target.mkdir()
    arguments = [*tent.at(server).folders, *server_options(server), "--all-races"]
    done = run_meosbackup("--once", *arguments, env=with_password())
    assert done.returncode == 0, done.stdout + done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    assert f"`meosbackup restore` will refuse this dump of {INDIVIDUAL}" in said
    assert "soundex('x')" in said


def test_foreign_keys_stay_within_the_race(server: PrivateServer, tmp_path: Path) -> None:
    tent = Tent(tmp_path)
    query(server, f"ALTER TABLE {INNODB}.dbclub ADD KEY (Id)")
    query(server, f"CREATE TABLE {INNODB}.oxygen (Id INT, Class INT, Club INT,"
                  f" CONSTRAINT inside FOREIGN KEY (Class) REFERENCES {INNODB}.oclass (Id),"
                  f" CONSTRAINT outside FOREIGN KEY (Club) REFERENCES {INNODB}.dbclub (Id)) ENGINE=InnoDB")  # fmt: skip
    stored = tent.back_up(server)
    assert "Not restored" not in tent.restore(server, "--race", INNODB, "--batch", stored.when)
    [(_, definition)] = query(server, f"SHOW CREATE TABLE {INNODB}.oxygen")
    assert "CONSTRAINT `outside` FOREIGN KEY (`Club`) REFERENCES `dbclub` (`Id`)" in str(definition)

    add_large_image(server, INNODB)
    stored = tent.back_up(server)
    said = tent.restore(server, "--race", INNODB, "--batch", stored.when)
    assert "Not restored, as MeOS makes no such thing: foreign key outside of oxygen" in said
    [(_, definition)] = query(server, f"SHOW CREATE TABLE {INNODB}.oxygen")
    assert "CONSTRAINT `inside` FOREIGN KEY (`Class`) REFERENCES `oclass` (`Id`)" in str(definition)
    assert "CONSTRAINT `outside`" not in str(definition)

    query(server, "CREATE DATABASE bystander")
    query(server, f"CREATE TABLE bystander.t (Class INT, CONSTRAINT f FOREIGN KEY (Class)"
                  f" REFERENCES {INNODB}.oclass (Id)) ENGINE=InnoDB")  # fmt: skip
    before = everything(server)
    said = tent.restore(server, "--race", INNODB, "--batch", stored.when, expected=1)
    query(server, "DROP TABLE bystander.t")
    assert "The table `bystander`.`t` refers to oclass of this race by a foreign key." in said
    assert "The server is unchanged" in said
    assert {name: rows for name, rows in everything(server).items() if name != "bystander"} == {
        name: rows for name, rows in before.items() if name != "bystander"
    }
    assert_tidy(server)
