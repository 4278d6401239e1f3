"""`glomeruli.csv` of a case, one row a distinct glomerulus, and `cases.csv`, one row a case."""

import csv
import io
from collections.abc import Mapping, Sequence

from glomspike.report.case_words import warning_words
from glomspike.results.case_record import CaseGlomerulus, CaseRecord
from glomspike.results.disease_record import DiseaseRecord

COLUMNS = (
    "id", "call", "sclerosed", "disagreement", "certainty", "area_um2", "profiles", "spike_probability",
    "extent", "membrane_tiles", "spiked_membrane_share",
)  # fmt: skip
CASE_COLUMNS = (
    "case", "folder", "images", "failed", "glomeruli", "spiked", "scored", "spiked_low", "spiked_high",
    "sclerosed", "adequacy", "counted_apart", "warnings", "uncertain", "profiles", "tissue_mm2",
    "extent_none", "extent_segmental", "extent_global", "sharpness", "out_of_focus",
)  # fmt: skip

# Only where a disease model was given; then a column p_NAME for each disease that it knows.
DISEASE_COLUMNS = (
    "disease", "disease_probability", "disease_margin", "disease_stage", "disease_modalities",
    "disease_reason",
)  # fmt: skip

Cells = Mapping[str, object]  # by column; None is an empty cell


def glomeruli_table(record: CaseRecord) -> bytes:
    """The distinct glomeruli of a case as CSV in UTF-8."""
    return _table(COLUMNS, [_glomerulus_cells(one) for one in record.glomeruli])


def cases_table(records: Sequence[tuple[str, CaseRecord]]) -> bytes:
    """Cases as CSV in UTF-8, from each one's folder below OUT and its record."""
    columns, cells = list(CASE_COLUMNS), [dict(_case_cells(folder, record)) for folder, record in records]
    judged = [record.disease for _, record in records]
    if any(judged):
        names = {name for one in judged if one is not None for name in one.fused.probabilities or {}}
        columns += [*DISEASE_COLUMNS, *(f"p_{name}" for name in sorted(names))]
        cells = [row | _disease_cells(one) for row, one in zip(cells, judged, strict=True) if one is not None]
    return _table(columns, cells)


def _disease_cells(disease: DiseaseRecord) -> dict[str, object]:
    fused = disease.fused
    probabilities = fused.probabilities or {}
    return {
        "disease": disease.called,
        "disease_probability": probabilities.get(disease.called or ""),
        "disease_margin": disease.margin,
        "disease_stage": disease.stage,
        "disease_modalities": fused.modalities,
        "disease_reason": fused.reason,
        **{f"p_{name}": probability for name, probability in probabilities.items()},
    }


def _table(columns: Sequence[str], rows: Sequence[Cells]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _glomerulus_cells(one: CaseGlomerulus) -> Cells:
    probability = one.spike_probability
    return {
        "id": one.id,
        "call": one.call,
        "sclerosed": None if one.sclerosed is None else int(one.sclerosed),
        "disagreement": int(one.disagreement),
        "certainty": one.certainty,
        "area_um2": f"{max(profile.area_um2 for profile in one.profiles):.1f}",
        "profiles": ";".join(f"{profile.image}:{profile.id}" for profile in one.profiles),
        "spike_probability": None if probability is None else f"{probability:.6f}",
        "extent": one.extent,
        "membrane_tiles": one.membrane_tiles,
        "spiked_membrane_share": one.spiked_membrane_share,
    }


def _case_cells(folder: str, record: CaseRecord) -> Cells:
    summary = record.summary
    block_of = {image.image: image.block for image in record.images}
    blocks = {block_of[group[0]] for group in record.apart}
    return {
        "case": record.case,
        "folder": folder,
        "images": len(record.images),
        "failed": sum(image.status == "failed" for image in record.images),
        "glomeruli": summary.glomeruli,
        "spiked": summary.spiked.n,
        "scored": summary.spiked.of,
        "spiked_low": summary.spiked.low,
        "spiked_high": summary.spiked.high,
        "sclerosed": summary.sclerosed.n if summary.sclerosed.of else None,
        "adequacy": summary.adequacy.verdict,
        "counted_apart": int(len(record.apart) > len(blocks)),
        "warnings": len(warning_words(record)),
        "uncertain": summary.uncertain.n if summary.uncertain.of else None,
        "profiles": record.sections.profiles,
        "tissue_mm2": record.sections.tissue_mm2,
        **{f"extent_{extent}": count for extent, count in (summary.extents or {}).items()},
        "sharpness": None if summary.focus is None else summary.focus.median_sharpness,
        "out_of_focus": None if summary.focus is None else summary.focus.out_of_focus,
    }
