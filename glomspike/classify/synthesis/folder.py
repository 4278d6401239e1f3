"""The folder of synthetic tiles: pictures, and `synthetic.json` that says how they came about."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from glomspike.errors import SamplesError
from glomspike.metrics.likeness import Likeness
from glomspike.networks.weights import TrainingData
from glomspike.results.files import replace_file

MANIFEST = "synthetic.json"
PICTURES = "tiles"


class Manifest(BaseModel):
    """What `synthetic.json` says; the tile with spikes is in the middle of each picture.

    `derived_from` and `patients` are whose tissue the generator learnt from, `tiles` and `glomeruli` how much
    of it, `classifier` the SHA-256 of the weights that were sure of these tiles.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pictures: tuple[str, ...] = Field(min_length=1)
    tile_px: int = Field(gt=0)
    mpp: float = Field(gt=0)
    derived_from: tuple[TrainingData, ...]
    patients: tuple[str, ...]
    tiles: int
    glomeruli: int
    classifier: str
    generator: dict[str, JsonValue]
    features: str
    likeness: dict[str, Likeness]
    called_spiked: dict[str, float]


def write_manifest(folder: Path, manifest: Manifest) -> Path:
    """Writes `synthetic.json`, after the pictures that it names."""
    path = folder / MANIFEST
    replace_file(path, (manifest.model_dump_json(indent=2) + "\n").encode())
    return path


def read_manifest(folder: Path) -> Manifest:
    """What a folder says of its synthetic tiles. Raises SamplesError where it has none."""
    path = folder / MANIFEST
    cure = "give the folder that `glomspike augment` wrote"
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SamplesError(path, error.strerror or str(error), cure) from error
    except ValidationError as error:
        raise SamplesError(path, f"is not valid: {error.errors()[0]['msg']}", cure) from error
