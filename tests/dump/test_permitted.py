"""Which statements of a dump may reach a server, and which never do."""

import io
from pathlib import Path

import pytest

from meosbackup.dump import permitted, scanner
from meosbackup.dump.permitted import PREAMBLE, ForbiddenStatementError
from tests.toolkit.servers import FILES

TABLE = "CREATE TABLE `t` (\n  `Id` int(11) NOT NULL{}\n) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3{};\n"


def sent(dump: bytes, *, size: int = 1 << 16, left_out: list[str] | None = None) -> bytes:
    """Return what of a dump of `race` is sent."""
    things = [] if left_out is None else left_out
    pieces = scanner.scan(io.BytesIO(dump), size)
    return b"".join(permitted.statements(pieces, "race", things)).removeprefix(PREAMBLE)


def plain(dump: bytes) -> bytes:
    """Return a dump without comments and blank lines."""
    return b"".join(line for line in dump.splitlines(keepends=True) if not line.isspace() and line[:2] != b"--")


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
@pytest.mark.parametrize("size", [70, 1 << 16])
def test_what_dump_programs_write_is_sent_unchanged(path: Path, size: int) -> None:
    dump = path.read_bytes().replace(path_database(path), b"race")
    expected = plain(dump).partition(b"\n")[2] if b"sandbox" in dump[:100] else plain(dump)
    assert sent(dump, size=size) == expected


def path_database(path: Path) -> bytes:
    return path.read_bytes().partition(b"\nUSE `")[2].partition(b"`")[0]


@pytest.mark.parametrize(
    "row",
    [
        b"(1,-2,3.5,-1e-300,1.7976931348623157e308,NULL,'')",
        rb"('it''s \' \\',';DROP DATABASE x;','-- ',_binary '\0\n',0x,0xAB,x'0F',X'')",
        "('Långdistans 🏃',_binary'''')".encode(),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 5, 64, 1 << 16])
def test_every_literal_is_sent_wherever_it_is_cut(row: bytes, size: int) -> None:
    long = b"(1,'" + b"long ''\\' " * 40 + b"',0x" + b"AB" * 300 + b",x'" + b"0f" * 99 + b"')"
    for between, end in ((b",", b";\n"), (b",\n", b";\r\n")):
        dump = b"INSERT INTO `t` (`a``b`, `c`) VALUES " + between.join([row, long, row]) + end
        assert sent(dump, size=size + 60) == dump


@pytest.mark.parametrize(
    "more",
    [
        ",\n  `n` varchar(9) DEFAULT 'a;b' COMMENT 'DATA DIRECTORY=''/x'''",
        ",\n  `g` int GENERATED ALWAYS AS (`Id` * 2 + 1) STORED,\n  CONSTRAINT `c` CHECK (json_valid(`j`))",
        ",\n  `p` point NOT NULL /*!80003 SRID 4326 */,\n  KEY `k` (`Id`) /*!80000 INVISIBLE */",
        ",\n  CONSTRAINT `f` FOREIGN KEY (`p`) REFERENCES `parent` (`Id`) ON DELETE CASCADE ON UPDATE SET NULL",
    ],
)
def test_definitions_are_sent(more: str) -> None:
    dump = TABLE.format(more, " COLLATE=utf8mb3_swedish_ci COMMENT='it''s'").encode()
    assert sent(dump) == dump


HOSTILE = [
    "DROP DATABASE other;",
    "/*!50000 DROP DATABASE other */;",
    "/*!40101 SET NAMES utf8mb4 */; DROP DATABASE other;",
    "DROP TABLE IF EXISTS `other`.`t`;",
    "DROP TABLE IF EXISTS `t`, `u`;",
    "USE `other`;",
    "USE `race`; DROP DATABASE `other`;",
    "CREATE DATABASE `other`;",
    "GRANT ALL ON *.* TO 'x'@'%';",
    "SET PASSWORD = 'x';",
    "SET GLOBAL general_log = 1;",
    "/*!40101 SET @OLD_SQL_MODE=@@GLOBAL.SQL_MODE */;",
    "/*!40101 SET SQL_MODE='NO_BACKSLASH_ESCAPES' */;",
    "/*!40101 SET NAMES gbk */;",
    "/*!40101 SET NAMES utf8mb4, GLOBAL general_log=1 */;",
    "/*!40101 SET character_set_client = big5 */;",
    "/*!40101 SET /*!40101 NAMES utf8mb4 */ */;",
    "/*!99999 SET NAMES utf8mb4;",
    "SET NAMES utf8mb4 */;",
    "SELECT 'x' INTO OUTFILE '/tmp/x';",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE t;",
    "LOCK TABLES `other`.`t` WRITE;",
    "/*!40000 ALTER TABLE `t` DISABLE KEYS, RENAME TO `other`.`t` */;",
    "CREATE TABLE `t` LIKE mysql.user;",
    "CREATE TABLE `t` AS SELECT 1;",
    "CREATE TEMPORARY TABLE `t` (\n  `a` int\n);",
    "\\! touch /tmp/x",
    "source /etc/passwd",
    "system id",
    "PREPARE s FROM 'x';",
    " INSERT INTO `t` VALUES (1);",
    "insert into `t` values (LOAD_FILE('/etc/passwd'));",
    "INSERT INTO `t` SELECT LOAD_FILE('/etc/passwd');",
    "INSERT INTO `other`.`t` VALUES (1);",
    "INSERT INTO `t` VALUES (LOAD_FILE('/etc/passwd'));",
    "INSERT INTO `t` VALUES (1),(SLEEP(9));",
    "INSERT INTO `t` VALUES ('a'),((SELECT Host FROM mysql.user));",
    "INSERT INTO `t` VALUES (1) ON DUPLICATE KEY UPDATE a = SLEEP(9);",
    "INSERT INTO `t` VALUES ('a' 'b'(1));",
    "INSERT INTO `t` VALUES (1/*! ,SLEEP(9) */);",
    "INSERT INTO `t` VALUES ('a\\\\',SLEEP(9),'b');",
    "INSERT INTO `t` VALUES (@@version);",
    "INSERT INTO `t` VALUES (1); DROP DATABASE other;",
    "/*M!999999\\- enable the sandbox mode */ DROP DATABASE other;",
    "a" * 200_000,
]


