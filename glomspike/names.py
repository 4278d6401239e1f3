"""File names as text: on Linux a name is any bytes, and what is written about a file is UTF-8."""

import re

_NO_TEXT = re.compile("[\udc80-\udcff]")  # what Python holds a byte as that is no UTF-8


def as_text(name: str) -> str:
    """A file's name as text that may name a file too: as it is, or with %E9 for a byte that is no UTF-8."""
    return _NO_TEXT.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", name)
