"""The one door to other programs."""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from meosbackup.errors import StoppedError
from meosbackup.system import process
from tests.toolkit.programs import shell_script
from tests.toolkit.waiting import PATIENCE, limit, wait_until

LIMIT = PATIENCE


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-X", "utf8", "-c", code, *arguments]


def test_a_program_that_ends_by_itself() -> None:
    code = "import sys; print(sys.argv[1]); print('first', file=sys.stderr); print(' last ', file=sys.stderr); exit(3)"
    result = process.run(python(code, "två ord; $HOME"), limit=LIMIT)
    assert result.code == 3
    assert result.output.strip() == "två ord; $HOME"
    assert result.errors.split() == ["first", "last"]
    assert result.last_error == "last"
    assert not result.timed_out
    assert 0 < result.seconds < LIMIT


def test_a_program_that_says_nothing() -> None:
    result = process.run(python(""), limit=LIMIT)
    assert (result.code, result.output, result.errors, result.last_error) == (0, "", "", "")


def test_of_long_output_the_end_is_kept_and_bytes_that_are_no_text_do_no_harm() -> None:
    code = "import sys; w = sys.stdout.buffer.write; w(b'x' * 3_000_000); w(b'\\xff end')"
    result = process.run(python(code), limit=LIMIT)
    assert len(result.output) == process.KEPT_BYTES
    assert result.output.endswith("x\ufffd end")


def test_a_program_that_takes_too_long_is_ended() -> None:
    began, seconds = time.monotonic(), limit(1.0)
    result = process.run(python("import time; print('begun', flush=True); time.sleep(600)"), limit=seconds)
    assert result.timed_out
    assert result.code != 0
    assert result.output.strip() == "begun"
    assert seconds <= time.monotonic() - began < seconds + limit(2.0)


def test_a_program_that_will_not_end_politely_is_ended_for_good() -> None:
    if sys.platform == "win32":
        pytest.skip("Windows asks no program to end")
    code = "import signal as s, time; s.signal(s.SIGTERM, s.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    began, seconds = time.monotonic(), limit(0.5)
    result = process.run(python(code), limit=seconds)
    assert result.timed_out
    assert result.output.strip() == "deaf"
    assert time.monotonic() - began < seconds + limit(2.5)


def test_a_program_is_ended_when_the_user_asks_to_stop(tmp_path: Path) -> None:
    stop = threading.Event()
    begun = tmp_path / "begun"
    code = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
    errors: list[BaseException] = []

    def work() -> None:
        try:
            process.run(python(code, str(begun)), limit=600.0, stop=stop)
        except StoppedError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(begun.exists, "the program's start")
    asked = time.monotonic()
    stop.set()
    thread.join(LIMIT)
    assert time.monotonic() - asked < limit(2.0)
    assert len(errors) == 1


def test_no_program_is_started_once_the_user_asked_to_stop(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    begun = tmp_path / "begun"
    with pytest.raises(StoppedError):
        process.run(python("import pathlib, sys; pathlib.Path(sys.argv[1]).touch()", str(begun)), limit=60.0, stop=stop)
    assert not begun.exists()


@pytest.mark.parametrize("way", ["limit", "stop"])
def test_the_children_of_a_wrapper_are_ended_with_it(tmp_path: Path, way: str) -> None:
    wrapper = shell_script(tmp_path / "wrapper", "trap '' TERM; (while :; do echo >> beat; sleep 0.01; done)")
    stop = threading.Event()
    if way == "limit":
        assert process.run([str(wrapper)], limit=2.0, folder=tmp_path).timed_out
    else:
        with ThreadPoolExecutor() as other_thread:
            run = other_thread.submit(process.run, [str(wrapper)], limit=LIMIT, stop=stop, folder=tmp_path)
            wait_until((tmp_path / "beat").exists, "the wrapper's child")
            stop.set()
        assert isinstance(run.exception(), StoppedError)
    last = (tmp_path / "beat").read_bytes()
    time.sleep(0.2)
    assert (tmp_path / "beat").read_bytes() == last


def test_input_comes_from_a_file_and_otherwise_there_is_none() -> None:
    code = "import sys; print(sys.stdin.read().upper())"
    with tempfile.TemporaryFile() as file:
        file.write("änglamark\n".encode())
        file.seek(0)
        assert process.run([*python(code)], limit=LIMIT, stdin=file).output.strip() == "ÄNGLAMARK"
    assert process.run(python(code), limit=LIMIT).output.strip() == ""


def test_secrets_of_the_environment_are_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MYSQL_PWD", "MEOSBACKUP_PASSWORD", "MEOSBACKUP_TEST_OTHER"):
        monkeypatch.setenv(name, f"value of {name}")
    result = process.run(python("import os; print(dict(os.environ))"), limit=LIMIT)
    assert "MYSQL_PWD" not in result.output
    assert "MEOSBACKUP_PASSWORD" not in result.output
    assert "value of MEOSBACKUP_TEST_OTHER" in result.output
    assert os.environ["MYSQL_PWD"] == "value of MYSQL_PWD"


def test_a_program_runs_in_the_folder_that_it_is_given(tmp_path: Path) -> None:
    result = process.run(python("import os; print(os.getcwd())"), limit=LIMIT, folder=tmp_path)
    assert Path(result.output.strip()).samefile(tmp_path)


def test_a_program_of_low_priority_runs_as_well() -> None:
    code = "import os; print(os.nice(0) if hasattr(os, 'nice') else 10)"
    with process.low_priority():
        assert int(process.run(python(code), limit=LIMIT).output) >= 10


@pytest.mark.parametrize("name", ["no-such-program", "/no/such/program"])
def test_a_program_that_is_not_there(name: str) -> None:
    with pytest.raises(OSError):
        process.run([name], limit=LIMIT)


def test_ctrl_c_does_not_reach_the_program() -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no process groups of this kind")
    result = process.run(python("import os; print(os.getpgrp())"), limit=LIMIT)
    assert int(result.output) != os.getpgrp()


def test_a_program_that_was_ended_before_is_ended_without_ado() -> None:
    started = process.start(python(""))
    started.wait(LIMIT)
    process.end(started)
    assert started.returncode == 0


def test_what_is_poured_into_a_program_arrives_while_it_is_made() -> None:
    pieces = [b"x" * 100_000, "åäö\n".encode() * 9, b""]
    with process.poured(iter(pieces)) as stdin:
        result = process.run(
            python("import sys; print(len(sys.stdin.buffer.read()))"), limit=LIMIT, stdin=stdin
        )  # fmt: skip
    assert result.output.strip() == str(sum(map(len, pieces)))


def test_a_program_that_reads_no_more_ends_the_pouring() -> None:
    poured = []

    def endless() -> Iterator[bytes]:
        while True:
            poured.append(1)
            yield b"x" * 100_000

    with process.poured(endless()) as stdin:
        assert process.run(python("import sys; sys.stdin.read(10); exit(4)"), limit=LIMIT, stdin=stdin).code == 4
    assert poured


def test_what_cant_be_made_is_no_silent_end() -> None:
    def broken() -> Iterator[bytes]:
        yield b"begun"
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"), process.poured(broken()) as stdin:
        process.run(python("import sys; sys.stdin.read()"), limit=LIMIT, stdin=stdin)
