"""What makes the main job fast stays so: told by ratios and counts, never by seconds."""

from pathlib import Path
from statistics import median

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.speed.papers_way import MiddleTile, windows_one_by_one
from benchmarks.speed.pictures import TILE_PX, seconds_of
from benchmarks.speed.slide import Layout, write_biopsy, write_on_more_glass
from benchmarks.speed.trace import Trace, decoding_seconds, network_seconds, run_recorded
from glomspike.classify.method import boxes_of
from glomspike.classify.msa_mil import tile_log_odds
from glomspike.classify.tiles import PAPERS, TileGrid, grid_of
from glomspike.classify.views import view_side_px
from glomspike.networks.models import Model, load_model, load_models
from glomspike.pipeline import run_slide
from glomspike.results.options import Options
from glomspike.slide.reader import open_slide

CPU = torch.device("cpu")
EXAMPLE = Path(__file__).parents[1] / "examples" / "phantom.svs"
SIDE_PX = 620
TINY = Layout(6144, 5120, (1024,), 2048, 2)


@pytest.fixture(scope="module")
def classifier() -> Model:
    return load_model("classifier", None, CPU)


@pytest.fixture(scope="module")
def grid() -> TileGrid:
    """The tiles of a square of tissue."""
    with open_slide(EXAMPLE) as slide:
        pixels = slide.read(2000, 2000, SIDE_PX, SIDE_PX, slide.facts.mpp.mean)
    whole = np.ones(pixels.shape[:2], dtype=bool)
    return grid_of(pixels, whole, whole, PAPERS)


def test_tiles_from_one_map_score_as_tiles_by_themselves(classifier: Model, grid: TileGrid) -> None:
    """Each with all around it that the network sees, on the same raster of map points."""
    sees_px, step_px = 176, 16
    side_px = TILE_PX + 2 * (sees_px + step_px)
    far = (grid.corners_px >= sees_px + step_px).all(axis=1)
    far &= (grid.corners_px - sees_px + side_px <= SIDE_PX).all(axis=1)
    corners = (grid.corners_px[far] - sees_px) // step_px * step_px
    views = np.stack([grid.pixels[y : y + side_px, x : x + side_px] for x, y in corners])
    boxes = boxes_of(grid)[torch.from_numpy(far)]
    boxes[:, 1:] -= torch.from_numpy(np.tile(corners, 2)).float()
    boxes[:, 0] = torch.arange(len(boxes))
    with torch.inference_mode():
        plain = classifier.network(classifier.card.normalisation.apply(torch.from_numpy(views)), boxes)
    fast = tile_log_odds(classifier.network, grid, classifier.card.normalisation)[far]
    calibration = classifier.card.calibration
    assert calibration is not None
    assert len(boxes) > 20
    alone = calibration.probability(plain.double().numpy())
    assert calibration.probability(fast) == pytest.approx(alone, abs=1e-3)


def test_one_map_is_far_faster_than_windows_one_by_one(classifier: Model, grid: TileGrid) -> None:
    context_px, picture = view_side_px(TILE_PX), Image.fromarray(grid.pixels)
    judge, normalisation = MiddleTile(classifier.network, context_px), classifier.card.normalisation

    def one_by_one() -> None:
        windows_one_by_one(judge, picture, grid.corners_px, context_px, normalisation)

    def dense() -> None:
        tile_log_odds(classifier.network, grid, normalisation)

    dense()
    assert median(seconds_of(one_by_one) / seconds_of(dense) for _ in range(3)) > 3


@pytest.fixture(scope="module")
def biopsies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A biopsy of two glomeruli, and the same on four times the glass."""
    folder = tmp_path_factory.mktemp("biopsies")
    biopsy, on_glass = folder / "biopsy.svs", folder / "on-glass.svs"
    write_biopsy(biopsy, TINY)
    write_on_more_glass(on_glass, biopsy)
    return biopsy, on_glass


@pytest.fixture(scope="module")
def traces(biopsies: tuple[Path, Path]) -> tuple[Trace, Trace]:
    less, more = (run_recorded(path, path.parent, CPU)[0] for path in biopsies)
    return less, more


def test_a_slide_on_more_glass_has_the_same_tissue_at_the_same_place(biopsies: tuple[Path, Path]) -> None:
    with open_slide(biopsies[0]) as less, open_slide(biopsies[1]) as more:
        assert (more.facts.width0, more.facts.height0) == (2 * less.facts.width0, 2 * less.facts.height0)
        for mpp in (0.25, 1.0, 4.0):
            parts = [slide.read(1024, 1024, 4096, 2048, mpp).astype(int) for slide in (less, more)]
            assert np.abs(parts[0] - parts[1]).max() <= 2
        assert np.ptp(more.read(8000, 6000, 4000, 4000, 4.0).reshape(-1, 3), axis=0).max() <= 2


def test_glass_is_neither_read_nor_computed_on(traces: tuple[Trace, Trace]) -> None:
    less, more = traces
    seen = [[(batch.kind, batch.shape) for batch in trace.batches] for trace in traces]
    assert seen[0] == seen[1]
    assert less.pixels["detect"] == more.pixels["detect"]
    assert sum(more.pixels.values()) <= 1.15 * sum(less.pixels.values())


@pytest.mark.slow
def test_the_job_takes_little_longer_than_its_networks_alone(
    biopsies: tuple[Path, Path], traces: tuple[Trace, Trace], tmp_path: Path
) -> None:
    """With the models at hand, as the floor's are; on so small a slide pictures and pages weigh much."""
    ready, ratios = load_models(device=CPU), []

    def job() -> None:
        run_slide(biopsies[0], tmp_path, ready, Options(overwrite="always"), lambda *_: None)

    job()  # once for what only the first costs
    for _ in range(3):
        whole = seconds_of(job)
        networks = sum(network_seconds(traces[0].batches, CPU).values())
        ratios.append(whole / max(networks, sum(decoding_seconds(biopsies[0], traces[0].reads).values())))
    assert median(ratios) < 5


def test_a_trace_is_written_and_read(traces: tuple[Trace, Trace], tmp_path: Path) -> None:
    traces[0].save(tmp_path / "trace")
    again = Trace.load(tmp_path / "trace")
    assert again.reads == traces[0].reads
    assert [batch.shape for batch in again.batches] == [batch.shape for batch in traces[0].batches]
    assert again.pixels.keys() == {"tissue", "detect", "read"}
    assert again.peak_mb == traces[0].peak_mb
