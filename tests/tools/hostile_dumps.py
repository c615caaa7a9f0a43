"""Dumps that somebody made hostile, with sums that fit, restored to a real server: nothing but the race may change.

python -m tests.tools.hostile_dumps --dumps 400 --seed 1
"""

import argparse
import random
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import click

from meosbackup.batch.model import Entry, StoredBatch
from meosbackup.batch.names import BATCH_FILE
from meosbackup.dump import client, fingerprint, mysqldump
from meosbackup.errors import MeosBackupError
from meosbackup.mysql import programs
from meosbackup.mysql.private_server import PrivateServer, load, private_server
from meosbackup.restore import replacement
from meosbackup.restore.replacement import Restorer
from meosbackup.settings.model import Settings
from tests.toolkit.batches import dump_file, dump_of, rewrite_dump
from tests.toolkit.programs import needed
from tests.toolkit.runs import tool_environment, with_password
from tests.toolkit.servers import (
    FILES,
    INDIVIDUAL,
    MEOS_PASSWORD,
    MEOS_USER,
    RACE_LIST,
    databases,
    make_pristine,
    query,
    rows_of,
)
from tests.toolkit.tent import Tent, assert_tidy
from tests.toolkit.waiting import PATIENCE, limit

HANGS_AFTER = 30.0
"""Seconds that a refusal may take; what hangs does so for a minute, or for ever."""

