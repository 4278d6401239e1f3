"""`run.json`."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from results import glomerulus, slide_facts, slide_result, spike_score

from glomspike import __version__
from glomspike.errors import OutputError
from glomspike.results.record import (
    RECORD_NAME,
    Counts,
    RunRecord,
    SlideRecord,
    Spikes,
    read_record,
    write_record,
)


def record(**changes):
    contents = {
        "slide": SlideRecord.of(slide_facts(), "f" * 64),
        "options": {"mpp": None, "threshold": 0.5},
        "weights": {"detector": "a" * 64, "segmenter": "b" * 64, "classifier": "c" * 64},
        "device": "cpu",
        "started": datetime(2024, 5, 1, 12, 0, tzinfo=UTC),
        "finished": datetime(2024, 5, 1, 12, 1, tzinfo=UTC),
        "seconds": {"detect": 1.5},
        "counts": Counts.of(slide_result()),
        "spikes": Spikes.of(slide_result(glomerulus(1, spikes=spike_score(0.9)), glomerulus(2))),
        "warnings": ("coarse",),
    }
    return RunRecord(**(contents | changes))


def test_a_record_is_read_back_as_it_was_written(tmp_path):
    write_record(tmp_path, record())
    assert read_record(tmp_path) == record()


def test_the_file_says_all_that_a_reader_needs(tmp_path):
    write_record(tmp_path, record())
    told = json.loads((tmp_path / RECORD_NAME).read_text("utf-8"))
    assert list(told) == [
        "versions", "slide", "options", "weights", "device", "started", "finished", "seconds", "counts",
        "spikes", "warnings", "stain", "summary", "tissue", "files",
    ]  # fmt: skip
    assert set(told["versions"]) == {"glomspike", "python", "torch", "openslide"}
    assert told["versions"]["glomspike"] == __version__
    assert told["started"] == "2024-05-01T12:00:00Z"
    assert (told["slide"]["mpp_x"], told["slide"]["vendor"], told["slide"]["width"]) == (
        0.25,
        "aperio",
        40_000,
    )


def test_counts_tell_found_scored_spiked_and_unreadable():
    found = [glomerulus(1, spikes=spike_score(0.9)), glomerulus(2, spikes=spike_score(0.1)), glomerulus(3)]
    assert Counts.of(replace(slide_result(*found), unreadable_windows=4)) == Counts(
        glomeruli=3,
        scored=2,
        spiked=1,
        tiles=80,
        positive_tiles=20,
        spike_fraction=0.25,
        unreadable_windows=4,
        unreadable_tiles=6,
    )


def test_the_best_tiles_and_the_share_of_positive_ones_are_told_of_each_glomerulus_and_of_the_case(tmp_path):
    write_record(tmp_path, record())
    told = json.loads((tmp_path / RECORD_NAME).read_text("utf-8"))["spikes"]
    first = {"x0": 9900.0, "y0": 7900.0, "probability": 0.9}
    second = {"x0": 10000.0, "y0": 8000.0, "probability": 0.89}
    assert told["top_tiles"] == [first | {"glomerulus": 1}, second | {"glomerulus": 1}]
    assert told["glomeruli"] == [
        {"id": 1, "spike_fraction": 0.25, "top_tiles": [first, second]},
        {"id": 2, "spike_fraction": None, "top_tiles": []},
    ]


def test_without_a_tile_the_case_has_no_spike_fraction():
    assert Counts.of(slide_result(glomerulus(1))).spike_fraction is None


def test_equal_settings_do_not_differ_whatever_else_the_run_did():
    other = record(device="cuda:0", seconds={}, warnings=(), files={"a": "b"})
    assert record().settings.differences(other.settings) == []


def test_each_difference_of_settings_is_told():
    here = record().settings
    there = here.model_copy(
        update={
            "version": "0.0.1",
            "fingerprint": "e" * 64,
            "options": {"threshold": 0.7, "mpp": 0.5},
            "weights": {**here.weights, "classifier": "d" * 64},
        }
    )
    assert here.differences(there) == [
        f"glomspike 0.0.1, not {__version__}",
        "another slide",
        "mpp 0.5, not unset",
        "threshold 0.7, not 0.5",
        "other classifier weights",
    ]


@pytest.mark.parametrize("text", ["", "{}", '{"versions": 1}', "\x00\xff"])
def test_a_damaged_record_is_told_in_one_line(tmp_path, text):
    (tmp_path / RECORD_NAME).write_text(text, "utf-8")
    with pytest.raises(OutputError, match="damaged") as raised:
        read_record(tmp_path)
    assert "\n" not in str(raised.value)
