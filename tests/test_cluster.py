"""A folder of slides on Ray."""

from pathlib import Path

import numpy as np
import pytest
from pyramids import write_aperio

from glomspike.batch.task import Batch
from glomspike.errors import UsageError
from glomspike.networks.models import load_cards
from glomspike.results.options import Options
from glomspike.results.record import read_record
from glomspike.slide.find import find_slides

pytest.importorskip("ray", reason="Ray is not installed")


def test_a_numbered_gpu_is_not_for_a_cluster(tmp_path: Path) -> None:
    from glomspike.batch.cluster import ClusterWorkers

    with pytest.raises(UsageError, match="Ray chooses the GPUs"):
        ClusterWorkers(Batch(tmp_path, {}, {}, Options()), "local", "cuda:1")


@pytest.mark.slow
def test_a_cluster_does_what_one_machine_does(tmp_path: Path) -> None:
    from glomspike.batch.cluster import ClusterWorkers
    from glomspike.batch.local import LocalWorkers

    slides = tmp_path / "slides"
    slides.mkdir()
    for number in range(3):
        write_aperio(slides / f"{number}.svs", np.full((256, 256, 3), 200 + number, np.uint8))
    (slides / "broken.svs").write_text("not a slide")
    weights = {}
    near, far = (Batch(tmp_path / out, weights, load_cards(weights), Options()) for out in ("near", "far"))
    found = find_slides(slides, near.out)
    with LocalWorkers(near, ["cpu"], len(found)) as machine:
        expected = {slide.name: row for slide, row in machine.rows(found, True)}
    with ClusterWorkers(far, "local", "cpu") as cluster:
        rows = {slide.name: row for slide, row in cluster.rows(found, True)}
        again = {slide.name: row for slide, row in cluster.rows(found, True)}
    assert {n: r and (r.status, r.cause) for n, r in rows.items()} == {
        n: r and (r.status, r.cause) for n, r in expected.items()
    }
    assert sorted(r.status for r in again.values() if r) == ["failed", "skipped", "skipped", "skipped"]
    for number in range(3):
        here, there = (read_record(out / str(number)).files for out in (near.out, far.out))
        assert here.keys() == there.keys()
        assert {n for n in here if here[n] != there[n]} <= {"report.html"}  # which tells when it was made
