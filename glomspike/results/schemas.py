"""The published JSON Schemas of `run.json` and `case.json`, made from the records' own types.

They lie beside this file. `python -m glomspike.results.schemas` writes them anew after a record has changed.
"""

import json
from pathlib import Path

from pydantic import BaseModel, JsonValue

from glomspike.results.case_record import CASE_NAME, CaseRecord
from glomspike.results.record import RECORD_NAME, RunRecord

DRAFT = "https://json-schema.org/draft/2020-12/schema"
RECORDS: dict[str, type[BaseModel]] = {RECORD_NAME: RunRecord, CASE_NAME: CaseRecord}


def schema_path(name: str) -> Path:
    """Where the schema of a file of that name lies: `run.schema.json` for `run.json`."""
    return Path(__file__).with_name(f"{Path(name).stem}.schema.json")


def schema(name: str) -> dict[str, JsonValue]:
    """The JSON Schema, draft 2020-12, of a file of that name."""
    made = RECORDS[name].model_json_schema(mode="serialization")
    return {"$schema": DRAFT, **made, "title": f"glomspike {name}"}


def schema_text(name: str) -> str:
    """The schema as its file holds it."""
    return json.dumps(schema(name), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for record in RECORDS:
        schema_path(record).write_text(schema_text(record), encoding="utf-8")
