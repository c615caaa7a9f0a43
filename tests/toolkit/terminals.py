"""Terminals: what a person sees, types and pastes."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.place import Place
from tests.toolkit.programs import needed
from tests.toolkit.runs import server_options, with_password
from tests.toolkit.servers import MEOS_PASSWORD
from tests.toolkit.waiting import PATIENCE, wait_until

COLUMNS, _ROWS = 200, 60


class Screen:
    """The tool in a real terminal of its own (a tmux that belongs to this test alone)."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self.is_closed = False

    @property
    def text(self) -> str:
        """All that was ever shown."""
        return self._tmux("capture-pane", "-p", "-J", "-S", "-")

    @property
    def words(self) -> str:
        """All that was ever shown, with single blanks, so that it doesn't matter where lines were broken."""
        return " ".join(self.text.split())

    @property
    def process_id(self) -> int:
        return int(self._ask("pane_pid"))

    @property
    def rang(self) -> bool:
        """Whether the bell was rung."""
        return self._ask("window_bell_flag") == "1"

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def close(self) -> None:
        """Close the window, as its user does by its cross."""
        self._tmux("kill-session")
        self.is_closed = True

    def wait_for(self, pattern: str, times: int = 1) -> list[str]:
        """Wait until a pattern is found so many times in the words that were shown, and return what was found."""
        try:
            return wait_until(
                lambda: found if len(found := re.findall(pattern, self.words)) >= times else [], f"{pattern!r}",
                pause=0.1,
            )  # fmt: skip
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text.rstrip()}") from None

    def wait_for_end(self) -> tuple[int, float]:
        """Wait until the tool has left; return its exit code, and the seconds that it took."""
        began = time.monotonic()
        code = wait_until(self._exit_code, "the end of the tool", pause=0.1)
        return int(code), time.monotonic() - began

    def _exit_code(self) -> str:
        # tmux 3.3 sometimes overlooks that a program has ended, until it is told of another one.
        if sys.platform != "win32":
            os.kill(int(self._ask("pid")), signal.SIGCHLD)
        return self._ask("pane_dead_status") or self._ask("pane_dead_signal")

    def _ask(self, variable: str) -> str:
        return self._tmux("display-message", "-p", f"#{{{variable}}}").strip()

    def _tmux(self, *arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-u", "-S", self._socket, *arguments], check=True, capture_output=True, encoding="utf-8"
        ).stdout


@contextmanager
def tmux(
    command: Sequence[str], environment: Mapping[str, str], *, columns: int = COLUMNS, folder: Path | None = None
) -> Iterator[Screen]:
    """Run a command in a terminal of its own until it leaves or the block ends; it must not show a traceback."""
    program = needed("tmux")
    # Not below the test's folder, whose path may be too long for a socket.
    with tempfile.TemporaryDirectory(prefix="tmux-") as short:
        socket, settings = Path(short, "socket"), Path(short, "tmux.conf")
        settings.write_text("set -g remain-on-exit on\nset -g history-limit 100000\nset -g monitor-bell on\n", "utf-8")
        subprocess.run(
            [program, "-u", "-S", socket, "-f", settings, "new-session", "-d", "-x", str(columns), "-y", str(_ROWS),
             *command],
            env=environment, check=True, cwd=folder,
        )  # fmt: skip
        screen = Screen(socket)
        try:
            yield screen
            if screen.is_closed:
                return
            assert "Traceback" not in screen.text
            assert "unexpected error" not in screen.words
        finally:
            subprocess.run([program, "-S", socket, "kill-server"], check=False, capture_output=True)


def in_terminal(place: Place, server: PrivateServer, *arguments: str | Path) -> str:
    """Run the tool in a terminal, where nothing is taken out of what it writes; return every letter of that."""
    if sys.platform == "win32":
        pytest.skip("Windows has no pseudo-terminals")
    controller, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "meosbackup", *map(str, arguments), *place.options, *server_options(server)],
        env={**os.environ, "PYTHONUTF8": "1", **with_password()},
        stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    written = b""
    try:
        while piece := os.read(controller, 1 << 16):
            written += piece
    except OSError:  # how Linux tells that nobody writes any more
        pass
    finally:
        os.close(controller)
        process.wait(PATIENCE)
    return written.decode("utf-8")


def paste(command: str, folder: Path, home: Path, password: str = MEOS_PASSWORD) -> str:
    """Run a line in a terminal's bash, type the password wherever it is asked for; return what the screen shows."""
    if sys.platform == "win32":
        pytest.skip("these are the commands for Linux")
    master, terminal = os.openpty()
    # A terminal of its own, since mysql asks the terminal for a password, whatever its input is.
    process = subprocess.Popen(
        [needed("setsid"), "--ctty", "--wait", "bash", "-c", command], cwd=folder, stdin=terminal, stdout=terminal,
        stderr=terminal, env={"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    os.close(terminal)
    screen, typed = b"", 0
    with suppress(OSError):  # Linux tells the end so
        while piece := os.read(master, 4096):
            screen += piece
            while typed < screen.count(b"password: "):
                os.write(master, f"{password}\n".encode())
                typed += 1
    os.close(master)
    assert process.wait(PATIENCE) == 0, screen.decode()
    assert typed, screen.decode()
    return screen.decode()


def pasted_lines(guide: str, heading: str) -> list[str]:
    """Cut out of a RESTORE.txt the lines to paste below a heading, as a helper would find them."""
    lines = guide.split("\r\n")
    start = lines.index(heading) + 1
    end = next((place for place in range(start, len(lines)) if re.match("(STEP|PART) ", lines[place])), len(lines))
    return [line.removeprefix("    ") for line in lines[start:end] if line.startswith("    ")]