_STATEMENTS = (
    "DROP DATABASE bystander", "DROP TABLE bystander.t", "UPDATE bystander.t SET a = 2", "DELETE FROM bystander.t",
    "INSERT INTO bystander.t VALUES (9)", "REPLACE INTO bystander.t VALUES (9)", "TRUNCATE TABLE bystander.t",
    "RENAME TABLE bystander.t TO bystander.u", "ALTER TABLE bystander.t ADD b INT", "CREATE TABLE bystander.n (a INT)",
    "DROP TABLE IF EXISTS `bystander`.`t`", "CREATE DATABASE evil", "CREATE USER evil", "DROP USER bystander",
    "GRANT ALL ON *.* TO bystander", "SET PASSWORD FOR bystander = ''", "DELETE FROM mysql.user",
    "SET GLOBAL general_log = 1", "SET GLOBAL sql_mode = ''", "SET @@GLOBAL.max_connections = 11",
    "SELECT 'x' INTO OUTFILE '{bait}'", "SELECT LOAD_FILE('/etc/passwd') INTO DUMPFILE '{bait}'", "DO SLEEP(60)",
    "SELECT BENCHMARK(1000000000000, MD5(1))", "FLUSH TABLES WITH READ LOCK", "LOCK TABLES `bystander`.`t` WRITE",
    "SHUTDOWN", "KILL 1", "CREATE EVENT evil ON SCHEDULE EVERY 1 SECOND DO DELETE FROM bystander.t",
    "CREATE FUNCTION f RETURNS STRING SONAME 'f.so'", "PREPARE s FROM 'DROP DATABASE bystander'", "USE `bystander`",
    "USE bystander", "CREATE TABLE `stolen` AS SELECT * FROM mysql.user", "CREATE TABLE `stolen` LIKE mysql.user",
    "INSERT INTO `oevent` SELECT * FROM bystander.t", "BEGIN NOT ATOMIC DROP DATABASE bystander; END", "SHOW TABLES",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE bystander.t", "CALL mysql.x()", "XA START 'x'", "CHANGE MASTER TO a=1",
    "SET NAMES gbk", "SET character_set_client = big5", "SET SQL_MODE='NO_BACKSLASH_ESCAPES,ANSI_QUOTES'",
    "SET @OLD_SQL_MODE='NO_BACKSLASH_ESCAPES'", "SET FOREIGN_KEY_CHECKS=0, GLOBAL general_log=1",
)  # fmt: skip
_LINES = (
    "\\! touch {bait}", "system touch {bait}", "source /etc/passwd", "\\. /etc/passwd", "tee {bait}",
    "pager touch {bait}", "connect bystander", "delimiter //", "DELIMITER //\nDROP DATABASE bystander//",
    "--\tx\nDROP DATABASE bystander;",
    "# x\nDROP DATABASE bystander;", "/* x */ DROP DATABASE bystander;", "/* x\nDROP DATABASE bystander; */",
    "/*!99999 SET NAMES utf8mb4;\nINSERT INTO `oevent` VALUES ('*/ DROP DATABASE bystander; -- ');",
    "/*!99999 x */ DROP DATABASE bystander;", "/*!40101 SET NAMES utf8mb4 */; DROP DATABASE bystander;",
    "/*!40000 ALTER TABLE `oevent` DISABLE KEYS */; DROP DATABASE bystander;", "\x00DROP DATABASE bystander;",
    "\ufeffDROP DATABASE bystander;", "\x0bDROP DATABASE bystander;", " DROP DATABASE bystander;",
    "/*M!999999\\- enable the sandbox mode */ DROP DATABASE bystander;", "UNLOCK TABLES; DROP DATABASE bystander;",
)  # fmt: skip
_WRAPPINGS = (
    "{};", "{}", "/*!50000 {} */;", "/*!{} */;", "/*M!100000 {} */;", "/*!50000 /*!50000 {} */ */;", "/*!99999 {} */;",
    "UNLOCK TABLES; {};", "COMMIT;{};", "{}\\G", "/*!40101 SET NAMES utf8mb4 */; {};", "SET NAMES utf8mb4; {};",
)  # fmt: skip
_LITERALS = (
    "LOAD_FILE('/etc/passwd')", "(SELECT MAX(a) FROM bystander.t)", "SLEEP(60)", "@@version", "USER()", "`Name`",
    "1 OR SLEEP(60)", "'a' 'b' + SLEEP(60)", "1/*!50000 +SLEEP(60) */", "'\\\\',SLEEP(60)", "'''',SLEEP(60)", "DEFAULT",
    "BENCHMARK(1000000000000,MD5(1))", "_gbk'\\'", "N'x'", "\"'\",SLEEP(60),\"'\"", "1--1", "1#\n",
    "{d '2026-01-01'}",
)  # fmt: skip
_DEFINITIONS = (
    (") ENGINE=", ") DATA DIRECTORY='{folder}' ENGINE="),
    (") ENGINE=MyISAM", ") ENGINE=MRG_MyISAM UNION=(bystander.t)"),
    (") ENGINE=MyISAM", ") ENGINE=FEDERATED CONNECTION='mysql://root@127.0.0.1/bystander/t'"),
    (") ENGINE=MyISAM", ") ENGINE=CONNECT TABLE_TYPE=DOS FILE_NAME='/etc/passwd'"),
    (") ENGINE=", ") SELECT 1 AS x ENGINE="),
    (") ENGINE=", ") /*!50000 DATA DIRECTORY='{folder}' */ ENGINE="),
    (" NOT NULL", " DEFAULT (load_file('/etc/passwd'))"),
    (" NOT NULL", " DEFAULT (sleep(60))"), (" NOT NULL", " GENERATED ALWAYS AS ((select 1)) VIRTUAL"),
    ("PRIMARY KEY", "CONSTRAINT f FOREIGN KEY (`Id`) REFERENCES `bystander`.`t` (`a`),\n  PRIMARY KEY"),
    ("CREATE TABLE `", "CREATE TABLE `bystander`.`"), ("CREATE TABLE `", "CREATE OR REPLACE TABLE `bystander`.`"),
    (") ENGINE=", "); DROP DATABASE bystander; -- ENGINE="),
    ("DEFAULT CHARSET", "COMMENT='\\\\'; DROP DATABASE x; -- ' CHARSET"),
    (";\n", " /*!99999 COMMENT='*/; DROP DATABASE bystander; -- ' */;\n"),
    (";\n", " /*M!100000 COMMENT='*/; DROP DATABASE bystander; -- ' */;\n"),
    (";\n", " PARTITION BY KEY() PARTITIONS 8192;\n"),
)  # fmt: skip

Mutation = tuple[str, bytes]
"""What was done, and the dump that came of it."""


@dataclass(frozen=True)
class Round:
    """One restore: what was done to the dump, how it ended, and the seconds that it took."""

    what: str
    code: int
    seconds: float
    said: str


# How dumps are made hostile


def mutations(dump: bytes, bait: Path, seed: int) -> Iterator[tuple[Mutation, bool]]:
    """Yield hostile dumps for ever, and whether they must be refused; what is only broken may as well be harmless."""
    chance = random.Random(seed)
    kinds: list[tuple[Callable[[bytes, Path, random.Random], Mutation], bool]] = [
        (_statement, True), (_line, True), (_value, True), (_definition, True), (_characters, True), (_statement, True),
        (_bytes, False), (_cut, False), (_huge, False), (_value, True), (_statement, True), (_doubled, False),
    ]  # fmt: skip
    for number in range(1 << 30):
        mutate, is_hostile = kinds[number % len(kinds)]
        yield mutate(dump, bait, chance), is_hostile


