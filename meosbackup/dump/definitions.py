"""What the definition of a table may say: what dump programs write, and nothing that leads out of its database.

A definition is read token by token, and each must be known. There is no word for reading files, for other databases
(no `.` between names), for queries (`SELECT`, `TABLE`, `LIKE`), or for engines that reach other tables or servers.
"""

import re
from functools import lru_cache

_TOKEN = re.compile(
    rb"(?P<blank>\s+)|(?P<name>`(?:[^`\0]|``)*`)|(?P<text>[bBnNxX]?'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*')|(?P<opening>/\*M?!\d{5,6}(?=\s))"
    rb"|(?P<closing>\*/)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<number>0x[0-9A-Fa-f]+|\d*\.?\d+(?:[eE][-+]?\d+)?)"
    rb"|(?P<sign>[(),=+*%<>!&|^~;]|/(?!\*)|-(?!-))",
    re.DOTALL,
)
_BEGINNING = re.compile(rb"CREATE TABLE `(?:[^`\0]|``)+` \(\r?\n")

_ENGINES = frozenset({b"MYISAM", b"INNODB", b"MEMORY", b"HEAP", b"ARIA", b"ARCHIVE", b"CSV", b"ROCKSDB", b"TOKUDB"})
# What comes after these is a name of somebody's choice.
_BEFORE_NAMES = frozenset({b"CHARSET", b"COLLATE", b"SET", b"PARTITION", b"SUBPARTITION"})
_PARTITION_DIGITS = 3

_TYPES = """
    BIGINT BINARY BIT BLOB BOOL BOOLEAN CHAR DATE DATETIME DEC DECIMAL DOUBLE ENUM FIXED FLOAT GEOMCOLLECTION GEOMETRY
    GEOMETRYCOLLECTION INET4 INET6 INT INTEGER JSON LINESTRING LONGBLOB LONGTEXT MEDIUMBLOB MEDIUMINT MEDIUMTEXT
    MULTILINESTRING MULTIPOINT MULTIPOLYGON NUMERIC POINT POLYGON PRECISION REAL SET SMALLINT TEXT TIME TIMESTAMP
    TINYBLOB TINYINT TINYTEXT UUID VARBINARY VARCHAR VECTOR XMLTYPE YEAR
"""
_COLUMNS_AND_KEYS = """
    ACTION ALWAYS AS ASC AUTO_INCREMENT BTREE BY CASCADE CHARACTER CHECK COLLATE COLUMN_FORMAT COMMENT COMPRESSED
    CONSTRAINT CURRENT_TIMESTAMP DEFAULT DELETE DESC DISK DISTANCE DYNAMIC END ENFORCED EUCLIDEAN COSINE FOR FOREIGN
    FULLTEXT GENERATED HASH IGNORED INVISIBLE KEY KEY_BLOCK_SIZE M NGRAM NO NOT NULL ON OVERLAPS PARSER PERIOD
    PERSISTENT PRIMARY REFERENCES REF_SYSTEM_ID RESTRICT ROW RTREE SPATIAL SRID START STARTS STORAGE STORED SYSTEM
    SYSTEM_TIME UNIQUE UNSIGNED UPDATE USING VERSIONING VIRTUAL VISIBLE WITH WITHOUT ZEROFILL
"""
_OPTIONS = """
    AUTOEXTEND_SIZE AVG_ROW_LENGTH CHARSET CHECKSUM COMPACT COMPRESSION CURRENT DELAY_KEY_WRITE ENCRYPTED ENCRYPTION
    ENCRYPTION_KEY_ID ENGINE ENGINE_ATTRIBUTE HISTORY IETF_QUOTES IN INTERVAL ALGORITHM AUTO LESS LIMIT LINEAR LIST
    MAXVALUE MAX_ROWS MEMORY MIN_ROWS NODEGROUP OFF PACK_KEYS PAGE PAGE_CHECKSUM PAGE_COMPRESSED
    PAGE_COMPRESSION_LEVEL PARTITION PARTITIONS RANGE REDUNDANT ROW_FORMAT SECONDARY_ENGINE_ATTRIBUTE
    STATS_AUTO_RECALC STATS_PERSISTENT STATS_SAMPLE_PAGES SUBPARTITION SUBPARTITIONS TABLESPACE THAN TRANSACTIONAL
    VALUES YES COLUMNS
"""
_EXPRESSIONS = """
    _ASCII _BINARY _LATIN1 _UCS2 _UTF16 _UTF32 _UTF8 _UTF8MB3 _UTF8MB4 ABS AND ARRAY BETWEEN CASE CAST CEILING
    CHAR_LENGTH CHARACTER_LENGTH COALESCE CONCAT CONCAT_WS CONVERT CRC32 CURDATE CURRENT_DATE CURRENT_TIME CURTIME
    DATEDIFF DATE_ADD DATE_FORMAT DATE_SUB DAY DAYOFMONTH DAYOFWEEK DAYOFYEAR DIV ELSE ELT FALSE FIELD FIND_IN_SET
    FLOOR FORMAT FROM_DAYS FROM_UNIXTIME GREATEST HEX HOUR IF IFNULL IS ISNULL JSON_ARRAY JSON_CONTAINS JSON_EXTRACT
    JSON_LENGTH JSON_OBJECT JSON_QUERY JSON_UNQUOTE JSON_VALID JSON_VALUE LAST_DAY LCASE LEAST LEFT LENGTH LOCALTIME
    LOCALTIMESTAMP LOCATE LOWER LPAD LTRIM MAKEDATE MAKETIME MD5 MICROSECOND MID MINUTE MOD MONTH NOW NULLIF
    OCTET_LENGTH OR ORD POSITION QUARTER REGEXP REPLACE REVERSE RIGHT ROUND RPAD RTRIM SECOND SHA1 SHA2 SIGN SIGNED
    STR_TO_DATE ST_GEOMFROMTEXT ST_X ST_Y SUBSTR SUBSTRING SUBSTRING_INDEX SYSDATE TIMEDIFF TIMESTAMPADD TIMESTAMPDIFF
    TIME_FORMAT TIME_TO_SEC TO_DAYS TO_SECONDS TRIM TRUE TRUNCATE UCASE UNHEX UNIX_TIMESTAMP UPPER UTC_DATE UTC_TIME
    UTC_TIMESTAMP UUID_TO_BIN WEEK WEEKDAY WEEKOFYEAR WHEN THEN XOR YEARWEEK
"""
_WORDS = frozenset(f"{_TYPES} {_COLUMNS_AND_KEYS} {_OPTIONS} {_EXPRESSIONS}".encode().split())


