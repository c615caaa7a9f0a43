"""A server's error number in what dump and client programs say."""

import pytest

from meosbackup.dump import connecting
from meosbackup.system.process import Result

NEXT_TO_IT = "mysqldump: Error: 'Access denied; you need the PROCESS privilege' when trying to dump tablespaces"
SHOWN = "--------------\nINSERT INTO x VALUES ('ERROR 9999 (HY000)')\n--------------\n"


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ('mariadb-dump: Got error: 2026: "TLS/SSL error: self-signed certificate" when trying to connect', 2026),
        ("mysqldump: Got error: 1045: Access denied for user 'meos'@'%' when trying to connect", 1045),
        ("mysqldump: Error 2013: Lost connection to MySQL server during query when dumping table `x` at row: 7", 2013),
        ("mysqldump: Couldn't execute 'SHOW FIELDS': Unknown column 'GENERATION_EXPRESSION' (1054)", 1054),
        ("ERROR 1273 (HY000) at line 223: Unknown collation: 'utf8mb3_uca1400_swedish_ai_ci'", 1273),
        ("ERROR 2026 (HY000): TLS/SSL error: tlsv1 alert protocol version\n", 2026),
        (f"{SHOWN}\nERROR 1062 (23000) at line 3: Duplicate entry '1' for key 'PRIMARY'\n", 1062),
        (f"mysqldump: Got error: 1146: Table 'a.b' doesn't exist when using LOCK TABLES\n{NEXT_TO_IT}", 1146),
        (NEXT_TO_IT, None),
        ("mysqldump: [Warning] Using a password on the command line interface can be insecure.", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_number_is_found(said: str, number: int | None) -> None:
    result = Result(("mysqldump",), 2, "", said, 0.1, timed_out=False)
    line, found = connecting.error(result)
    assert found == number
    assert line == (result.last_error if number is None else next(
        text.strip() for text in reversed(said.splitlines()) if str(number) in text))  # fmt: skip
