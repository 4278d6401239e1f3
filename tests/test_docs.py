"""Documents that list what is in a folder list all of it, links lead somewhere, commands can be typed."""

import importlib
import re
import subprocess
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parents[1]
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
COMMAND = re.compile(r"python -m ((?:benchmarks|datasets)\.[.\w]+)([^`\n|;&]*)")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def linked(document):
    """The paths below the checkout that a document links to."""
    links = LINK.findall((ROOT / document).read_text("utf-8"))
    return {(ROOT / document).parent.joinpath(link).resolve() for link in links}


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_number_a_status_and_a_date(path):
    title, blank, status = path.read_text("utf-8").splitlines()[:3]
    assert re.match(rf"# {int(path.name[:4])}\. ", title)
    assert blank == ""
    assert re.fullmatch(r"(Accepted|Replaced by \d+), \d{4}-\d\d-\d\d\.", status)


def test_the_index_lists_every_decision_in_order():
    index = (ROOT / "docs" / "adr" / "README.md").read_text("utf-8")
    assert re.findall(r"\]\((\d{4}-[^)]+\.md)\)", index) == [path.name for path in DECISIONS]


def test_gaps_in_the_numbers_of_decisions_are_explained():
    numbers = {int(path.name[:4]) for path in DECISIONS}
    index = (ROOT / "docs" / "adr" / "README.md").read_text("utf-8")
    explained = re.search(r"^No record ever had the numbers (.*)\.$", index, re.MULTILINE)
    assert explained is not None
    missing = set(range(1, max(numbers) + 1)) - numbers
    assert {int(number) for number in re.findall(r"\d+", explained[1])} == missing


def test_readme_lists_every_folder_and_program_of_the_checkout():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("the checkout is not one of git's")
    names = {name.partition("/")[0] for name in listed.stdout.splitlines()}
    where = (ROOT / "README.md").read_text("utf-8").partition("## Where things are")[2]
    names -= {"README.md", *(name for name in names if name.startswith("."))}
    assert [name for name in sorted(names) if name not in where] == []


def test_readme_says_where_every_page_of_the_documentation_is():
    pages = {path.resolve() for path in (ROOT / "docs").glob("*.md")}
    assert pages - linked("README.md") == set()


@pytest.mark.parametrize("folder", ["datasets", "benchmarks"])
def test_every_program_of_a_folder_is_in_its_table(folder):
    table = (ROOT / folder / "README.md").read_text("utf-8")
    programs = [path for path in (ROOT / folder).rglob("*.py") if "__main__" in path.read_text("utf-8")]
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in programs]
    assert [module for module in modules if module not in table] == []


DOCUMENTS = [
    path.relative_to(ROOT).as_posix()
    for folder in (".", "docs", "docs/adr", "benchmarks", "datasets", "examples", "weights")
    for path in sorted((ROOT / folder).glob("*.md"))
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_between_documents_lead_somewhere(document):
    assert [path for path in linked(document) if not path.exists()] == []


def program_of(module):
    """The command of a program, None where it takes no options or needs what is not installed."""
    try:
        return getattr(importlib.import_module(module), "main", None)
    except ModuleNotFoundError:
        return None


def unknown_words(module, words):
    """The subcommand and the options among the words after a program's name that it does not know."""
    program = program_of(module)
    if not isinstance(program, click.Command):
        return []
    if isinstance(program, click.Group):
        name, *words = words or [""]
        if name not in program.commands:
            return [f"{module} {name}"]
        program = program.commands[name]
    known = {name for parameter in program.params for name in (*parameter.opts, *parameter.secondary_opts)}
    options = re.findall(r"(?<![\w-])--[\w-]+", " ".join(words))
    return [f"{module} {option}" for option in options if option not in known]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_programs_know_the_subcommands_and_options_that_documents_name(document):
    commands = COMMAND.findall((ROOT / document).read_text("utf-8"))
    assert [unknown for module, words in commands for unknown in unknown_words(module, words.split())] == []
