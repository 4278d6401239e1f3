"""Measured numbers in a page of the documentation: what is between two marks is written again."""

from pathlib import Path

END = "<!-- end -->"


def write_measured(page: Path, what: str, text: str) -> None:
    """Puts the text between `<!-- measured: what -->` and the next end mark of a page."""
    begin = f"<!-- measured: {what} -->"
    head, rest = page.read_text(encoding="utf-8").split(begin)
    tail = rest.split(END, maxsplit=1)[1]
    page.write_text(f"{head}{begin}\n{text}\n{END}{tail}", encoding="utf-8")