def _statement(dump: bytes, bait: Path, chance: random.Random) -> Mutation:
    wrapping, statement = chance.choice(_WRAPPINGS), chance.choice(_STATEMENTS)
    return _spliced(dump, wrapping.format(statement.format(bait=bait)), chance)


def _line(dump: bytes, bait: Path, chance: random.Random) -> Mutation:
    return _spliced(dump, chance.choice(_LINES).format(bait=bait), chance)


def _spliced(dump: bytes, line: str, chance: random.Random) -> Mutation:
    """Put a line at one of the kinds of places where a statement may begin."""
    # What stands in a line for the race list is never sent.
    ends = [found.end() for found in re.finditer(rb"^(?!/\* race list)[^\n]*;(?=\n)", dump, re.MULTILINE)]
    places = {
        "at the start": [0], "before the database": [dump.index(b"CREATE DATABASE ")],
        "before a comment": _places(rb"^--\n", dump), "before a table": _places(rb"^CREATE TABLE ", dump),
        "before rows": _places(rb"^INSERT INTO ", dump), "before a lock": _places(rb"^LOCK TABLES ", dump),
        "before the settings": _places(rb"^/\*!40\d+ SET ", dump), "at the end": [len(dump)],
        "before the race list": _places(rb"^/\* race list", dump), "after a statement": ends,
    }  # fmt: skip
    where = chance.choice(list(places))
    at = chance.choice(places[where])
    new = f"{line}\n" if where != "after a statement" else f" {line}"
    return f"{line[:70]!r} {where}", dump[:at] + new.encode() + dump[at:]


def _places(pattern: bytes, dump: bytes) -> list[int]:
    return [found.start() for found in re.finditer(pattern, dump, re.MULTILINE)]


def _value(dump: bytes, bait: Path, chance: random.Random) -> Mutation:
    found = chance.choice(list(re.finditer(rb"(?<=[(,])-?\d+(?=,)", dump)))
    literal = chance.choice(_LITERALS)
    return f"{literal!r} as a value", dump[: found.start()] + literal.encode() + dump[found.end() :]


def _definition(dump: bytes, bait: Path, chance: random.Random) -> Mutation:
    start = chance.choice(_places(rb"^CREATE TABLE ", dump))
    end = dump.index(b";\n", start) + 2
    old, new = chance.choice([pair for pair in _DEFINITIONS if pair[0].encode() in dump[start:end]])
    definition = dump[start:end].replace(old.encode(), new.format(folder=bait.parent).encode(), 1)
    return f"{new!r} in a definition", dump[:start] + definition + dump[end:]


def _characters(dump: bytes, bait: Path, chance: random.Random) -> Mutation:
    """Have the server read quotation marks and backslashes in another way than the scanner does."""
    setting = chance.choice([
        b"SET NAMES gbk;\n", b"/*!40101 SET NAMES big5 */;\n", b"SET character_set_client = sjis;\n",
        b"SET NAMES 'gbk';\n",
        b"/*!50503 SET NAMES gb18030 */;\n", b"/*!40101 SET SQL_MODE='NO_BACKSLASH_ESCAPES' */;\n",
        b"/*!40101 SET CHARACTER SET gbk */;\n", b"/*!40101 SET SQL_MODE='NO_AUTO_VALUE_ON_ZERO,ANSI_QUOTES' */;\n",
    ])  # fmt: skip
    payload = chance.choice([b"('\xbf\\',SLEEP(60),'", b"('\\',SLEEP(60),'", b"('\x95\\',SLEEP(60)) -- '"])
    at = chance.choice(_places(rb"^INSERT INTO ", dump))
    row = dump.index(b"(", at)
    return f"{setting!r} and {payload!r}", dump[:at] + setting + dump[at:row] + payload + dump[row + 1 :]


def _bytes(dump: bytes, bait: Path, chance: random.Random) -> Mutation:
    changed = bytearray(dump)
    for _ in range(chance.randint(1, 20)):
        at = chance.randrange(len(changed))
        junk = bytes(
            chance.choice([0, 10, 34, 39, 40, 42, 47, 59, 92, 96, 255, chance.randrange(256)]) for _ in range(2)
        )
        changed[at : at + chance.randint(0, 2)] = junk[: chance.randint(0, 2)]
    return "bytes changed", bytes(changed)


