"""A structured report (`slide.sr.dcm`): the counts, and each glomerulus with its outline and numbers."""

from collections.abc import Iterator, Mapping

import numpy as np
from highdicom.ann import MicroscopyBulkSimpleAnnotations
from highdicom.sr import (
    AlgorithmIdentification,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    ImageRegion,
    ImageRegion3D,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    SourceImageForRegion,
    TrackingIdentifier,
)
from pydicom.sr.codedict import codes as standard
from pydicom.uid import generate_uid

from glomspike import __version__
from glomspike.annotate.dicom import codes
from glomspike.annotate.dicom.origin import Origin, coordinates, uid_for, values_as_they_stand
from glomspike.findings import Glomerulus, Mpp, SlideResult

SERIES_NUMBER = 9002


def report_of(
    result: SlideResult,
    counts: Mapping[str, float | None],
    origin: Origin,
    annotations: MicroscopyBulkSimpleAnnotations | None,
    parameters: Mapping[str, str],
) -> Comprehensive3DSR:
    """The measurement report (TID 1500) of a slide: a group for all of it, and one for each glomerulus.

    `counts` are those of `run.json` by their names, `annotations` the slide's, to which the report refers,
    `parameters` what the algorithm was run with. Coordinates have single precision, all that a report can
    hold: the annotations are exact.
    """
    each = [_of_a_glomerulus(one, origin, result.slide.mpp) for one in result.glomeruli]
    observer = DeviceObserverIdentifyingAttributes(
        uid_for(f"glomspike {__version__}"),
        name="glomspike",
        manufacturer_name="glomspike",
        model_name=__version__,
    )
    context = ObserverContext(standard.DCM.Device, observer)
    content = MeasurementReport(
        observation_context=ObservationContext(context),
        procedure_reported=standard.SCT.LightMicroscopy,
        imaging_measurements=[_of_the_slide(result, counts, parameters), *each],
    )
    evidence = ([origin.header] if origin.is_image else []) + ([annotations] if annotations else [])
    with values_as_they_stand():
        report = Comprehensive3DSR(
            evidence=evidence or [origin.header],
            content=content,
            series_instance_uid=generate_uid(prefix=None),
            series_number=SERIES_NUMBER,
            sop_instance_uid=generate_uid(prefix=None),
            instance_number=1,
            manufacturer="glomspike",
            manufacturer_model_name="glomspike",
            software_versions=__version__,
            device_serial_number=__version__,
            is_complete=True,
            series_description="Glomeruli, for research use only",
            specific_character_set="ISO_IR 192",
            coding_schemes=codes.SCHEMES,
        )
    if not evidence:
        del report.CurrentRequestedProcedureEvidenceSequence
    return report


def _of_the_slide(
    result: SlideResult, counts: Mapping[str, float | None], parameters: Mapping[str, str]
) -> MeasurementsAndQualitativeEvaluations:
    run_with = [f"{name}={value}" for name, value in parameters.items()]
    tracking = TrackingIdentifier(generate_uid(prefix=None), codes.short_text(result.slide.name))
    totals = {code: counts[name] for name, code in codes.TOTALS.items()}
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking,
        algorithm_id=AlgorithmIdentification("glomspike", __version__, parameters=run_with),
        finding_category=codes.STRUCTURE,
        finding_type=codes.GLOMERULUS,
        finding_sites=[FindingSite(codes.KIDNEY)],
        measurements=[Measurement(code, n, codes.NO_UNITS) for code, n in totals.items() if n is not None],
    )


def _of_a_glomerulus(
    glomerulus: Glomerulus, origin: Origin, mpp: Mpp
) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(generate_uid(prefix=None), f"Glomerulus {glomerulus.id}"),
        referenced_region=_region(glomerulus, origin, mpp),
        finding_category=codes.STRUCTURE,
        finding_type=codes.GLOMERULUS,
        finding_sites=[FindingSite(codes.KIDNEY)],
        measurements=list(_measurements(glomerulus)),
        qualitative_evaluations=list(_evaluations(glomerulus)),
    )


def _region(glomerulus: Glomerulus, origin: Origin, mpp: Mpp) -> ImageRegion | ImageRegion3D:
    """The outline; unlike an annotation, a region of a report repeats its first vertex."""
    polygon = coordinates(glomerulus.outline.polygon0, origin, mpp)
    ring = np.concatenate([polygon, polygon[:1]])
    if origin.is_image:
        return ImageRegion("POLYLINE", ring, SourceImageForRegion.from_source_image(origin.header), "VOLUME")
    return ImageRegion3D("POLYGON", ring, origin.header.FrameOfReferenceUID)


def _measurements(glomerulus: Glomerulus) -> Iterator[Measurement]:
    spikes, lesion = glomerulus.judgement, glomerulus.lesion
    values = {"Detection score": glomerulus.circle.score, "Radius µm": glomerulus.circle.radius_um}
    values["Area µm²"] = glomerulus.outline.area_um2
    if spikes is not None:
        values |= {"Spike probability": spikes.probability, "Spike fraction": spikes.fraction}
        if spikes.membrane.tiles:
            values["Spiked membrane"] = spikes.membrane.share
    if lesion is not None:
        values["Lesion probability"] = lesion.probabilities[lesion.name]
    for name, value in values.items():
        code, unit = codes.MEASURES[name]
        yield Measurement(code, round(value, 6), unit)


def _evaluations(glomerulus: Glomerulus) -> Iterator[QualitativeEvaluation]:
    spikes = glomerulus.judgement
    call = codes.NOT_SCORED if spikes is None else codes.CALLS[spikes.call]
    yield QualitativeEvaluation(codes.CALL, call)
    if spikes is not None:
        yield QualitativeEvaluation(codes.EXTENT, codes.EXTENTS[spikes.membrane.extent])
    if glomerulus.lesion is not None:
        yield QualitativeEvaluation(codes.LESION, codes.lesion_code(glomerulus.lesion.name))
