"""What decides whether a slide has to be done: the settings of a run against those of results in place."""

from collections.abc import Mapping
from pathlib import Path

from glomspike import __version__
from glomspike.errors import OutputError
from glomspike.findings import CallRule
from glomspike.results.folder import is_done
from glomspike.results.options import Options
from glomspike.results.record import RunSettings


def run_settings(
    fingerprint: str, weights: Mapping[str, str], rule: CallRule, options: Options
) -> RunSettings:
    """What decides the results of a slide: a run is skipped where these are the same.

    `weights` are the SHA-256 of each model's weights by kind; `rule` is the one in force, of which a card may
    have another for the same weights.
    """
    chosen = {
        "mpp": options.mpp,
        "crops": options.crops,
        "mirrored": options.mirrored,
        "dicom": options.dicom,
        "glomerulus_um": options.glomerulus_um,
        "stain": options.stain,
    }
    return RunSettings(
        version=__version__,
        fingerprint=fingerprint,
        options={
            **chosen,
            "threshold": rule.threshold,
            "not_spiked_below": rule.not_spiked_below if rule.has_doubt else None,
            "spiked_from": rule.spiked_from if rule.has_doubt else None,
            "no_extent_below": rule.no_extent_below if rule.has_doubt else None,
        },
        weights=dict(weights),
    )


def is_finished(place: Path, settings: RunSettings, options: Options) -> bool:
    """Whether a folder holds the results of these settings, so that nothing is left to do.

    Raises OutputError where it holds others that may not be replaced.
    """
    if options.overwrite == "always":
        return False
    try:
        return is_done(place, settings)
    except OutputError:
        if options.overwrite == "never":
            raise
        return False
