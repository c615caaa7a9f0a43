"""The workflows of GitHub's runners: what can be known of them without one."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
_BY_GO = ("go", "run", "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12")


def actionlint() -> list[str]:
    """Return the command that starts actionlint: what is installed, or what Go fetches."""
    if found := shutil.which("actionlint"):
        return [found]
    if shutil.which("go") and subprocess.run([*_BY_GO, "-version"], check=False, capture_output=True).returncode == 0:
        return list(_BY_GO)
    pytest.skip("neither actionlint nor a Go that can fetch it is here")


def test_actionlint_finds_nothing() -> None:
    assert len(WORKFLOWS) == 2
    result = subprocess.run([*actionlint(), *WORKFLOWS], check=False, capture_output=True, text=True, cwd=ROOT)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def test_each_action_is_named_by_its_commit() -> None:
    used = [use for path in WORKFLOWS for use in re.findall(r"uses: (?!\./)(.*)", path.read_text("utf-8"))]
    assert len(used) > 5
    assert [use for use in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", use)] == []
    assert len({use.partition("@")[0] for use in used}) == len(set(used)), "one action in two versions"