@lru_cache(256)  # from tick to tick, most are the same
def first_fault(definition: bytes) -> int | None:
    """Return where a whole CREATE TABLE statement says what no dump program writes; None if it does nowhere."""
    beginning, end = _BEGINNING.match(definition), len(definition.rstrip())
    at = beginning.end() if beginning else 0
    before, is_in_comment = b"", False
    while beginning and at < end:
        token = _TOKEN.match(definition, at, end)
        if token is None:
            return at
        kind, data = token.lastgroup, token[0].upper()
        if not _is_known(kind, data, before) or (data == b";") != (token.end() == end):
            return at
        if is_in_comment and kind in {"name", "text"} and (b"*/" in data or b"/*" in data):
            return at  # for a server of another version, the comment would end elsewhere
        if kind in {"opening", "closing"}:
            if is_in_comment == (kind == "opening"):
                return at
            is_in_comment = not is_in_comment
        if kind != "blank" and data != b"=":
            before = data
        at = token.end()
    return at if before != b";" or is_in_comment else None


def _is_known(kind: str | None, data: bytes, before: bytes) -> bool:
    """Tell whether a token may follow the one before it; data in upper case, blanks and `=` aside."""
    if kind == "blank" or data == b"=":
        return True
    if before == b"ENGINE":
        return data in _ENGINES
    if before in {b"PARTITIONS", b"SUBPARTITIONS"}:
        return kind == "number" and len(data) <= _PARTITION_DIGITS
    return kind != "word" or data in _WORDS or before in _BEFORE_NAMES
