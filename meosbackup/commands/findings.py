"""What `check` finds, and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass

from meosbackup import wording
from meosbackup.console import Console


@dataclass(frozen=True)
class Finding:
    """A thing that race day needs, what was found, and what to do about it, in sentences.

    `word` is OK; FAIL if the race day can't begin like this; NOTE if it can; empty if there is nothing to judge.
    """

    word: str
    name: str
    text: str
    do: str = ""


def show_verdict(found: Sequence[Finding], console: Console) -> bool:
    """Print what is left to do, or that nothing is; return whether race day can begin."""
    faults = [finding for finding in found if finding.word == "FAIL"]
    if not faults:
        notes = sum(finding.word == "NOTE" for finding in found)
        console.say("Ready for race day." + (f" Read the {wording.number(notes, 'NOTE')} above." if notes else ""))
        return True
    console.say(f"Not ready for race day: {wording.number(len(faults), 'thing')} to do.")
    for number, fault in enumerate(faults, 1):
        console.say(f"{number}. {fault.name}: {fault.do or fault.text}", margin="   ")
    return False
