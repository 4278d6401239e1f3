"""DICOM objects: valid by dciodvfy, exact when read back, and of the patient and study of the slide."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from highdicom.spatial import ImageToReferenceTransformer
from highdicom.sr import srread
from highdicom.sr.utils import find_content_items
from hypothesis import given, settings
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, VLWholeSlideMicroscopyImageStorage, generate_uid
from results import MPP, glomerulus, slide_facts, slide_result, spike_score
from test_round_trip import results

from glomspike.annotate.dicom import codes
from glomspike.annotate.dicom.annotations import annotations_of
from glomspike.annotate.dicom.origin import Origin, origin_of
from glomspike.annotate.dicom.read import read_annotations
from glomspike.annotate.dicom.write import checked_origin, write_dicom
from glomspike.annotate.layers import RegionType
from glomspike.annotate.marks import slide_marks, styles_of
from glomspike.annotate.meaning import meaning
from glomspike.errors import AnnotationError, SlideError
from glomspike.findings import Classification, Glomerulus, Mpp, SlideResult
from glomspike.geometry.frames import from_millimetres
from glomspike.results.record import Counts

EXACT_PX = 0.01
RUN_WITH = {"threshold": "0.5", "classifier": "ab" * 32}
STUDY, SERIES, FRAME = "2.25.1001", "2.25.1002", "2.25.1003"


def image_header(columns: int = 40_000, rows: int = 30_000, **changes) -> Dataset:
    """The header of level 0 of a DICOM slide that lies turned on the glass, as scanners have it."""
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID = VLWholeSlideMicroscopyImageStorage, "2.25.1004"
    header.StudyInstanceUID, header.SeriesInstanceUID = STUDY, SERIES
    header.FrameOfReferenceUID, header.PositionReferenceIndicator = FRAME, "SLIDE_CORNER"
    header.SpecificCharacterSet = "ISO_IR 100"
    header.PatientName, header.PatientID, header.PatientSex = "Müller^Zoë", "4711", "F"
    header.StudyDate, header.StudyTime, header.AccessionNumber, header.StudyID = (
        "20240102",
        "1200",
        "N24-7",
        "1",
    )
    header.Modality, header.SeriesNumber = "SM", 3
    header.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    header.Rows = header.Columns = 256
    header.NumberOfFrames = 1
    header.TotalPixelMatrixColumns, header.TotalPixelMatrixRows = columns, rows
    header.ImageOrientationSlide = [0, -1, 0, -1, 0, 0]
    corner, measures, shared = Dataset(), Dataset(), Dataset()
    corner.XOffsetInSlideCoordinateSystem, corner.YOffsetInSlideCoordinateSystem = 22.5, 40.25
    header.TotalPixelMatrixOriginSequence = [corner]
    measures.PixelSpacing, measures.SliceThickness = [0.00025, 0.00025], 0.001
    shared.PixelMeasuresSequence = [measures]
    header.SharedFunctionalGroupsSequence = [shared]
    for name, value in changes.items():
        setattr(header, name, value)
    return header


def write_header(path: Path, header: Dataset) -> Path:
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def dicom_slide(tmp_path: Path) -> Path:
    """A DICOM slide's level 0 beside its label, its level 1, another slide's level 0 and what is no DICOM."""
    folder = tmp_path / "slides"
    folder.mkdir()
    label = image_header(SOPInstanceUID="2.25.9", ImageType=["ORIGINAL", "PRIMARY", "LABEL", "NONE"])
    write_header(folder / "a-label.dcm", label)
    write_header(folder / "b-level1.dcm", image_header(10_000, 7_500, SOPInstanceUID="2.25.8"))
    write_header(folder / "c-other.dcm", image_header(SeriesInstanceUID="2.25.7", SOPInstanceUID="2.25.6"))
    (folder / "notes.txt").write_text("no DICOM")
    return write_header(folder / "slide", image_header())


def origin(path: Path, vendor: str = "dicom", fingerprint: str = "ab" * 32) -> Origin:
    return origin_of(path, slide_facts(vendor), fingerprint)


def findings(*glomeruli: Glomerulus, vendor: str = "dicom") -> SlideResult:
    return slide_result(*glomeruli, slide=slide_facts(vendor, name="Präparat\\7.svs"))


def some(vendor: str = "dicom") -> SlideResult:
    """Of every kind one: spiked, not spiked and sclerosed, not scored."""
    sclerosed = Classification.likeliest({"globally sclerosed": 0.875, "normal": 0.125})
    other = glomerulus(2, 20_000, spikes=spike_score(0.125))
    scar = Glomerulus(2, other.circle, other.outline, other.spikes, (sclerosed,))
    return findings(glomerulus(1, spikes=spike_score(0.875)), scar, glomerulus(3, 30_000), vendor=vendor)


def written(folder: Path, result: SlideResult, of: Origin) -> tuple[Path, Path]:
    """The files of annotations and report; the former is not there without glomeruli."""
    write_dicom(folder, "slide", result, Counts.of(result).model_dump(), of, RUN_WITH)
    return folder / "slide.ann.dcm", folder / "slide.sr.dcm"


# Exact


def check(layers, result: SlideResult) -> None:
    marks = slide_marks(result, "dicom")
    expected = {style.name: [mark for mark in marks if mark.style == style] for style in styles_of(result)}
    assert [layer.name for layer in layers] == [name for name, of_style in expected.items() if of_style]
    for layer in layers:
        for region, mark in zip(layer.regions, expected[layer.name], strict=True):
            assert region.type == mark.region.type
            assert np.abs(region.vertices_viewer - mark.region.vertices_viewer).max() <= EXACT_PX
            assert region.text.split(":")[0] == mark.region.text.split(":")[0]


@settings(deadline=None, max_examples=25)
@given(result=results())
def test_annotations_come_back_to_a_hundredth_of_a_pixel(
    tmp_path_factory: pytest.TempPathFactory, result: SlideResult
) -> None:
    path = tmp_path_factory.mktemp("dicom") / "slide.ann.dcm"
    image = image_header(
        result.slide.width0, result.slide.height0, PatientBirthDate="", ReferringPhysicianName=""
    )
    for of in (origin_of(path, result.slide, "ab" * 32), Origin(image, frozenset({image.SOPInstanceUID}))):
        annotations = annotations_of(result, of, RUN_WITH)
        if annotations is None:
            assert result.glomeruli == ()
            continue
        annotations.save_as(path)
        layers = read_annotations(path, of, result.slide.mpp)
        check(layers, result)
        found = sorted(meaning(layers, result.slide, "dicom").glomeruli, key=lambda one: one.circle0[0])
        assert [one.number for one in found] == [one.id for one in result.glomeruli]


def test_of_a_dicom_slide_coordinates_are_pixels_of_level_0(dicom_slide: Path) -> None:
    annotations = annotations_of(findings(glomerulus(1, 10_000, 8_000, 100)), origin(dicom_slide), RUN_WITH)
    assert annotations is not None
    assert annotations.AnnotationCoordinateType == "2D"
    assert annotations.PixelOriginInterpretation == "VOLUME"
    (circle,) = annotations.get_annotation_groups(label="Other glomeruli")
    ends = [[9_600, 8_000], [10_400, 8_000], [10_000, 7_600], [10_000, 8_400]]
    np.testing.assert_array_equal(circle.get_coordinates(1, "2D"), ends)


def test_of_another_slide_coordinates_are_millimetres_from_the_corner(tmp_path: Path) -> None:
    result = findings(glomerulus(1, 10_000, 8_000, 100), vendor="aperio")
    annotations = annotations_of(result, origin(tmp_path / "s.svs", "aperio"), RUN_WITH)
    assert annotations is not None
    (circle,) = annotations.get_annotation_groups(label="Other glomeruli")
    ends = [[2.4, 2, 0], [2.6, 2, 0], [2.5, 1.9, 0], [2.5, 2.1, 0]]
    np.testing.assert_allclose(circle.get_coordinates(1, "3D"), ends)


def test_a_round_glomerulus_on_pixels_that_are_not_square_is_an_ellipse_by_its_longer_axis(
    dicom_slide: Path,
) -> None:
    slide = slide_facts("dicom", Mpp(0.5, 0.25))
    result = slide_result(glomerulus(1, 10_000, 8_000, 100, mpp=slide.mpp), slide=slide)
    annotations = annotations_of(result, origin(dicom_slide), RUN_WITH)
    assert annotations is not None
    ends = [[10_000, 7_600], [10_000, 8_400], [9_800, 8_000], [10_200, 8_000]]
    np.testing.assert_array_equal(annotations.get_annotation_group(1).get_coordinates(1, "2D"), ends)


def test_the_numbers_of_a_glomerulus_stand_with_its_circle(dicom_slide: Path) -> None:
    annotations = annotations_of(some(), origin(dicom_slide), RUN_WITH)
    assert annotations is not None
    (others,) = annotations.get_annotation_groups(label="Other glomeruli")
    _, numbers, _ = others.get_measurements(codes.NUMBER)
    _, probabilities, _ = others.get_measurements(codes.SPIKE_PROBABILITY)
    np.testing.assert_array_equal(numbers.ravel(), [2, 3])
    np.testing.assert_array_equal(probabilities.ravel(), [0.125, np.nan])


# What they belong to


def test_objects_are_of_the_patient_study_and_image_of_a_dicom_slide(
    dicom_slide: Path, tmp_path: Path
) -> None:
    for path in written(tmp_path, some(), origin(dicom_slide)):
        dataset = dcmread(path)
        assert (dataset.StudyInstanceUID, dataset.PatientID, dataset.AccessionNumber) == (
            STUDY,
            "4711",
            "N24-7",
        )
        assert str(dataset.PatientName) == "Müller^Zoë"
        assert dataset.SeriesInstanceUID != SERIES
    annotations, report = map(dcmread, written(tmp_path, some(), origin(dicom_slide)))
    assert annotations.ReferencedImageSequence[0].ReferencedSOPInstanceUID == "2.25.1004"
    (evidence,) = report.CurrentRequestedProcedureEvidenceSequence
    referred = {
        one.ReferencedSOPInstanceUID
        for series in evidence.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }
    assert referred == {"2.25.1004", annotations.SOPInstanceUID}


def test_another_slide_has_a_study_and_a_frame_of_its_own_which_stay_the_same(tmp_path: Path) -> None:
    def belongs(fingerprint: str, mpp: float = 0.25) -> tuple[str, str]:
        header = origin_of(tmp_path / "s.svs", slide_facts(mpp=Mpp(mpp, mpp)), fingerprint).header
        return header.StudyInstanceUID, header.FrameOfReferenceUID

    assert belongs("ab" * 32) == belongs("ab" * 32)
    assert not set(belongs("ab" * 32)) & set(belongs("cd" * 32))
    study, frame = belongs("ab" * 32, mpp=0.5)
    assert study == belongs("ab" * 32)[0]
    assert frame != belongs("ab" * 32)[1]  # a millimetre is at another pixel
    annotations, report = map(dcmread, written(tmp_path, some("aperio"), origin(tmp_path, "aperio")))
    assert annotations.PatientID == report.PatientID == ""
    assert "ReferencedImageSequence" not in annotations


def test_two_runs_are_two_instances(dicom_slide: Path) -> None:
    of = origin(dicom_slide)
    first, second = (annotations_of(some(), of, RUN_WITH) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.SOPInstanceUID != second.SOPInstanceUID


def test_every_part_of_a_split_level_0_is_known(dicom_slide: Path) -> None:
    for number in (1, 2):
        part = image_header(SOPInstanceUID=f"2.25.50{number}", InConcatenationNumber=number)
        write_header(dicom_slide.with_name(f"part{3 - number}"), part)
    dicom_slide.unlink()
    found = origin(dicom_slide.with_name("part2"))
    assert found.level0_uids == {"2.25.501", "2.25.502"}
    assert found.header.SOPInstanceUID == "2.25.501"


def test_what_dicom_does_not_allow_is_left_empty(dicom_slide: Path, tmp_path: Path) -> None:
    raw = dicom_slide.read_bytes().replace(b"20240102", b"2024????").replace(b"CS\x02\x00F ", b"CS\x02\x00X ")
    dicom_slide.write_bytes(raw)
    for path in written(tmp_path, some(), origin(dicom_slide)):
        assert (dcmread(path).StudyDate, dcmread(path).PatientSex) == ("", "")


@pytest.mark.filterwarnings("error")
def test_no_warning_shows_the_patients_name(dicom_slide: Path, tmp_path: Path, caplog) -> None:
    write_header(dicom_slide, image_header(PatientName="Müller"))
    for path in written(tmp_path, some(), checked_origin(dicom_slide, slide_facts("dicom"), "")):
        assert str(dcmread(path).PatientName) == "Müller"
    assert caplog.text == ""


@pytest.mark.parametrize("missing", ["StudyInstanceUID", "FrameOfReferenceUID"])
def test_a_header_without_what_must_be_referred_to_is_refused(dicom_slide: Path, missing: str) -> None:
    header = image_header()
    delattr(header, missing)
    write_header(dicom_slide, header)
    with pytest.raises(SlideError, match=f"has no {missing}"):
        origin(dicom_slide)


def test_a_series_without_its_level_0_is_refused(dicom_slide: Path) -> None:
    dicom_slide.unlink()
    with pytest.raises(SlideError, match="no file in its folder holds the 40000 pixels wide level 0"):
        origin(dicom_slide.with_name("b-level1.dcm"))


@pytest.mark.parametrize("seed", range(12))
def test_with_a_damaged_header_the_slide_is_refused_at_once_or_its_objects_are_written(
    tmp_path: Path, seed: int
) -> None:
    path = write_header(tmp_path / "slide", image_header())
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    draw = np.random.default_rng(seed)
    places = draw.integers(150, len(content), 3)
    content[places] = draw.integers(0, 256, 3)
    path.write_bytes(content.tobytes())
    try:
        of = checked_origin(path, slide_facts("dicom"), "ab" * 32)
    except SlideError:
        return
    for written_file in written(tmp_path, some(), of):
        assert "SOPInstanceUID" in dcmread(written_file)


# The report


def test_the_report_counts_and_has_each_glomerulus_with_its_call(dicom_slide: Path, tmp_path: Path) -> None:
    _, path = written(tmp_path, some(), origin(dicom_slide))
    report = dcmread(path)
    counted = find_content_items(report, codes.TOTALS["glomeruli"], recursive=True)
    assert [float(item.MeasuredValueSequence[0].NumericValue) for item in counted] == [3]
    called = find_content_items(report, codes.CALL, recursive=True)
    assert [item.ConceptCodeSequence[0].CodeValue for item in called] == [
        "spiked",
        "not-spiked",
        "not-scored",
    ]
    (lesion,) = find_content_items(report, codes.LESION, recursive=True)
    assert lesion.ConceptCodeSequence[0].CodeMeaning == "globally sclerosed"
    likely = find_content_items(report, codes.SPIKE_PROBABILITY, recursive=True)
    assert [float(item.MeasuredValueSequence[0].NumericValue) for item in likely] == [0.875, 0.125]


@pytest.mark.parametrize("vendor", ["dicom", "aperio"])
def test_highdicom_reads_the_outlines_of_the_report(dicom_slide: Path, tmp_path: Path, vendor: str) -> None:
    _, path = written(tmp_path, some(vendor), origin(dicom_slide, vendor))
    groups = srread(path).content.get_planar_roi_measurement_groups()
    for group, one in zip(groups, some().glomeruli, strict=True):
        assert group.tracking_identifier == f"Glomerulus {one.id}"
        ring = group.roi.value
        np.testing.assert_array_equal(ring[0], ring[-1])
        points0 = ring[:-1] if vendor == "dicom" else from_millimetres(ring[:-1, :2], MPP)
        np.testing.assert_allclose(points0, one.outline.polygon0, atol=EXACT_PX)


# Valid


# dciodvfy of 2022 says so of every file in pixels, though the attribute is in none of them.
UNFOUNDED = "CommonZCoordinateValue(006a,0010)> - Only valid for AnnotationCoordinateType of 3D"


@pytest.mark.parametrize("vendor", ["dicom", "aperio"])
@pytest.mark.parametrize("result", [some, findings])
def test_dciodvfy_finds_no_error(dicom_slide: Path, tmp_path: Path, vendor: str, result) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed: apt-get install dicom3tools")
    annotations, report = written(tmp_path, result(vendor=vendor), origin(dicom_slide, vendor))
    assert annotations.exists() == (result is some)
    for path in filter(Path.exists, (annotations, report)):
        done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
        assert "MicroscopyBulkSimpleAnnotations" in done.stderr or "Comprehensive3DSR" in done.stderr
        errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
        if vendor == "dicom":
            groups = dcmread(path).get("AnnotationGroupSequence", [])
            assert all("CommonZCoordinateValue" not in group for group in groups)
            errors = [line for line in errors if UNFOUNDED not in line]
        assert errors == []


# Read


def test_annotations_in_millimetres_find_their_place_on_a_dicom_slide(
    dicom_slide: Path, tmp_path: Path
) -> None:
    of = origin(dicom_slide)
    annotations = annotations_of(some(), of, RUN_WITH)
    assert annotations is not None
    to_mm = ImageToReferenceTransformer.for_image(of.header, for_total_pixel_matrix=True)
    for group in annotations.AnnotationGroupSequence:
        points = np.frombuffer(group.DoublePointCoordinatesData).reshape(-1, 2)
        points_mm = to_mm(points)
        group.DoublePointCoordinatesData = points_mm[:, :2].tobytes()
        group.CommonZCoordinateValue = 0.0
    annotations.AnnotationCoordinateType, annotations.FrameOfReferenceUID = "3D", FRAME
    annotations.save_as(tmp_path / "mm.dcm")
    check(read_annotations(tmp_path / "mm.dcm", of, Mpp(0.25, 0.25)), some())


def test_what_others_drew_has_no_number(dicom_slide: Path, tmp_path: Path) -> None:
    annotations = annotations_of(some(), origin(dicom_slide), RUN_WITH)
    assert annotations is not None
    for group in annotations.AnnotationGroupSequence:
        del group.MeasurementsSequence, group.RecommendedDisplayCIELabValue
    annotations.save_as(tmp_path / "drawn.dcm")
    layers = read_annotations(tmp_path / "drawn.dcm", origin(dicom_slide), Mpp(0.25, 0.25))
    assert {region.text for layer in layers for region in layer.regions} == {""}


def test_a_turned_ellipse_is_read_as_its_box_and_a_turned_rectangle_as_a_polygon(
    dicom_slide: Path, tmp_path: Path
) -> None:
    annotations = annotations_of(some(), origin(dicom_slide), RUN_WITH)
    assert annotations is not None
    turn = np.array([[0.6, 0.8], [-0.8, 0.6]])
    for group in annotations.AnnotationGroupSequence:
        points = np.frombuffer(group.DoublePointCoordinatesData).reshape(-1, 2)
        group.DoublePointCoordinatesData = (points @ turn).tobytes()
    annotations.save_as(tmp_path / "turned.dcm")
    layers = read_annotations(tmp_path / "turned.dcm", origin(dicom_slide), Mpp(0.25, 0.25))
    kinds = {layer.name: {region.type for region in layer.regions} for layer in layers}
    assert kinds["Spike tiles"] == {RegionType.POLYGON}
    (circle,) = next(layer.regions for layer in layers if layer.name == "Spiked glomeruli")
    middle = np.array([10_000, 8_000]) @ turn
    np.testing.assert_allclose(circle.vertices_viewer, [middle - 400, middle + 400], atol=EXACT_PX)


def refusals() -> list:
    return [
        ("ReferencedImageSequence", "refers to another image than level 0"),
        ("PixelOriginInterpretation", "counts the pixels of single frames"),
        ("FrameOfReferenceUID", "has another frame of reference"),
    ]


@pytest.mark.parametrize(("attribute", "cause"), refusals())
def test_annotations_that_do_not_lie_on_the_slide_are_refused(
    dicom_slide: Path, tmp_path: Path, attribute: str, cause: str
) -> None:
    annotations = annotations_of(some(), origin(dicom_slide), RUN_WITH)
    assert annotations is not None
    if attribute == "ReferencedImageSequence":
        annotations.ReferencedImageSequence[0].ReferencedSOPInstanceUID = generate_uid()
    elif attribute == "PixelOriginInterpretation":
        annotations.PixelOriginInterpretation = "FRAME"
    else:
        annotations.AnnotationCoordinateType, annotations.FrameOfReferenceUID = "3D", generate_uid()
    annotations.save_as(tmp_path / "other.dcm")
    with pytest.raises(AnnotationError, match=cause):
        read_annotations(tmp_path / "other.dcm", origin(dicom_slide), Mpp(0.25, 0.25))


def test_files_that_are_no_annotations_are_refused(dicom_slide: Path, tmp_path: Path) -> None:
    of = origin(dicom_slide)
    annotations, report = written(tmp_path, some(), of)
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(annotations.read_bytes()[:3_000])
    (tmp_path / "text.dcm").write_text("no DICOM")
    for path in (report, dicom_slide, cut, tmp_path / "text.dcm"):
        with pytest.raises(AnnotationError, match="holds no DICOM bulk annotations"):
            read_annotations(path, of, Mpp(0.25, 0.25))
