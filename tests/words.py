"""Every word of glomspike that a user may read, for `words.txt`: `python tests/words.py` writes it anew.

Strings of the package of two words or more, help texts, the text of pages, and the sentences of the cards.
`{}` is what the program fills in. The file is sorted and names neither files nor lines, so that moving code
leaves it as it is; where two changes conflict in it, it is written again.
"""

import ast
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).parents[1]
SNAPSHOT = Path(__file__).with_suffix(".txt")
RENEW = "python tests/words.py"
TWO_WORDS = re.compile(r"[^\W\d_]{2,}.*\s.*[^\W\d_]{2,}", re.DOTALL)
SHOWN_ATTRIBUTES = frozenset({"title", "aria-label", "alt", "placeholder"})
WRITTEN_KEYS = frozenset({"data", "intended_use", "limits", "name", "source"})  # of cards


def collected() -> list[str]:
    """All strings, sorted, each on a line and once."""
    package = ROOT / "glomspike"
    lines = set[str]()
    for path in package.rglob("*.py"):
        lines |= _of_module(ast.parse(path.read_bytes()))
    for path in package.rglob("*.j2"):
        lines |= {f"page: {text}" for text in _page(path.read_text("utf-8"))}
    for path in package.rglob("*.typ"):
        lines |= {f"page: {text}" for text in _typst(path.read_text("utf-8"))}
    for path in package.rglob("*.js"):
        lines |= {f"page: {text}" for text in _script(path.read_text("utf-8"))}
    for path in (ROOT / "weights").glob("*.json"):
        lines |= {f"card: {text}" for text in _card(json.loads(path.read_bytes()))}
    return sorted({_one_line(line) for line in lines})


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _of_module(tree: ast.Module) -> set[str]:
    """What `--help` shows, and all other strings of two words or more but docstrings and names of types."""
    found = set[str]()
    waiting: list[tuple[ast.AST, str]] = [(tree, "text")]
    while waiting:
        node, kind = waiting.pop()
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a docstring
        if isinstance(node, ast.FunctionDef) and any(map(_is_command, node.decorator_list)):
            found.add(f"help: {ast.get_docstring(node)}")
        if isinstance(node, ast.keyword) and node.arg in ("help", "short_help"):
            kind = "help"
        text = _text(node)
        if text is not None and (kind == "help" or TWO_WORDS.search(text)):
            found.add(f"{kind}: {text}")
        waiting += [(part, kind) for part in _parts(node)]
    return found


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """The children of a node in which strings may be shown: of a string with values, the values."""
    if isinstance(node, ast.JoinedStr):
        yield from (part.value for part in node.values if isinstance(part, ast.FormattedValue))
        return
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns"):
            yield from (
                one for one in (value if isinstance(value, list) else [value]) if isinstance(one, ast.AST)
            )


def _is_command(decorator: ast.expr) -> bool:
    call = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(call, ast.Attribute) and call.attr in ("command", "group")


def _text(node: ast.AST) -> str | None:
    """A string as it reads, `{}` for each value in it; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join("{}" if isinstance(v, ast.FormattedValue) else _text(v) or "" for v in node.values)
    return None


class _PageTexts(HTMLParser):
    """The texts of a page, and of those of its attributes that are shown or read aloud."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.texts += [value for name, value in attrs if value and name in SHOWN_ATTRIBUTES]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _page(template: str) -> Iterator[str]:
    for quoted in re.findall(r'"([^"{}<>]*)"', " ".join(re.findall(r"\{[{%].*?[%}]\}", template, re.DOTALL))):
        if TWO_WORDS.search(quoted):  # what an expression of the template says
            yield quoted
    template = re.sub(r"\{\{.*?\}\}", "{}", re.sub(r"\{[#%].*?[#%]\}", "", template, flags=re.DOTALL))
    parser = _PageTexts()
    parser.feed(template)
    yield from (text for text in parser.texts if re.search(r"[^\W\d_]{2,}", text))


def _script(source: str) -> Iterator[str]:
    """The strings of a script, `{}` for each value in them."""
    code = re.sub(r"^\s*(//.*|/?\*.*)$", "", source, flags=re.MULTILINE)
    for quotes in re.findall(r'"([^"\n]*)"|`([^`]*)`', code):
        text = re.sub(r"\$\{[^}]*\}", "{}", "".join(quotes))
        if TWO_WORDS.search(text):
            yield text


def _typst(source: str) -> Iterator[str]:
    """The headings and strings of a document of Typst's."""
    yield from re.findall(r"^ *=+ (.*)$", source, re.MULTILINE)
    yield from filter(TWO_WORDS.search, re.findall(r'"([^"\n]*)"', source))


def _card(value: object, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _card(part, name)
    elif isinstance(value, list):
        for part in value:
            yield from _card(part, key)
    elif isinstance(value, str) and key in WRITTEN_KEYS and TWO_WORDS.search(value):
        yield value


if __name__ == "__main__":
    SNAPSHOT.write_text("".join(f"{line}\n" for line in collected()), encoding="utf-8")
