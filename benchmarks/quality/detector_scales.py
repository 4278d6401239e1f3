"""At which µm/px a detector finds glomeruli best, and what that costs: one detector, run at several scales.

    python -m benchmarks.quality.detector_scales SAMPLES... [--split val] [--weights WEIGHTS]

A detector that learnt from pictures enlarged 0.6 to 1.6 times sees at other scales too. Each
row is circle AP on the pictures brought to so many µm/px, and the seconds that a mm² takes, reading included.
"""

import time
from dataclasses import replace
from pathlib import Path

import click
import torch

from glomspike.detect.evaluate import evaluate_detector, scaled_pictures
from glomspike.learn.samples import in_split, read_samples
from glomspike.networks.models import load_model

SCALES_MPP = (2.5, 3.0, 4.0, 5.0, 6.0)


@click.command()
@click.argument("tables", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--split", default="val", show_default=True, help="Which rows; not those of the final test.")
@click.option("--weights", type=click.Path(path_type=Path), help="A detector, not the shipped one.")
def main(tables: tuple[Path, ...], split: str, weights: Path | None) -> None:
    """Measure one detector at several scales."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    detector = load_model("detector", weights, device)
    samples = in_split(read_samples(tables), split)  # type: ignore[arg-type]
    print("µm/px   AP     AP50   AP75   s/mm²")
    for mpp in SCALES_MPP:
        rescaled = replace(detector, card=detector.card.model_copy(update={"mpp": mpp}))
        pictures = scaled_pictures(samples, mpp)
        area_mm2 = sum(p.pixels.shape[0] * p.pixels.shape[1] for p in pictures) * (mpp / 1000) ** 2
        began = time.perf_counter()
        numbers = evaluate_detector(samples, rescaled, lambda *_: None).numbers
        seconds = time.perf_counter() - began
        aps = "  ".join(f"{float(str(numbers[name])):.3f}" for name in ("ap", "ap50", "ap75"))
        print(f"{mpp:5.1f}   {aps}  {seconds / area_mm2:.3f}")


if __name__ == "__main__":
    main()
