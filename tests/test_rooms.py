"""Folders import in one direction, so that a room can be read without those that come after it."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "glomspike"
# A room may import itself and what stands before it.
ORDER = (
    *("errors", "findings", "names", "modalities", "geometry", "metrics", "slide", "annotate", "results"),
    *(
        "tables",
        "typed",
        "networks",
        "gates",
        "review",
        "learn",
        "phantom",
        "detect",
        "segment",
        "classify",
        "lesions",
        "disease",
        "report",
        "analysis",
        "pipeline",
        "api",
    ),
    *("batch", "cases", "doctor", "cli", "__main__"),
)


def imported(file: Path) -> set[str]:
    """The rooms that a file imports when it runs; what only type checkers see does not count."""
    tree = ast.parse(file.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    rooms = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in typing_only:
            module = node.module or ""
            if module.startswith("glomspike."):
                rooms.add(module.split(".")[1])
            elif module == "glomspike":
                rooms |= {alias.name for alias in node.names} & set(ORDER)
    return rooms


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = [file for file in sorted(PACKAGE.rglob("*.py")) if file != PACKAGE / "__init__.py"]


def test_every_room_has_its_place() -> None:
    assert {room_of(file) for file in FILES} == set(ORDER)


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_nothing_that_comes_after_it(room: str) -> None:
    allowed = ORDER[: ORDER.index(room) + 1]
    for file in FILES:
        if room_of(file) == room:
            assert imported(file) <= set(allowed), file
