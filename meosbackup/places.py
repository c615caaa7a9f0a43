"""Where installers put the programs of MySQL and MariaDB, on each platform."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

_PROGRAM_FILES = ("MySQL/*/bin", "MySQL/*", "MariaDB */bin")
_WINDOWS = (
    "xampp/mysql/bin", "wamp64/bin/mysql/*/bin", "wamp64/bin/mariadb/*/bin", "wamp/bin/mysql/*/bin",
    "wamp/bin/mariadb/*/bin", "laragon/bin/mysql/*/bin", "laragon/bin/mariadb/*/bin",
)  # fmt: skip
_MACOS = (
    "opt/homebrew/bin", "opt/homebrew/opt/mysql*/bin", "opt/homebrew/opt/mariadb*/bin", "usr/local/bin",
    "usr/local/opt/mysql*/bin", "usr/local/opt/mariadb*/bin", "usr/local/mysql/bin", "usr/local/mysql-*/bin",
    "opt/local/lib/mysql*/bin", "opt/local/lib/mariadb*/bin", "Applications/XAMPP/xamppfiles/bin",
    "Applications/MAMP/Library/bin", "Applications/MAMP/Library/bin/mysql*/bin",
)  # fmt: skip
# The folders of servers are missing in an ordinary user's PATH.
_LINUX = (
    "usr/sbin", "usr/libexec", "usr/bin", "usr/local/sbin", "usr/local/libexec", "usr/local/bin",
    "usr/local/mysql/bin", "opt/lampp/bin", "opt/mysql/*/bin", "opt/mariadb*/bin",
)  # fmt: skip


def folders(
    platform: str = sys.platform, root: Path | None = None, environment: Mapping[str, str] = os.environ
) -> Iterator[Path]:
    """Give the folders that are there, the newest version of an installer's first.

    `root` is the top of the file system; on Windows, that of the drive that has the system.
    """
    if platform == "win32":
        top = root or Path(environment.get("SYSTEMDRIVE", "C:") + "/")
        files = [environment.get(name, "") for name in ("ProgramFiles", "ProgramW6432", "ProgramFiles(x86)")]
        homes = [Path(path) for path in files if path] or [top / "Program Files", top / "Program Files (x86)"]
        places = [(home, pattern) for home in dict.fromkeys(homes) for pattern in _PROGRAM_FILES]
        places += [(top, pattern) for pattern in _WINDOWS]
    else:
        top = root or Path("/")
        places = [(top, pattern) for pattern in (_MACOS if platform == "darwin" else _LINUX)]
    for home, pattern in places:
        yield from sorted((path for path in home.glob(pattern) if path.is_dir()), reverse=True)