@pytest.mark.parametrize("statement", HOSTILE, ids=[one[:50] for one in HOSTILE])
def test_nothing_of_another_statement_is_sent(statement: str) -> None:
    with pytest.raises(ForbiddenStatementError) as refused:
        sent(f"SET NAMES utf8mb4;\n{statement}\n".encode())
    assert "The server is unchanged" in str(refused.value)
    assert len(refused.value.what) < 160


@pytest.mark.parametrize(
    ("more", "options"),
    [
        (",\n  `a` varchar(99) DEFAULT (load_file('/etc/passwd'))", ""),
        (",\n  `a` int DEFAULT (sleep(9))", ""),
        (",\n  `a` int DEFAULT (`other`.`f`())", ""),
        (",\n  CONSTRAINT `c` FOREIGN KEY (`Id`) REFERENCES `other`.`t` (`Id`)", ""),
        ("", " DATA DIRECTORY='/tmp'"),
        ("", " /*!50100 DATA DIRECTORY='/tmp' */"),
        ("", " CONNECTION='mysql://x/y'"),
        ("", " UNION=(`other`)"),
        ("", " ENGINE=FEDERATED"),
        ("", " ENGINE='CONNECT'"),
        ("", " ENGINE /*!50000 = */ SPIDER"),
        ("", "\n/*!50100 PARTITION BY HASH (`Id`)\nPARTITIONS 8192 */"),
        ("", " SELECT * FROM mysql.user"),
        ("", "; DROP DATABASE other"),
        ("", " COMMENT='\\\\'; DROP DATABASE other; -- '"),
        ("", " /*!99999 COMMENT='*/; DROP DATABASE other; -- ' */"),
        ("", " /*!99999 COMMENT='/* ' */"),
        ("", " /*M!100000 TABLESPACE `*/; DROP DATABASE other; -- ` */"),
        ("", " /* x */"),
        ("", " -- x"),
        ("", " /*!50000 COMMENT='x'"),
    ],
)
def test_no_definition_reaches_further_than_its_table(more: str, options: str) -> None:
    with pytest.raises(ForbiddenStatementError):
        sent(TABLE.format(more, options).encode())


def test_a_definition_that_never_ends_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(ForbiddenStatementError):
        sent(b"CREATE TABLE `t` (\n  `a` int COMMENT '" + b"x" * (40 << 20))


def test_triggers_and_views_are_left_out_and_named() -> None:
    code = b"""SET @saved_cs_client     = @@character_set_client;
/*!50001 CREATE VIEW `v1` AS SELECT
 1 AS `Id`,
 1 AS `Name`*/;
/*!50003 SET sql_mode              = 'STRICT_TRANS_TABLES' */ ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER `t``1` BEFORE INSERT ON `oevent` FOR EACH ROW
BEGIN
INSERT INTO other.t VALUES (1);
END */;;
DELIMITER ;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */
/*!50001 VIEW `v1` AS select `oevent`.`Id` AS `Id` from `oevent` */;
CREATE SEQUENCE `seq` start with 1 minvalue 1 cache 1000 nocycle ENGINE=InnoDB;
DO SETVAL(`seq`, 1, 0);
UNLOCK TABLES;
"""
    things: list[str] = []
    assert sent(code, left_out=things) == code.splitlines(keepends=True)[0] + b"UNLOCK TABLES;\n"
    assert things == ["view v1", "trigger t`1", "sequence seq"]
