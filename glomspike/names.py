"""File names as text: on Linux a name is any bytes, and what is written about a file is UTF-8."""

import re
from pathlib import Path

_NO_TEXT = re.compile("[\udc80-\udcff]")  # what Python holds a byte as that is no UTF-8


def as_text(name: str) -> str:
    """A file's name as text that may name a file too: as it is, or with %E9 for a byte that is no UTF-8."""
    return _NO_TEXT.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", name)


def folder_name(path: Path) -> str:
    """The name of the folder for what is made of a slide: its stem; its name where the stem is all dots."""
    return path.stem if path.stem.strip(".") else path.name
