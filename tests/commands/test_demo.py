"""The demo: a race day, a rehearsal and an accident, and nothing left of it."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.toolkit.runs import run_meosbackup
from tests.toolkit.waiting import PATIENCE, wait_until


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of its own, short enough for a socket below it."""
    folder = Path(tempfile.mkdtemp(prefix="mbd"))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def processes_in(folder: Path) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(folder) in line]


@pytest.mark.usefixtures("server_program")
@pytest.mark.long
def test_the_demo_backs_up_rehearses_and_restores(temporary: Path, tmp_path: Path) -> None:
    result = run_meosbackup("demo", "--seconds", "16", "--log-file", tmp_path / "log", timeout=250)
    assert result.returncode == 0, result.stdout + result.stderr
    for words in (
        "race list + 3 races", "batches made", "The second server has what the first one has.",
        "spare server ready", "was deleted in MeOS", "The race is exactly as it was.",
        "It had all races of the newest batch, row by row.",
    ):  # fmt: skip
        assert words in result.stdout
    assert "FAIL" not in result.stdout
    assert list(temporary.iterdir()) == []
    assert processes_in(temporary) == []
    temporary.rmdir()


@pytest.mark.usefixtures("server_program")
def test_ctrl_c_ends_the_demo_and_leaves_nothing(temporary: Path, tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows can't send Ctrl-C to one process")
    screen = tmp_path / "screen"
    with screen.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "meosbackup", "demo", "--log-file", str(tmp_path / "log")],
            stdout=output, stderr=output, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def is_backed_up() -> bool:
        assert process.poll() is None, screen.read_text("utf-8")
        return "race list + 3 races" in screen.read_text("utf-8")

    wait_until(is_backed_up, "the first batch")
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    assert "The demo was stopped, and everything it made was deleted." in screen.read_text("utf-8")
    assert list(temporary.iterdir()) == []
    assert processes_in(temporary) == []
    temporary.rmdir()
