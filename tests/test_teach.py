"""Corrected slides become samples: fields, masks, circles, labels and boxes that the trainers take."""

import csv
import shutil

import cv2
import numpy as np
import pytest
from discs import BRIGHT, DARK, disc_picture
from edits import Annotations, box, ellipse, pen
from hypothesis import given
from hypothesis import strategies as st
from pyramids import break_tiles, write_aperio
from results import glomerulus, slide_result, spike_score
from test_cli import typed

from glomspike.annotate.dicom.annotations import annotations_of
from glomspike.annotate.dicom.origin import origin_of
from glomspike.annotate.imagescope import write_imagescope, write_layers
from glomspike.annotate.layers import Region, RegionType
from glomspike.annotate.marks import AREA, OTHER, OUTLINES, SPIKE_TILES, SPIKED
from glomspike.classify.bags import load_bags
from glomspike.classify.tiles import Tiling
from glomspike.detect.train import DetectorOptions, DetectorTask
from glomspike.errors import AnnotationError, SamplesError
from glomspike.findings import Mpp
from glomspike.learn.corrections.find import find_corrected
from glomspike.learn.corrections.patients import patients_of, read_patients
from glomspike.learn.corrections.write import CorrectedSlide, write_samples
from glomspike.learn.samples import read_samples
from glomspike.learn.truth import load_pictures
from glomspike.segment.train import SegmenterOptions, SegmenterTask
from glomspike.slide.find import FoundSlide
from glomspike.slide.fingerprint import fingerprint
from glomspike.slide.reader import open_slide

MPP = 0.5
WIDTH, HEIGHT = 4_000, 1_400
# A spiked glomerulus, another near it, one that the run was wrong about; the right half holds none.
DISCS = [(500.0, 700.0, 180.0), (1_300.0, 700.0, 170.0)]
WRONG = (2_300.0, 700.0)


def annotations():
    drawn = Annotations([])
    drawn.add(SPIKED, ellipse(*DISCS[0], "1: spike 0.93"))
    drawn.add(OUTLINES, pen(*DISCS[0], "1"))
    drawn.add(OTHER, pen(*DISCS[1]))
    drawn.add(OUTLINES, pen(*WRONG, 150, "3"))
    drawn.add(SPIKE_TILES, box(480, 650))
    return drawn


