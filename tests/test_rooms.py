"""CONTRIBUTING's map of the rooms: every module is on it, and imports point downwards."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "meosbackup"


def floors() -> dict[str, int]:
    rows = re.findall(r"^\| (`\w+\.py`.*?) \|", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE)
    return {name: floor for floor, row in enumerate(rows) for name in re.findall(r"`(\w+)\.py`", row)}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == PACKAGE.name:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE.name}."):
            yield str(node.module).partition(".")[2]


def test_every_module_is_on_the_map() -> None:
    assert floors().keys() == {path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")}


def test_imports_point_downwards() -> None:
    map_of = floors()
    upwards = [
        f"{name} imports {other}"
        for name, floor in map_of.items()
        for other in imported(PACKAGE / f"{name}.py")
        if other in map_of and map_of[other] <= floor
    ]
    assert upwards == []
