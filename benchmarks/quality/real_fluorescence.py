"""What a disease network that learnt from phantoms says of real fluorescence: a look, never a claim.

    python -m benchmarks.quality.real_fluorescence MODEL IF

IF is a folder of pictures of IgG, whose names begin with their grade (`IgG2_…`). Each is judged as the only
image of a case, at the scale of a field of 450 µm since none states one: how strongly the antibody seems to
bind, and where.
"""

from pathlib import Path

import click
import numpy as np
from scipy.stats import spearmanr

from benchmarks.quality.patient_likeness import IF_WIDTH_PX, IGG, grade_of
from benchmarks.quality.real_micrographs import answer_alone, disease_network
from glomspike.disease.binding import SITES, binding_seen
from glomspike.disease.prepare import fluorescence_square
from glomspike.slide.reader import read_picture


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.argument("pictures", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(model: Path, pictures: Path) -> None:
    """Print what a network says of real pictures of IgG, by their grade."""
    network = disease_network(model)
    rows = []
    for path in sorted(pictures.glob(IGG)):
        pixels = read_picture(path)
        scale = IF_WIDTH_PX / pixels.shape[1]
        square = fluorescence_square(path.name, "IgG", pixels, scale, network.form.sides_px["if"])
        grades, sites = binding_seen(answer_alone(network, square).binding[0, 0])
        expected = float(np.dot(grades, range(len(grades))))
        rows.append([grade_of(path), expected, *(sites[site] for site in SITES)])
    if not rows:
        raise click.UsageError(f"{pictures} has no picture {IGG}")
    found = np.array(rows)
    print(f"| grade | pictures | expected grade | {' | '.join(SITES)} |")
    print(f"|{'---|' * (3 + len(SITES))}")
    for grade in np.unique(found[:, 0]):
        those = found[found[:, 0] == grade]
        cells = " | ".join(f"{value:.2f}" for value in those[:, 1:].mean(axis=0))
        print(f"| {grade:.0f} | {len(those)} | {cells} |")
    correlation = spearmanr(found[:, 0], found[:, 1]).statistic
    print(f"\nRank correlation of {len(found)} pictures' grades with what is expected: {correlation:.2f}")


if __name__ == "__main__":
    main()
