"""What is wrong with a setting, in words."""

import difflib
import sys
from collections.abc import Iterable
from typing import Any

from meosbackup.errors import WrongUsageError
from meosbackup.text import clean

SAVE_AS_UTF8 = "save it as UTF-8" + (" (Notepad: File, Save as, Encoding: UTF-8)" if sys.platform == "win32" else "")
"""What to do about a file of settings in another encoding."""

_WIDTH = 80


def wrong(fault: str) -> WrongUsageError:
    """Return the error for a wrong setting; `fault` is a sentence without its full stop."""
    return WrongUsageError(
        f"{clean(fault)}.",
        "Nothing was backed up.",
        "Correct it and start again; config.example.toml explains every key.",
    )


def unknown(place: str, name: str, names: Iterable[str]) -> WrongUsageError:
    """Return the error for a name that no setting has, with the nearest of the `names`; `place` stands before it."""
    nearest = difflib.get_close_matches(name[:_WIDTH], names, 1, 0.0)[0]
    return wrong(f"{place}{clean(name, _WIDTH) or '(no name)'} is not a setting; the nearest is {nearest}")


def shown(value: Any) -> str:
    """Return a value as it stands in a message: one line of at most 80 columns."""
    match value:
        case bool():
            text = str(value).lower()
        case str():
            text = repr(value)
        case dict():
            text = "(a group)"
        case _:
            try:
                text = str(value)
            except ValueError:  # Python refuses to write thousands of digits
                text = "(a huge number)"
    return clean(text, _WIDTH)
