"""Text that can be typeset whatever it holds: each sign of it is drawn by a font, or stands as its number.

Names of cases and slides can be anything. Signs that no font has would be boxes, and names would look alike.
"""

import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import typst
from matplotlib.ft2font import FT2Font

TEXT, SYMBOLS, LAST_RESORT = "Libertinus Serif", "DejaVu Sans", "Last Resort High-Efficiency"
_JOINERS = "\u200c\u200d"
_LONG_WORD = re.compile(r"(\S{24})(?=\S)")


@cache
def fonts() -> typst.Fonts:
    """Typst's, those of Matplotlib, and the machine's for scripts that these lack."""
    return typst.Fonts(font_paths=[str(Path(mpl.get_data_path(), "fonts", "ttf"))])


@cache
def families() -> tuple[str, ...]:
    """The families of all fonts in the order that they are to be tried."""
    first = (TEXT, SYMBOLS)
    others = [name for name in fonts().families() if name not in {*first, LAST_RESORT}]
    return (*first, *others, LAST_RESORT)


def printable(content: Any) -> Any:
    """The same nested lists and dicts with text that can be set on a line, and broken where it is long."""
    match content:
        case str():
            return _LONG_WORD.sub("\\1\u200b", "".join(map(_drawn, content)))
        case dict():
            return {key: printable(value) for key, value in content.items()}
        case list() | tuple():
            return [printable(value) for value in content]
        case _:
            return content


@cache
def _drawn(sign: str) -> str:
    if sign.isascii() and sign.isprintable():
        return sign
    match unicodedata.category(sign):
        case "Cc" | "Zl" | "Zp":
            return " "
        case "Cf":  # such as marks that turn the direction of all that follows
            return sign if sign in _JOINERS else ""
        case "Cs" | "Co" | "Cn":
            return _number(sign)
        case _:
            return sign if _has_glyph(sign) else _number(sign)


def _number(sign: str) -> str:
    return f"⟨U+{ord(sign):04X}⟩"


def _has_glyph(sign: str) -> bool:
    known = (font for font in fonts().fonts() if font.path is not None and font.family != LAST_RESORT)
    # DejaVu first: it has nearly all that comes up, and the others need not be opened.
    for font in sorted(known, key=lambda font: font.family != SYMBOLS):
        if ord(sign) in _signs(str(font.path), font.index):
            return True
    return False


@cache
def _signs(path: str, index: int) -> frozenset[int]:
    """The code points that a font file has; none where it cannot be read."""
    try:
        return frozenset(FT2Font(path, face_index=index).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
