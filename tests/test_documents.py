"""CONTRIBUTING's map, CHANGELOG and the links between the documents: what they name is there."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import meosbackup

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "meosbackup"
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "tests").rglob("*.md")]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def floors() -> list[str]:
    """Return the packages from the top floor down, as import-linter's contract has them."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]
    names = chain.from_iterable(re.split(r" *[|:] *", layer) for layer in contract["layers"])
    return [name for name in names if (PACKAGE / name).is_dir()]


def test_the_map_has_a_row_for_each_package_from_the_top_floor_down() -> None:
    rows = re.findall(r"^\| `(\w+)/` \|", CONTRIBUTING, re.MULTILINE)
    assert rows == floors()
    assert set(rows) == {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def test_each_module_that_contributing_names_exists() -> None:
    # `batch/names` and `batch/names.py` are modules; `guide/` and a bare `guide` are packages.
    named = set(re.findall(rf"`((?:{'|'.join(floors())})/[\w/]*(?:\.\w+)?)`", CONTRIBUTING))
    assert len(named) > 30
    assert [name for name in named if not any((PACKAGE / f"{name}{ending}").exists() for ending in ("", ".py"))] == []


def test_each_module_beside_the_packages_is_named() -> None:
    beside = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert [name for name in beside if f"`{name}`" not in CONTRIBUTING] == []


def test_each_link_between_the_documents_leads_somewhere() -> None:
    assert len(DOCUMENTS) >= 4
    for path in DOCUMENTS:
        for link in re.findall(r"\]\(([^)]+)\)", path.read_text("utf-8")):
            file, _, heading = link.partition("#")
            if ":" in file:
                continue
            target = path.parent / file if file else path
            assert target.exists(), f"{path}: {link}"
            if heading:
                headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
                assert heading in [re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings], link


def test_the_changelog_has_a_chapter_of_this_version() -> None:
    assert f"\n## [{meosbackup.__version__}] - " in (ROOT / "CHANGELOG.md").read_text("utf-8")
