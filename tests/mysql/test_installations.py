"""A server that can't be fetched is told, and tried again an hour later at the earliest."""

from pathlib import Path

import pytest

from tests.tools.matrix import installations
from tests.tools.matrix.installations import NotToBeHadError


def test_an_archive_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installations, "_CACHE", tmp_path / "cache")
    monkeypatch.setattr(installations, "_MIRROR", (tmp_path / "nothing").as_uri())
    with pytest.raises(NotToBeHadError) as first:
        installations.find("MySQL 9.7")
    assert "apt-get update" in str(first.value)
    monkeypatch.setattr(installations, "_run", lambda *_, **__: pytest.fail("it was tried again"))
    with pytest.raises(NotToBeHadError) as second:
        installations.find("MySQL 9.7")
    assert str(second.value) == str(first.value)
