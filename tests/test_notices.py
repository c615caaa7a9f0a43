"""What the user is told once, whenever somebody listens."""

import pytest

from meosbackup import notices


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_known", set())
    for name in ("_untold", "_listeners"):
        monkeypatch.setattr(notices, name, [])


def test_what_was_told_before_anybody_listened_is_heard_by_the_first_who_does() -> None:
    heard: list[str] = []
    notices.tell("The connection is not encrypted.")
    notices.listen(heard.append)
    assert heard == ["The connection is not encrypted."]


def test_a_notice_is_told_once_and_to_the_last_listener_alone() -> None:
    first: list[str] = []
    second: list[str] = []
    notices.listen(first.append)
    notices.tell("one")
    notices.listen(second.append)
    for text in ("one", "two", "two"):
        notices.tell(text)
    assert (first, second) == (["one"], ["two"])