def _cut(dump: bytes, bait: Path, chance: random.Random) -> Mutation:
    at = chance.randrange(len(dump))
    return f"cut at {at}", dump[:at]


def _huge(dump: bytes, bait: Path, chance: random.Random) -> Mutation:
    begins = chance.choice([
        b"", b"-- ", b"CREATE TABLE `", b"CREATE TABLE `t` (\n  `a` int COMMENT '", b"INSERT INTO `oevent` VALUES ('",
        b"INSERT INTO `oevent` VALUES (0x", b"USE `", b"SET NAMES ", b"DELIMITER ;;\n", b"/*!50001 VIEW ",
        b"\n" * 9, b"`",
    ])  # fmt: skip
    at = chance.choice(_places(rb"^LOCK TABLES ", dump))
    filling = chance.choice([b"x", b"A", b"0", b"''", b"\\\\", b"`", b"(", b"\x00"]) * chance.randint(1, 8_000_000)
    return f"{begins!r} and {len(filling)} bytes", dump[:at] + begins + filling + dump[at:]


def _doubled(dump: bytes, bait: Path, chance: random.Random) -> Mutation:
    one, other = sorted(chance.sample(_places(rb"^(?=LOCK|DROP|CREATE|INSERT|UNLOCK|/\*)", dump), 2))
    at = chance.choice(_places(rb"^(?=LOCK|DROP|CREATE|UNLOCK)", dump))
    return "a piece of it twice", dump[:at] + dump[one:other] + dump[at:]


# The restores


@contextmanager
def bystanders(server: PrivateServer) -> Iterator[None]:
    """Have a database and a user that no restore may touch."""
    query(server, "CREATE DATABASE bystander")
    query(server, "CREATE TABLE bystander.t (a INT, KEY (a)) ENGINE=InnoDB")
    query(server, "INSERT INTO bystander.t VALUES (1)")
    query(server, "CREATE USER bystander IDENTIFIED BY 'x'")
    yield
    query(server, "DROP DATABASE bystander")
    query(server, "DROP USER bystander")


def attack(server: PrivateServer, folder: Path, dumps: int, seed: int, *, command_every: int = 1) -> Iterator[Round]:
    """Restore so many hostile dumps to a server with its race; raise AssertionError if anything else changes.

    The command restores each Nth of them; the others are restored by its innermost part alone, which is faster.
    """
    tent = Tent(folder)
    bait = folder / "bait" / "file"
    bait.parent.mkdir()
    bait.parent.chmod(0o777)
    stored = tent.back_up(server)
    with bystanders(server), _restorer(server, folder) as restorer:
        found = mutations(stored.path(dump_file(dump_of(stored.batch, INDIVIDUAL))).read_bytes(), bait, seed)
        text = (stored.folder / BATCH_FILE).read_text("utf-8")
        before, race, race_list = _surroundings(server), rows_of(server, INDIVIDUAL), rows_of(server, RACE_LIST)
        for number in range(dumps):
            (what, dump), is_hostile = next(found)
            if number % command_every:
                done = _restored_directly(restorer, dump_of(stored.batch, INDIVIDUAL), dump, what)
            else:
                (stored.folder / BATCH_FILE).write_text(text, "utf-8")
                rewrite_dump(stored, dump_of(stored.batch, INDIVIDUAL), dump)
                done = _restored(tent, server, stored, what)
            assert _surroundings(server) == before, f"{what}: more than the race changed: {done.said}"
            assert not any(bait.parent.iterdir()), f"{what}: it wrote a file"
            assert rows_of(server, RACE_LIST) == race_list, f"{what}: the race list changed"
            assert_tidy(server)
            if done.code:
                assert rows_of(server, INDIVIDUAL) == race, f"{what}: refused, but the race changed: {done.said}"
            else:
                assert not is_hostile, f"{what}: OK"
                _assert_restored(server, folder, dump, what)
                _put_back(server)
                race = rows_of(server, INDIVIDUAL)
            for saved in tent.saved():
                shutil.rmtree(saved.folder)
            yield done


