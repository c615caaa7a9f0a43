"""The demo on Windows: a race day in a minute, on private servers for Windows."""

import re

from tests.toolkit.windows import Windows


def test_the_demo_runs_to_its_end_and_leaves_nothing(machine: Windows) -> None:
    temporary = machine.home() / "AppData/Local/Temp"
    before = set(temporary.iterdir())
    with machine.console(*machine.tool, "demo", "--seconds", "30") as screen:
        assert screen.wait_for_end()[0] == 0, screen.text
        for words in (
            "race list [+] 3 races", "OK stopped; [0-9]+ batches made", "The second server has what the first one has.",
            "was deleted in MeOS", "The race is exactly as it was.",
        ):  # fmt: skip
            assert re.search(words, screen.words), screen.text
        assert "FAIL" not in screen.words
    assert set(temporary.iterdir()) == before
