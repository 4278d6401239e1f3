"""The published JSON Schemas: they are those of the records, and what glomspike writes keeps to them."""

import copy
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError

from glomspike.cases.tables import CASE_COLUMNS, COLUMNS
from glomspike.cases.write import write_case
from glomspike.results.case_record import CASE_NAME
from glomspike.results.record import RECORD_NAME
from glomspike.results.schemas import RECORDS, schema_path, schema_text
from tests.case_results import case_of

DOCS = Path(__file__).parents[1] / "docs" / "schemas"


def validator(name):
    schema = json.loads(schema_path(name).read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("name", RECORDS)
def test_the_published_schema_is_that_of_the_record(name):
    assert schema_path(name).read_text("utf-8") == schema_text(name), (
        "run python -m glomspike.results.schemas"
    )
    assert (DOCS / schema_path(name).name).read_text("utf-8") == schema_text(name)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A case's `case.json` and a slide's `run.json`, as programs read them."""
    out = tmp_path_factory.mktemp("case")
    write_case(
        out, "k", case_of(out, "k,a.svs,,,1,,", "k,b.svs,om,pas,2,,", "k,c.svs,,,3,,", "k,t.tif,tem,,,,")
    )
    records = {RECORD_NAME: out / "a" / RECORD_NAME, CASE_NAME: out / "cases" / "k" / CASE_NAME}
    return {name: json.loads(path.read_text("utf-8")) for name, path in records.items()}


@pytest.mark.parametrize("name", RECORDS)
def test_what_is_written_keeps_to_it(name, written):
    validator(name).validate(written[name])


@pytest.mark.parametrize("name", RECORDS)
def test_a_key_that_is_missing_or_unknown_does_not(name, written):
    for key in written[name]:
        other = copy.deepcopy(written[name])
        del other[key]
        with pytest.raises(ValidationError):
            validator(name).validate(other)
    with pytest.raises(ValidationError, match="colour"):
        validator(name).validate({**written[name], "colour": "red"})


def test_a_call_that_is_none_does_not(written):
    other = copy.deepcopy(written[CASE_NAME])
    other["glomeruli"][0]["call"] = "perhaps"
    with pytest.raises(ValidationError):
        validator(CASE_NAME).validate(other)


FORMATS = (Path(__file__).parents[1] / "docs" / "file-formats.md").read_text("utf-8")


def described(heading):
    """The names in the first column of a table of the page, by the heading of that column."""
    table = FORMATS.partition(f"| {heading} | meaning |\n")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[1:]]
    return [name.strip() for cell in cells for name in cell.split(",")]


@pytest.mark.parametrize(
    ("heading", "columns"),
    [("column of a case's glomeruli.csv", COLUMNS), ("column of cases.csv", CASE_COLUMNS)],
)
def test_every_column_is_described(heading, columns):
    assert sorted(described(heading)) == sorted(columns)


@pytest.mark.parametrize(("name", "heading"), [("run.json", "field"), ("case.json", "field of case.json")])
def test_every_field_is_described(name, heading):
    fields = RECORDS[name].model_fields
    assert set(fields) - {"glomeruli"} <= set(described(heading))
