"""Servers are fetched from the archive that apt uses here; if that fails, no test tries again within the hour."""

from pathlib import Path

import pytest

from tests.toolkit import cache, debian
from tests.toolkit.cache import NotToBeHadError
from tests.tools.matrix import installations


def test_an_archive_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(debian, "mirror", lambda _: (tmp_path / "nothing").as_uri())
    with pytest.raises(NotToBeHadError) as first:
        installations.find("MySQL 9.7")
    assert "apt-get update" in str(first.value)
    monkeypatch.setattr(debian, "_run", lambda *_, **__: pytest.fail("it was tried again"))
    with pytest.raises(NotToBeHadError) as second:
        installations.find("MySQL 9.7")
    assert str(second.value) == str(first.value)


_LINES = """
# deb http://old.example.org/debian bookworm main
deb-src http://source.example.org/debian bookworm main
deb http://security.example.org/debian-security bookworm-security main
deb cdrom:[Debian GNU/Linux 12]/debian bookworm main
deb http://shop.example.org/linux/debian bookworm stable
  deb [ arch=amd64 signed-by=/usr/share/keyrings/debian.gpg ] https://one.example.org/debian/ bookworm main contrib
deb http://two.example.org/debian bookworm main
"""

_STANZAS = """
# The security archive comes first.
Types: deb
URIs: http://security.example.org/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://off.example.org/debian
Suites: bookworm
Components: main
Enabled: no

# It has no programs.
Types: deb-src
URIs: http://source.example.org/debian
Suites: bookworm
Components: main

types: deb deb-src
uris: file:/srv/debian
# http://old.example.org/debian
  http://three.example.org/pub/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian.gpg
"""


def test_the_archive_is_the_one_of_apt(tmp_path: Path) -> None:
    extra = tmp_path / "sources.list.d"
    extra.mkdir()
    with pytest.raises(NotToBeHadError, match="no archive of Debian is in the settings of apt"):
        debian.mirror(tmp_path)
    (extra / "added.list").write_text(_LINES)
    (extra / "ubuntu.sources").write_text(_STANZAS.replace("/pub/debian", "/ubuntu"))
    assert debian.mirror(tmp_path) == "https://one.example.org/debian/"
    (extra / "debian.sources").write_text(_STANZAS)
    assert debian.mirror(tmp_path) == "http://three.example.org/pub/debian"
    (tmp_path / "sources.list").write_text("deb http://four.example.org/debian bookworm main\n")
    assert debian.mirror(tmp_path) == "http://four.example.org/debian"