def _restored(tent: Tent, server: PrivateServer, stored: StoredBatch, what: str) -> Round:
    """Run the restore as its users do."""
    began = time.monotonic()
    done = subprocess.run(
        tent.command(server, "--yes", "--race", INDIVIDUAL, "--batch", stored.when),
        env={**tool_environment(), **with_password()}, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8",
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    _assert_quick(began, what)
    seconds, said = time.monotonic() - began, " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in said, f"{what}: {said}"
    assert "unexpected error" not in said, f"{what}: {said}"
    assert done.returncode in {0, 1}, f"{what}: {said}"
    return Round(what, done.returncode, seconds, said)


@contextmanager
def _restorer(server: PrivateServer, folder: Path) -> Iterator[Restorer]:
    settings = Settings(host=server.host, port=server.port, user=MEOS_USER, password=MEOS_PASSWORD)
    stop = threading.Event()
    with mysqldump.logged_in(programs.find_dump_program(None), settings, folder) as dumper:
        feeder = client.logged_in(programs.find_client_program(None), settings, folder, None, stop)
        yield Restorer(feeder, dumper, stop, replacement.refuse_if_open, lambda _: None)


def _restored_directly(restorer: Restorer, entry: Entry, dump: bytes, what: str) -> Round:
    path = restorer.client.folder / "hostile.dump.sql"
    path.write_bytes(dump)
    began = time.monotonic()
    [step] = replacement.steps([replace(entry, reference=None)])
    try:
        replacement.restore_dumps(restorer, {step: path}, lambda _: None)
        code, said = 0, ""
    except MeosBackupError as error:
        code, said = 1, str(error)
    _assert_quick(began, what)
    return Round(what, code, time.monotonic() - began, said)


def _assert_quick(began: float, what: str) -> None:
    seconds = time.monotonic() - began
    assert seconds < HANGS_AFTER or seconds < limit(HANGS_AFTER), f"{what}: {seconds:.1f} s"


def _surroundings(server: PrivateServer) -> object:
    """Return what a restore of the race must leave alone."""
    return (
        databases(server), query(server, "SHOW TABLES FROM bystander"), query(server, "SELECT * FROM bystander.t"),
        query(server, "SHOW CREATE TABLE bystander.t"), sorted(map(repr, query(server, "SELECT * FROM mysql.user"))),
        query(server, "SHOW GLOBAL VARIABLES WHERE Variable_name NOT LIKE 'gtid%'"),
        query(server, "SELECT EVENT_NAME FROM information_schema.EVENTS"),
        query(server, "SELECT ROUTINE_SCHEMA, ROUTINE_NAME FROM information_schema.ROUTINES"),
    )  # fmt: skip


def _assert_restored(server: PrivateServer, folder: Path, dump: bytes, what: str) -> None:
    """See that an OK is one: what the server has now is what the dump holds, read by a dump of the server."""
    file, now = folder / "hostile.sql", folder / "now.sql"
    file.write_bytes(dump)
    now.write_bytes(subprocess.run(
        [needed("mysqldump"), "--no-defaults", f"--socket={server.socket}", "--user=root", "--hex-blob",
         "--default-character-set=utf8mb4", "--databases", INDIVIDUAL], capture_output=True, check=True,
    ).stdout)  # fmt: skip
    expected, found = fingerprint.table_digests(file), fingerprint.table_digests(now)
    wrong = [name for name, digest in expected.items() if found.get(name) != digest]
    assert not wrong, f"{what}: OK, but {wrong} are not what the dump holds"


def _put_back(server: PrivateServer) -> None:
    query(server, f"DROP DATABASE {INDIVIDUAL}")
    load(server, FILES[INDIVIDUAL])


def main() -> None:
    """Attack, and print figures."""
    parser = argparse.ArgumentParser(description="Restore hostile dumps whose sums fit.")
    parser.add_argument("--dumps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--command-every", type=int, default=1, metavar="N", help="run the command for each Nth only")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, private_server() as server:
        make_pristine(server, {RACE_LIST: FILES[RACE_LIST], INDIVIDUAL: FILES[INDIVIDUAL]}, {})
        ends, longest = Counter[str](), 0.0
        rounds = attack(server, Path(name), chosen.dumps, chosen.seed, command_every=chosen.command_every)
        for number, done in enumerate(rounds, 1):
            refused = "refused by its statement" if "no dump program writes" in done.said else "refused otherwise"
            ends[refused if done.code else "restored as it is"] += 1
            longest = max(longest, done.seconds)
            if number % 20 == 0:
                click.echo(f"{number}: {dict(ends)}, the longest took {longest:.1f} s")
    click.echo(f"{chosen.dumps} dumps: {dict(ends)}; 0 tracebacks, 0 wrong OKs, 0 bystanders changed")


if __name__ == "__main__":
    main()
