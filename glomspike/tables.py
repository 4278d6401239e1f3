"""Tables that people type: CSV as spreadsheets of any country write it, and names as people spell them."""

import csv
import io
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from glomspike.errors import SamplesError

SEPARATORS = ",;\t"  # as spreadsheets write them in one country or another
_SEPARATOR_LINE = re.compile(f"sep=([{SEPARATORS}])\r?\n", re.IGNORECASE)  # which spreadsheets understand
_ZEROS = re.compile(r"^0+(?=\d+$)|(?<=\d)\.0+$")  # what spreadsheets take from a number, or add to it


@dataclass(frozen=True)
class TableRow:
    """A row: the number of its line in the file, and its cells, stripped, by column in small letters."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class Table:
    """The columns of a table, in small letters, and its rows, those without text omitted."""

    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]


def read_table(path: Path) -> Table:
    """A CSV file in UTF-8, separated by commas, semicolons or tabs; lacking cells at the end are empty.

    Raises SamplesError for a file that cannot be read, a column that is there twice, and a row with more
    cells than there are columns, or with a character of code 0.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        separator = _SEPARATOR_LINE.match(text)
        heading = text.partition("\n")[0]
        delimiter = separator[1] if separator else max(SEPARATORS, key=heading.count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SamplesError(path, f"cannot be read ({error})", "save it as CSV in UTF-8") from error
    (_, heads), *rest = lines[1 if separator else 0 :] or [(1, [])]
    columns = [name.casefold() for name in heads]
    for name in columns:
        if name and columns.count(name) > 1:
            raise SamplesError(path, f"has the column {name} twice", "keep one of them")
    return Table(tuple(filter(None, columns)), tuple(_rows(path, columns, rest)))


def _rows(path: Path, columns: Sequence[str], lines: Iterable[tuple[int, list[str]]]) -> Iterator[TableRow]:
    for line, cells in lines:
        if not any(cells):
            continue
        place = f"{path} line {line}"
        if any("\0" in cell for cell in cells):
            raise SamplesError(place, "has a character of code 0", "save the table as CSV in UTF-8")
        padded = [*cells, *[""] * (len(columns) - len(cells))]
        unnamed = len(cells) > len(columns) or any(
            cell for name, cell in zip(columns, padded, strict=True) if not name
        )
        if unnamed:
            cause = f"has {len(cells)} cells, and there are {len(columns)} columns"
            raise SamplesError(place, cause, "put names with a separator in them in quotes")
        yield TableRow(line, {name: cell for name, cell in zip(columns, padded, strict=True) if name})


def path_beside(table: Path, name: str) -> Path:
    """The file that a cell names, from the table's folder on; what is there goes before what is typed.

    Backslashes between folders and the encoding of accents may differ where no file is spelled just so.
    """
    slashed = name.replace("\\", "/")
    spellings = [name, slashed, *(unicodedata.normalize(form, slashed) for form in ("NFC", "NFD"))]
    paths = [table.parent / spelling for spelling in spellings]
    # Path.exists raises for a name that is too long.
    return next((path for path in paths if os.path.exists(path)), paths[0])  # noqa: PTH110


def alike(name: str) -> str:
    """The same text for names that people take for one: capitals, spaces and encoding make no difference.

    Nor do a number's leading zeros, and what a spreadsheet adds to it behind the point.
    """
    plain = unicodedata.normalize("NFKC", name).casefold()
    seen = (sign for sign in plain if not sign.isspace() and unicodedata.category(sign) != "Cf")
    return _ZEROS.sub("", "".join(seen))


def refuse_two_spellings(names: Iterable[tuple[str, str]], what: str = "patient") -> None:
    """Raises SamplesError where patients, or what else has names, are spelled in two ways (see `alike`).

    Each is given as where it stands, and as it is spelled there.
    """
    spelled: dict[str, str] = {}
    for place, name in names:
        known = spelled.setdefault(alike(name), name)
        if known != name:
            look_alike = unicodedata.normalize("NFC", name) == unicodedata.normalize("NFC", known)
            show = ascii if look_alike else repr
            cause = f"{what} {show(name)} is {show(known)} in another row"
            cure = f"spell each {what} in one way; capitals, spaces and leading zeros alone make no other"
            raise SamplesError(place, cause, cure)