def tissue(width=WIDTH, height=HEIGHT, discs=DISCS):
    """Discs on ground that is as rough as tissue."""
    rough = np.random.default_rng(1).normal(0, 12, (height // 40, width // 40))
    return np.clip(
        disc_picture(width, height, discs) + cv2.resize(rough, (width, height))[..., None], 0, 255
    ).astype(np.uint8)


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    path = tmp_path_factory.mktemp("slide") / "case.svs"
    return write_aperio(path, tissue(), factors=(4, 16), mpp=MPP, compression="jpeg")


def corrected(slide, drawn, patient="p"):
    write_layers(slide.with_suffix(".xml"), drawn.layers, Mpp(MPP, MPP))
    return CorrectedSlide(slide, slide.with_suffix(".xml"), slide.stem, patient)


@pytest.fixture(scope="module")
def out(slide, tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    write_samples(corrected(slide, annotations()), folder, None)
    return folder


def pictures(out):
    return load_pictures(read_samples([out / "samples.csv"]), None)


def test_every_glomerulus_is_labelled_in_just_one_field_and_lies_where_it_is_seen(out):
    labels = []
    for picture in pictures(out):
        for g in picture.truth.glomeruli:
            labels += [g.label] if g.label else []
            assert picture.pixels[int(g.y_px), int(g.x_px)].mean() < (DARK + BRIGHT) / 2
            if g.label:
                edge = picture.pixels[
                    int(g.y_px), round(g.x_px + g.radius_px) - 4 : round(g.x_px + g.radius_px) + 5
                ]
                assert edge[0].mean() < (DARK + BRIGHT) / 2 < edge[-1].mean()
    assert sorted(labels) == ["normal", "spiked"]


def test_every_dark_disc_that_a_field_shows_is_in_its_mask(out):
    for picture in pictures(out):
        inside = np.zeros(picture.pixels.shape[:2], bool)
        if picture.sample.mask is not None:
            inside = cv2.imread(str(picture.sample.mask), cv2.IMREAD_GRAYSCALE) > 0
        unlike = inside != (picture.pixels.mean(axis=2) < (DARK + BRIGHT) / 2)
        assert unlike.mean() < 0.005


def test_fields_are_of_a_windows_size_and_as_fine_as_the_slide(out):
    first, *_ = pictures(out)
    assert first.pixels.shape == (1_280, 1_280, 3)
    assert {picture.mpp for picture in pictures(out)} == {MPP, 2.0}


def test_boxes_lie_on_the_same_spot(out):
    (boxed,) = [
        p for p in pictures(out) if len(p.truth.spike_boxes_px) and p.truth.glomeruli[0].label == "spiked"
    ]
    (x, y, width, height), spiked = boxed.truth.spike_boxes_px[0], boxed.truth.glomeruli[0]
    assert (width, height) == pytest.approx((50, 50))
    assert (x - spiked.x_px, y - spiked.y_px) == pytest.approx((480 - 500, 650 - 700), abs=1)


def test_neighbours_that_fit_share_a_field_and_boxes_of_others_are_left_to_theirs(tmp_path):
    discs = [(500.0, 700.0, 180.0), (1_100.0, 700.0, 170.0), (1_900.0, 700.0, 170.0)]
    slide = write_aperio(tmp_path / "near.svs", tissue(2_600, 1_400, discs), mpp=MPP)
    drawn = Annotations([])
    for x, y, radius in discs:
        drawn.add(SPIKED, ellipse(x, y, radius))
        drawn.add(SPIKE_TILES, box(x, y))
    write_samples(corrected(slide, drawn), tmp_path / "out", None)
    truths = [picture.truth for picture in pictures(tmp_path / "out") if picture.mpp == MPP]
    assert [sum(g.label == "spiked" for g in truth.glomeruli) for truth in truths] == [2, 1]
    assert [len(truth.spike_boxes_px) for truth in truths] == [2, 1]


def test_where_a_glomerulus_was_deleted_a_field_shows_that_there_is_none(slide, out):
    places = [p for p in pictures(out) if p.mpp == MPP]
    assert len(places) == 3  # two glomeruli, one deleted
    empty = [p for p in pictures(out) if p.mpp == 2.0]
    assert len(empty) >= 1
    assert all(p.pixels.mean() > 0.9 * BRIGHT and not p.truth.glomeruli for p in empty)


def test_all_trainers_learn_from_the_table(slide, tmp_path):
    for patient in ("a", "b", "c", "d"):
        place = tmp_path / "slides" / patient
        place.mkdir(parents=True)
        copy = shutil.copy(slide, place / f"{patient}.svs")
        write_samples(corrected(copy, annotations(), patient), tmp_path / "out", None)
    table = tmp_path / "out" / "samples.csv"
    samples = read_samples([table])
    assert {sample.split for sample in samples} == {"train", "val", "test"}
    rng = np.random.default_rng(0)
    detector = DetectorTask([table], DetectorOptions(), None, None)
    assert detector.sample(0, rng)["image"].shape[0] == detector.sample(1, rng)["image"].shape[0]
    segmenter = SegmenterTask([table], SegmenterOptions(), None, None)
    # A crop may end anywhere, so that some show little of their glomerulus.
    assert np.mean([segmenter.sample(0, rng)["truth"].mean() for _ in range(8)]) > 0.1
    bags = load_bags(samples, 0.5, Tiling())
    assert sorted(bag.spiked for bag in bags) == [False] * 4 + [True] * 4
    assert all(len(bag.boxes_px) == bag.spiked for bag in bags)


def test_nothing_is_shown_of_what_is_unclear_or_was_not_corrected(slide, tmp_path):
    drawn = annotations()
    drawn.add("Arteries", pen(800, 300, 60))
    drawn.add(AREA, pen(700, 700, 690))
    write_samples(corrected(slide, drawn), tmp_path, None)
    shown = [(p, g) for p in pictures(tmp_path) for g in p.truth.glomeruli if g.label == "spiked"]
    ((field, spiked),) = shown

    def pixel(x, y):
        return field.pixels[int(spiked.y_px + y - 700), int(spiked.x_px + x - 500)].tolist()

    assert pixel(800, 300) == pixel(1_230, 1_230) == [255, 255, 255]
    assert pixel(800, 400) != [255, 255, 255]
    labels = [g.label for p in pictures(tmp_path) for g in p.truth.glomeruli if g.label]
    assert sorted(labels) == ["normal", "spiked"]


def test_the_same_slide_again_replaces_its_rows_and_files_and_no_others(slide, tmp_path):
    other = shutil.copy(slide, tmp_path / "other.svs")
    out = tmp_path / "out"
    write_samples(corrected(slide, annotations()), out, None)
    write_samples(corrected(other, annotations()), out, None)
    fewer = annotations()
    del fewer.regions[OTHER.name], fewer.regions[OUTLINES.name][1]
    written = write_samples(corrected(slide, fewer, "q"), out, None)
    with (out / "samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["image"].split("/")[0]: row["patient"] for row in rows} == {"other": "p", "case": "q"}
    mine = [row for row in rows if row["patient"] == "q"]
    assert len(mine) == written.fields
    there = {p.relative_to(out).as_posix() for p in (out / "case").rglob("*.*")} - {"case/fingerprint.txt"}
    assert there == {row[column] for row in mine for column in ("image", "mask", "xml")} - {""}


def test_a_slide_of_the_same_name_and_a_table_of_somebody_else_are_refused(slide, tmp_path):
    write_samples(corrected(slide, annotations()), tmp_path, None)
    place = tmp_path / "elsewhere"
    place.mkdir()
    namesake = write_aperio(place / "case.svs", tissue(2_000, 1_400, DISCS), mpp=MPP)
    with pytest.raises(SamplesError, match="another slide named case"):
        write_samples(corrected(namesake, annotations()), tmp_path, None)
    (place / "samples.csv").write_text("image,patient\n")
    with pytest.raises(SamplesError, match="is not a table that `glomspike samples` wrote"):
        write_samples(corrected(slide, annotations()), place, None)


def test_a_coarse_slide_teaches_places_and_outlines_but_no_labels(tmp_path):
    coarse = write_aperio(tmp_path / "coarse.svs", tissue(2_000, 1_400, DISCS), mpp=0.7)
    written = write_samples(corrected(coarse, annotations()), tmp_path / "out", None)
    assert written.glomeruli == {"spiked": 0, "normal": 0, "undetermined": 2}
    assert any("spikes cannot be seen" in note for note in written.notes)
    assert load_bags(read_samples([tmp_path / "out" / "samples.csv"]), 0.25, Tiling()) == []


def test_a_wrong_scale_of_the_slide_is_replaced_and_said(slide, tmp_path):
    written = write_samples(corrected(slide, annotations()), tmp_path, 0.25)
    assert "0.25 µm/px is used as given, although the slide records 0.5 µm/px" in written.notes
    assert min(float(sample.mpp or 0) for sample in read_samples([tmp_path / "samples.csv"])) == 0.25


def test_a_field_that_cannot_be_read_is_left_out_and_said(tmp_path):
    broken = write_aperio(tmp_path / "broken.svs", tissue(2_000, 1_400, DISCS[:1]), mpp=MPP)
    break_tiles(broken, 0, [330])
    drawn = annotations()
    del drawn.regions[OTHER.name], drawn.regions[OUTLINES.name][1]
    written = write_samples(corrected(broken, drawn), tmp_path / "out", None)
    assert any(note.startswith("fields that could not be read") for note in written.notes)


def test_one_slide_on_the_command_line(slide, tmp_path, capsys):
    corrected(slide, annotations())
    status, said, notes = typed(
        "samples", str(slide), "--out", str(tmp_path), "--patient", "17", capsys=capsys
    )
    assert status == 0
    assert "glomeruli: 1 spiked, 1 normal, 0 undetermined; outlined: 2; boxes on spikes: 1" in said
    assert "omitted: 3" in notes
    assert {sample.patient for sample in read_samples([tmp_path / "samples.csv"])} == {"17"}


def test_a_folder_on_the_command_line(slide, tmp_path, capsys):
    folder, out = tmp_path / "slides", tmp_path / "out"
    for name in ("a", "b", "both", "none", "deep/wrong"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(slide, folder / f"{name}.svs")
    for name in ("a", "b", "both"):
        write_layers(folder / f"{name}.xml", annotations().layers, Mpp(MPP, MPP))
    (folder / "both.geojson").write_text("[]")
    (folder / "deep" / "wrong.xml").write_text("<html/>")
    (tmp_path / "patients.csv").write_text("Slide;Patient\nA;Ada\nb.SVS;Ada\ndeep\\wrong;Ada\n")
    status, _, said = typed(
        "samples", str(folder), "--out", str(out), "--patients", str(tmp_path / "patients.csv"), capsys=capsys
    )
    assert status == 1
    assert "both.svs: has both.xml and both.geojson beside it; delete the one" in said
    assert "wrong.xml: its outermost element is html" in said
    assert "without annotations, omitted: none.svs" in said
    assert {(s.image.parts[-3], s.patient) for s in read_samples([out / "samples.csv"])} == {
        ("a", "Ada"),
        ("b", "Ada"),
    }


NAMES = ("a.svs", "deep/b.svs", "deep/ü c.svs")


def known(tmp_path, table, encoding="utf-8", names=NAMES):
    """The patients that a table gives to slides of these names."""
    path = tmp_path / "patients.csv"
    path.write_text(table, encoding)
    found = [FoundSlide(tmp_path / name, name, name) for name in names]
    return {slide.name: patient for slide, patient in patients_of(found, read_patients(path), path).items()}


@pytest.mark.parametrize(
    "table",
    [
        "slide,patient\na.svs,P1\ndeep/b.svs,P1\ndeep/ü c.svs,P2\n",
        "Slide;Patient\nA;P1\n;\nB.SVS;P1\n\nu\u0308 C;P2\n",
        "patient\tstain\tslide\nP1\tPASM\ta\nP1\t\tdeep\\b\nP2\t\t./deep/Ü c.svs\n",
        "slide,patient\na,P1\na.svs,P1\nelsewhere.svs,P9\nb,P1\nü c,P2\n",
        'slide,patient\r\n"a",P1\r\nb,P1\r\n"ü c",P2\r\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_slide_is_its_patients_however_the_row_spells_it(tmp_path, table, encoding):
    assert known(tmp_path, table, encoding) == {"a.svs": "P1", "deep/b.svs": "P1", "deep/ü c.svs": "P2"}


def test_names_that_differ_in_capitals_are_two_slides_where_rows_spell_them_so(tmp_path):
    table = "slide,patient\na.svs,P1\nA.svs,P2\n"
    assert known(tmp_path, table, names=("A.svs", "a.svs")) == {"A.svs": "P2", "a.svs": "P1"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("slide,patient\na,P1\nb,P1\n", "names no patient for deep/ü c.svs; correct or add the rows"),
        ("slide,patient\naa,P1\nbb,P1\nc,P2\n", "a.svs (is it 'aa' in line 2?)"),
        (
            "slide,patient\na,P1\nb,P1\nb.svs,P2\nü c,P2\nb,P2\n",
            "gives deep/b.svs to P1 in line 3, and to P2",
        ),
        (
            "slide,patient\na,P1\nb,P1\nb,P2\nü c,P2\n",
            "gives deep/b.svs to P1 in line 3, and to P2 in line 4",
        ),
        ("slide,patient\na,P1\nb,p 1\nü c,P2\n", "line 3: patient 'p 1' is 'P1' in another row"),
        ("slide,case\na,P1\n", "has the columns slide, case, not slide and patient"),
        ("", "has the columns without names, not slide and patient"),
        ("slide,patient\n", "has no rows"),
        ("slide,patient\na,\n", "line 2: lacks a slide or a patient"),
        ("slide,patient\nsemi, colon,P1\n", "line 2: has 3 cells, and there are 2 columns"),
        ("slide,patient\nslide\0,P1\n", "line 2: has a character of code 0"),
    ],
)
def test_a_table_that_leaves_a_patient_open_is_refused_in_one_line(tmp_path, table, said):
    with pytest.raises(SamplesError) as raised:
        known(tmp_path, table)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_table_in_another_encoding_is_refused(tmp_path):
    with pytest.raises(SamplesError, match=r"cannot be read .*; save it as CSV in UTF-8"):
        known(tmp_path, "slide,patient\nü,P1\n", "latin-1")


@given(st.data())
def test_no_patient_is_on_both_sides_of_a_split_however_slides_are_spelled(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("table")
    spelled = data.draw(st.lists(st.sampled_from("abcdefgh"), min_size=3, max_size=8, unique=True))
    ways = (str.upper, str, lambda name: f"{name}.svs", lambda name: f"sub\\{name}.SVS")
    rows = [(data.draw(st.sampled_from(ways))(name), data.draw(st.sampled_from("PQR"))) for name in spelled]
    separator = data.draw(st.sampled_from(",;\t"))
    table = "\n".join(separator.join(row) for row in [("Slide", "PATIENT"), *rows])
    given = known(folder, table, names=[f"sub/{name}.svs" for name in spelled])
    assert list(given.values()) == [patient for _, patient in rows]
    for number in range(len(given)):
        (folder / f"{number}.png").touch()
    lines = ["image,patient", *(f"{number}.png,{one}" for number, one in enumerate(given.values()))]
    (folder / "samples.csv").write_text("\n".join(lines))
    sides = {(sample.patient, sample.split) for sample in read_samples([folder / "samples.csv"])}
    assert len(sides) == len(set(given.values()))


def test_a_slide_corrected_further_stays_its_patients_though_nobody_types_whose_it_is(slide, tmp_path):
    for patient in ("Ada", None):
        write_samples(corrected(slide, annotations(), patient), tmp_path, None)
        assert {s.patient for s in read_samples([tmp_path / "samples.csv"])} == {"Ada"}
    other = shutil.copy(slide, tmp_path / "other.svs")
    write_samples(corrected(other, annotations(), None), tmp_path, None)
    assert {s.patient for s in read_samples([tmp_path / "samples.csv"])} == {"Ada", "other"}


def test_annotations_are_the_slides_and_not_the_overviews_beside_it(slide, tmp_path):
    for name in ("a.svs", "b.svs", "b.tif"):
        shutil.copy(slide, tmp_path / name)
    for name in ("a.jpg", "c.png", "d.png", "d.jpg"):
        cv2.imwrite(str(tmp_path / name), tissue(400, 400, []))
    for stem in "abcd":
        write_layers(tmp_path / f"{stem}.xml", annotations().layers, Mpp(MPP, MPP))
    found = find_corrected(tmp_path, tmp_path / "out", None)
    assert [one.slide.name for one in found.corrected] == ["a.svs", "c.png"]
    assert sorted(str(failure).split("/")[-1] for failure in found.failures) == [
        "b.xml: may belong to b.svs and b.tif; give each slide a different name",
        "d.xml: may belong to d.jpg and d.png; give each slide a different name",
    ]
    assert found.without == ()


def test_a_folder_of_pictures_gives_samples_as_a_folder_of_slides_does(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "a.png"), tissue(2_600, 1_400))
    write_layers(tmp_path / "a.xml", annotations().layers, Mpp(MPP, MPP))
    out = tmp_path / "out"
    status, said, _ = typed("samples", str(tmp_path), "--out", str(out), "--mpp", str(MPP), capsys=capsys)
    assert (status, "glomeruli: 1 spiked, 1 normal" in said) == (0, True)
    assert len(load_bags(read_samples([out / "samples.csv"]), MPP, Tiling())) == 2


def test_copies_of_a_slide_are_one_patients_or_refused(slide, tmp_path):
    for name in ("a", "b"):
        shutil.copy(slide, tmp_path / f"{name}.svs")
        write_layers(tmp_path / f"{name}.xml", annotations().layers, Mpp(MPP, MPP))
    found = find_corrected(tmp_path, tmp_path / "out", None)
    assert [one.slide.name for one in found.corrected] == ["a.svs"]
    assert "b.svs: is a copy of a.svs, which counts as another patient's" in str(found.failures[0])
    table = tmp_path / "patients.csv"
    for second, fine in (("Ada", 2), ("Bea", 1)):
        table.write_text(f"slide,patient\na,Ada\nb,{second}\n")
        assert len(find_corrected(tmp_path, tmp_path / "out", table).corrected) == fine


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["nosuch.svs", "a.xml"], 1, "nosuch.svs"),
        (["."], 1, "holds no slide"),
        ([".", "a.xml"], 2, "omit XML"),
        ([".", "--patient", "p"], 2, "is for one slide"),
        (["a.svs", "--patients", "p.csv"], 2, "is for a folder"),
        (["a.svs"], 2, "has no annotations beside it"),
        (["a.svs", "gone.xml"], 1, "gone.xml: cannot be read"),
    ],
)
def test_a_command_typed_wrongly_is_one_line(tmp_path, monkeypatch, capsys, arguments, status, said):
    monkeypatch.chdir(tmp_path)
    if arguments[0] == "a.svs":
        write_aperio(tmp_path / "a.svs", disc_picture(200, 200, []), mpp=MPP)
    found, _, message = typed("samples", *arguments, "--out", str(tmp_path / "out"), capsys=capsys)
    assert (found, message.count("\n")) == (status, 1)
    assert said in message


GLASS = 2_700  # from here to the right the slide below is empty


@pytest.fixture(scope="module")
def half_empty(tmp_path_factory):
    """A slide of tissue to the left and of glass to the right."""
    pixels = tissue()
    pixels[:, GLASS:] = 240
    return write_aperio(tmp_path_factory.mktemp("half") / "half.svs", pixels, factors=(4, 16), mpp=MPP)


def test_glomeruli_marked_on_glass_or_outside_the_slide_are_left_out_and_named(half_empty, tmp_path):
    drawn = annotations()
    drawn.add(SPIKED, ellipse(3_400, 700, 180))
    drawn.add(OTHER, pen(9_000, 700, 180))
    written = write_samples(corrected(half_empty, drawn), tmp_path, None)
    assert written.glomeruli == {"spiked": 1, "normal": 1, "undetermined": 0}
    assert "glomeruli marked where the slide is empty glass, omitted: 1 at 3400, 700" in written.notes
    assert any("outside the slide and are omitted: shape at 9000, 700" in note for note in written.notes)
    bags = load_bags(read_samples([tmp_path / "samples.csv"]), MPP, Tiling())
    assert len(bags) == 2
    assert all(bag.grid.pixels[bag.grid.inside].mean() < 200 for bag in bags)


@pytest.mark.parametrize(
    ("middle", "cause"), [(3_400, "only where half.svs is empty glass"), (9_000, "outside")]
)
def test_annotations_of_another_slide_are_refused_and_write_nothing(half_empty, tmp_path, middle, cause):
    drawn = Annotations([])
    drawn.add(SPIKED, ellipse(middle, 700, 180))
    with pytest.raises(AnnotationError, match=f"{cause}.*of another slide: give those of this one"):
        write_samples(corrected(half_empty, drawn), tmp_path, None)
    assert list(tmp_path.iterdir()) == []


def test_an_area_of_interest_around_everything_leaves_no_blank_glomerulus(slide, tmp_path):
    drawn = annotations()
    drawn.add(
        "Tissue",
        Region(RegionType.RECTANGLE, np.array([[50, 50], [3_900, 50], [3_900, 1_350], [50, 1_350.0]])),
    )
    write_samples(corrected(slide, drawn), tmp_path, None)
    bags = load_bags(read_samples([tmp_path / "samples.csv"]), MPP, Tiling())
    assert sorted(bag.spiked for bag in bags) == [False, True]
    assert all(bag.grid.pixels[bag.grid.inside].mean() < 200 for bag in bags)


def test_errors_of_annotations_name_the_file(slide, tmp_path):
    (tmp_path / "bad.xml").write_text("<Annotations><Annotation>")
    with pytest.raises(AnnotationError, match=r"bad\.xml"):
        write_samples(CorrectedSlide(slide, tmp_path / "bad.xml", "case", "p"), tmp_path, None)


def test_annotations_in_dicom_teach_what_the_same_in_xml_do(slide, tmp_path):
    with open_slide(slide) as opened:
        facts = opened.facts
    found = [
        glomerulus(1, 500, 700, 90, spike_score(0.875, ((480.0, 650.0),)), facts.mpp),
        glomerulus(2, 1_300, 700, 85, spike_score(0.125), facts.mpp),
    ]
    result = slide_result(*found, slide=facts)
    write_imagescope(tmp_path / "case.xml", result)
    origin = origin_of(slide, facts, fingerprint(slide))
    annotations_of(result, origin, {}).save_as(tmp_path / "case.ann.dcm")
    written = [
        write_samples(CorrectedSlide(slide, tmp_path / name, "case", "p"), tmp_path / name[5:], None)
        for name in ("case.xml", "case.ann.dcm")
    ]
    assert written[0] == written[1]
    assert written[0].glomeruli == {"spiked": 1, "normal": 1, "undetermined": 0}
    for one, other in zip(pictures(tmp_path / "xml"), pictures(tmp_path / "ann.dcm"), strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        assert len(one.truth.glomeruli) == len(other.truth.glomeruli)


def test_dicom_annotations_of_another_slide_are_refused(slide, tmp_path):
    with open_slide(slide) as opened:
        result = slide_result(glomerulus(1, 500, 700, 90, mpp=opened.facts.mpp), slide=opened.facts)
        origin = origin_of(slide, opened.facts, "of another slide")
    annotations_of(result, origin, {}).save_as(tmp_path / "case.ann.dcm")
    with pytest.raises(AnnotationError, match="has another frame of reference than this slide"):
        write_samples(CorrectedSlide(slide, tmp_path / "case.ann.dcm", "case", "p"), tmp_path / "out", None)
    assert not (tmp_path / "out").exists()
