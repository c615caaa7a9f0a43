"""README's commands, and what they show."""

import re
import shlex
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
WINDOWS, LINUX = "E:", "/media/NAME/LABEL"
"""What the drive is called in README's commands."""
SHOWN = {
    "check": r"OK +Långdistans[^:]*: .*dump good",
    "": r"OK +race list \+ 4 races",
    "rehearse": "From a lost server to all races restored and compared",
    "verify": "all good",
}
"""What a command of race day shows."""


def commands(heading: str, drive: str = LINUX) -> list[str]:
    """Return the commands of a chapter that name the drive so, each on a line of its own."""
    chapter = re.split(r"^## ", README.partition(f"\n## {heading}\n")[2], flags=re.MULTILINE)[0]
    found = re.findall(r"^ {4,}(meosbackup .*)$", chapter, re.MULTILINE)
    other = WINDOWS if drive == LINUX else LINUX
    return [line for line in found if other not in line.split()]


def kind(command: str) -> str:
    """Return a command's name: `verify`, and nothing for race day's own."""
    return next((word for word in shlex.split(command)[1:2] if not word.startswith("-")), "")
