"""Tables of cases and their slides' results, for the tests of what becomes of them."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from glomspike.annotate.geojson import write_geojson
from glomspike.cases.assemble import assemble
from glomspike.cases.markers import with_markers
from glomspike.cases.table import read_cases
from glomspike.findings import Classification, SlideRow, Stain
from glomspike.networks.weights import Calibration, Card
from glomspike.results.adequacy import BANFF
from glomspike.results.case_record import CaseRecord
from glomspike.results.counting import CountedGlomerulus, Focus, summarise
from glomspike.results.png import write_rgb
from glomspike.results.record import Counts, RunRecord, SlideRecord, Spikes, StainRecord, write_record
from glomspike.results.table import write_table
from glomspike.segment.ahead import MARGIN_UM
from tests.cards import DRAFT
from tests.results import glomerulus, slide_facts, slide_result, spike_score

HEADER = "case,image,modality,marker,level,block,mpp\n"
PLACES0 = np.array([[3000, 3000], [5200, 3100], [7600, 3400], [3400, 5600], [5900, 5200], [8300, 5900.0]])
EDGE0 = [(2000.0, 2000.0), (9300.0, 2000.0), (9300.0, 7000.0), (2000.0, 7000.0)]
SHOWN_MPP = 0.5  # of the pictures of glomeruli
TILE_UM = 12.5
BLURRED = 4  # the place of a glomerulus that is out of focus
MARK = (230, 20, 200)  # the colour of a glomerulus's most suspicious tile
CALIBRATION = Calibration(method="platt", scale=1.0, offset=0.0, data="validation phantoms")
CARDS = {
    "classifier": Card(
        **DRAFT.model_dump(exclude={"kind", "mpp", "calibration"}),
        kind="classifier",
        mpp=0.25,
        calibration=CALIBRATION,
        sha256="c" * 64,
    )
}


def table(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    """A table of cases with these rows."""
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "biopsies.csv"
    path.write_text(header + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def slide_folder(
    out: Path,
    name: str,
    left_out: tuple[int, ...] = (),
    spiked: int | None = None,
    stain: Stain | None = None,
    faint: int | None = None,
) -> SlideRow:
    """A slide's results: glomeruli of different sizes at PLACES0, one of them spiked, one blurred.

    One may be `faint`, of a low detection score.
    """
    folder = out / name
    (folder / "images").mkdir(parents=True)
    kept = [n for n in range(len(PLACES0)) if n not in left_out]
    found = []
    for number, n in enumerate(kept, start=1):
        x0, y0 = PLACES0[n]
        tiles0 = ((x0 - 100, y0 - 50), (x0 + 40, y0 + 60))
        one = glomerulus(number, x0, y0, 70.0 + 6 * n, spike_score(0.9 if n == spiked else 0.1, tiles0))
        if n == faint:
            one = replace(one, circle=replace(one.circle, score=0.3))
        lesion = Classification.likeliest({"globally sclerosed": 0.9 if n == 5 else 0.1, "other": 0.5})
        sharpness = 0.2 if n == BLURRED else 0.6
        found.append(replace(one, classifications=(lesion,), sharpness=sharpness, is_blurred=n == BLURRED))
        write_rgb(folder / "images" / f"{number:04d}.png", _picture(one.outline.polygon0, tiles0[0]))
    result = slide_result(*found, slide=slide_facts(name=f"{name}.svs"))
    write_table(folder / "glomeruli.csv", result)
    write_geojson(folder / f"{name}.geojson", result)
    write_rgb(folder / "overview.png", np.full((300, 400, 3), 220, dtype=np.uint8))
    now = datetime.now(UTC)
    record = RunRecord(
        slide=SlideRecord.of(result.slide, "f" * 64), options={"threshold": 0.5}, weights={}, device="cpu",
        started=now, finished=now, seconds={}, counts=Counts.of(result), spikes=Spikes.of(result),
        warnings=("the stain is pale",), tissue=(tuple(EDGE0),), stain=StainRecord.of(stain),
        summary=summarise(map(CountedGlomerulus.of, found), 2.5, focus=Focus.of_slide(found)),
    )  # fmt: skip
    write_record(folder, record)
    return SlideRow(f"{name}.svs", "done", "", folder=name, glomeruli=len(found), tissue_mm2=2.5)


def _picture(outline0: np.ndarray, tile0: tuple[float, float]) -> np.ndarray:
    """The field of an outline as the main job cuts it out, one tile of it in a colour of its own."""
    low_um, high_um = outline0.min(axis=0) * 0.25, outline0.max(axis=0) * 0.25
    corner0 = np.floor((low_um - MARGIN_UM) / 0.25)
    width, height = np.ceil((high_um - low_um + 2 * MARGIN_UM) / SHOWN_MPP).astype(int)
    picture = np.full((height, width, 3), 200, dtype=np.uint8)
    left, top = np.round((np.array(tile0) - corner0) * 0.25 / SHOWN_MPP).astype(int)
    side = round(TILE_UM / SHOWN_MPP)
    picture[top : top + side, left : left + side] = MARK
    return picture


def case_of(tmp_path: Path, *rows: str) -> CaseRecord:
    """A case of slides a and b, which show the same glomeruli but for one, and c, which failed."""
    (case,) = read_cases(table(tmp_path, *rows))
    done = {
        "a.svs": slide_folder(tmp_path, "a"),
        "b.svs": slide_folder(tmp_path, "b", left_out=(1,), spiked=2),
        "c.svs": SlideRow("c.svs", "failed", "is empty; copy it again"),
    }
    return assemble(with_markers(case, done, tmp_path), done, tmp_path, BANFF, CARDS)
