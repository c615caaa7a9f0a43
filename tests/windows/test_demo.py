"""The demo on Windows: a race day in a minute, on private servers for Windows."""

from tests.toolkit.windows import Windows


def test_the_demo_runs_to_its_end_and_leaves_nothing(machine: Windows) -> None:
    temporary = machine.home() / "AppData/Local/Temp"
    before = set(temporary.iterdir())
    with machine.console(*machine.tool, "demo", "--seconds", "30") as screen:
        for words in (
            "race list [+] 3 races", "stopped; [0-9]+ batch", "The second server has what the first one has.",
            "was deleted in MeOS", "The race is exactly as it was.",
        ):  # fmt: skip
            screen.wait_for(words)
        assert screen.wait_for_end()[0] == 0, screen.text
        assert "FAIL" not in screen.words
    assert set(temporary.iterdir()) == before
