"""What another program has open for a moment costs a moment; what it keeps open is told as such."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from meosbackup.system import patience
from meosbackup.system.faults import HeldError
from meosbackup.system.patience import patiently


class WindowsError(OSError):
    """An error as Windows's Python has it."""

    def __init__(self, winerror: int, path: str) -> None:
        super().__init__(errno.EACCES, "Permission denied", path)
        self.winerror = winerror


def failing(times: int, winerror: int) -> Callable[[], int]:
    """Return what fails so often, and then returns how often it was tried."""
    tries = 0

    def act() -> int:
        nonlocal tries
        tries += 1
        if tries <= times:
            raise WindowsError(winerror, "RESTORE.txt")
        return tries

    return act


@pytest.mark.parametrize("winerror", [32, 33, 5, 145])
def test_a_moment_costs_a_moment(winerror: int) -> None:
    assert patiently(failing(3, winerror)) == 4


def test_what_stays_open_is_told_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "SECONDS", 0.2)
    with pytest.raises(HeldError, match=r"another program has it open: 'RESTORE\.txt'"):
        patiently(failing(1000, 32))


def test_where_the_user_may_not_it_is_not_another_programs_doing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(patience, "SECONDS", 0.2)
    with pytest.raises(WindowsError):
        patiently(failing(1000, 5), tmp_path)


def test_any_other_error_is_raised_at_once() -> None:
    act = failing(1, 112)
    with pytest.raises(WindowsError):
        patiently(act)
    assert act() == 2
