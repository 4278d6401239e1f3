"""Names of files that are any bytes: everything that is written about them is text."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from discs import disc_picture
from edits import Annotations, ellipse
from hypothesis import given
from hypothesis import strategies as st
from pyramids import write_aperio

from glomspike import cli
from glomspike.annotate.imagescope import write_layers
from glomspike.annotate.marks import OTHER
from glomspike.batch.local_copy import LocalCopy
from glomspike.batch.task import Batch, do_slide
from glomspike.findings import Mpp
from glomspike.names import as_text
from glomspike.networks.models import load_cards
from glomspike.results.options import Options
from glomspike.results.summary import write_summary
from glomspike.slide.find import find_slides


@given(st.binary(min_size=1).filter(lambda name: b"\0" not in name and b"/" not in name))
def test_every_name_has_a_text_and_names_that_are_text_keep_theirs(name: bytes) -> None:
    text = as_text(os.fsdecode(name))
    text.encode()
    try:
        assert text == name.decode()
    except UnicodeDecodeError:
        assert "%" in text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds one slide, neither of whose names is UTF-8."""
    place = tmp_path / os.fsdecode(b"caf\xe9")
    place.mkdir()
    return place


def test_the_main_job_takes_any_name_and_knows_it_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_aperio(folder / os.fsdecode(b"caf\xe9.svs"), np.full((256, 256, 3), 240, np.uint8))
    out, weights = folder / os.fsdecode(b"o\xfft"), {}
    batch = Batch(out, weights, load_cards(weights), Options())
    (slide,) = find_slides(folder, out)
    rows = [do_slide(slide, LocalCopy(path, None), batch, "cpu", True) for _ in range(2)]
    assert [row and (row.status, row.cause) for row in rows] == [("done", ""), ("skipped", "")]
    with pytest.raises(SystemExit) as end:
        cli.main([str(path), str(out), "--device", "cpu"])
    assert (end.value.code, "done before with the same settings" in capsys.readouterr().out) == (0, True)
    (place,) = out.iterdir()
    assert os.fsencode(place.name) == b"caf\xe9"
    record = json.loads((place / "run.json").read_text("utf-8"))
    assert record["slide"]["name"] == "caf%E9.svs"
    assert {"caf%E9.xml", "caf%E9.geojson"} <= set(record["files"])
    write_summary(out, [row for row in rows if row])
    with (out / "summary.csv").open(newline="", encoding="utf-8") as file:
        assert {(row["slide"], row["folder"]) for row in csv.DictReader(file)} == {("caf%E9.svs", "caf%E9")}


def test_samples_are_made_of_any_name_and_of_the_files_a_run_wrote(folder: Path) -> None:
    disc = disc_picture(1_200, 1_200, [(600.0, 600.0, 300.0)])
    write_aperio(folder / os.fsdecode(b"caf\xe9.svs"), disc)
    drawn = Annotations([])
    drawn.add(OTHER, ellipse(600, 600, 300))
    write_layers(folder / os.fsdecode(b"caf\xe9.xml"), drawn.layers, Mpp(0.25, 0.25))
    out = folder.parent / os.fsdecode(b"o\xfft")
    for _ in range(2):
        with pytest.raises(SystemExit) as end:
            cli.main(["samples", str(folder), "--out", str(out)])
        assert end.value.code == 0
        with (out / "samples.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert {row["patient"] for row in rows} == {"caf%E9"}
        assert all((out / row["image"]).is_file() for row in rows)
        (xml,) = folder.glob("*.xml")
        xml.rename(folder / "caf%E9.xml")
