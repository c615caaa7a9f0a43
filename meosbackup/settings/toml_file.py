"""The file of settings, in TOML."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meosbackup.settings import faults


def read(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """Return the values in a file of settings, which may hold these keys; an empty text or list counts as not set.

    Raises WrongUsageError if the file can't be read, is not TOML, or holds another key.
    """
    document = _parsed(path)
    for key, value in document.items():
        if isinstance(value, dict) and key not in keys:
            raise faults.wrong(f"{path}: [{key}] is not a setting; settings stand outside of any [group]")
        if key not in keys:
            raise faults.unknown(f"{path}: ", key, keys)
    return {key: value for key, value in document.items() if value not in ("", [])}


def _parsed(path: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - 4 ms, and most have no such file

    text = ""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return tomllib.loads(text)
    except OSError as error:
        reason = "it is a folder" if path.is_dir() else error.strerror or error
        raise faults.wrong(f"{path} can't be read ({reason})") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise faults.wrong(f"{path}, line {line}: not in UTF-8; {faults.SAVE_AS_UTF8}") from error
    except (ValueError, RecursionError) as error:
        place = re.search(r"at line (\d+)", str(error))
        faulty = text.split("\n")[int(place[1]) - 1] if place else text
        hint = "; write a Windows path in '…', or with / for each \\" if "\\" in faulty else ""
        raise faults.wrong(f"{path} is not TOML: {error}{hint}") from error
