"""What a person changes in a run's annotations means what the person thinks."""

import gzip
import json

import numpy as np
import pytest
import shapely
from edits import Annotations, box, ellipse, pen, shifted
from hypothesis import given
from hypothesis import strategies as st
from results import MPP, glomerulus, slide_facts, slide_result, spike_score

from glomspike.annotate.geojson import read_geojson, write_geojson
from glomspike.annotate.imagescope import read_imagescope, write_imagescope, write_layers
from glomspike.annotate.layers import Layer, Region, RegionType
from glomspike.annotate.marks import AREA, OTHER, OUTLINES, SPIKE_TILES, SPIKED, UNDETERMINED
from glomspike.annotate.meaning import meaning, read_meaning
from glomspike.errors import AnnotationError
from glomspike.findings import Mpp

SLIDE = slide_facts()
# 1 and 2 are spiked, 3 is not, 4 was not scored; radius 400 px, outline 360 px.
RESULT = slide_result(
    glomerulus(1, 2_000.0, 3_000.0, spikes=spike_score(0.93)),
    glomerulus(2, 6_000.0, 3_000.0, spikes=spike_score(0.71)),
    glomerulus(3, 10_000.0, 3_000.0, spikes=spike_score(0.08)),
    glomerulus(4, 14_000.0, 3_000.0),
)


@pytest.fixture(params=["imagescope", "qupath"])
def viewer(request):
    return request.param


@pytest.fixture
def run(tmp_path, viewer):
    """The annotations of a run as either viewer has them."""
    if viewer == "imagescope":
        write_imagescope(tmp_path / "slide.xml", RESULT)
        return Annotations(read_imagescope(tmp_path / "slide.xml"))
    write_geojson(tmp_path / "slide.geojson", RESULT)
    return Annotations(read_geojson(tmp_path / "slide.geojson"))


@pytest.fixture
def meant(run, viewer):
    return lambda: meaning(run.layers, SLIDE, viewer)


def places(found):
    return sorted((round(one.circle0[0]), one.label, one.outline0 is not None) for one in found.glomeruli)


UNCHANGED = [
    (2_000, "spiked", True),
    (6_000, "spiked", True),
    (10_000, "normal", True),
    (14_000, "undetermined", True),
]


def test_what_a_run_found_stands_but_its_own_boxes_and_lacking_scores_teach_nothing(meant):
    found = meant()
    assert places(found) == UNCHANGED
    assert len(found.boxes0) == 0
    assert found.notes == ("boxes drawn by glomspike, not treated as certain: 4",)


def test_a_deleted_ellipse_is_a_deleted_glomerulus_though_its_outline_was_forgotten(run, meant):
    run.take(OTHER, 3)
    found = meant()
    assert places(found) == UNCHANGED[:2] + UNCHANGED[3:]
    assert [round(x) for x, _, _ in found.deleted0] == [10_000]
    assert "outlines whose ellipse was deleted, moved or redrawn, omitted: 3" in found.notes


def test_a_deleted_outline_leaves_the_glomerulus(run, meant):
    run.take(OUTLINES, 3)
    assert places(meant())[2] == (10_000, "normal", False)


def test_a_moved_ellipse_takes_the_glomerulus_along_and_leaves_its_outline_behind(run, meant):
    run.add(OTHER, shifted(run.take(OTHER, 3), 500, 0))
    assert places(meant())[2] == (10_500, "normal", False)


def test_a_nudged_or_resized_ellipse_is_the_new_circle_and_keeps_its_outline(run, meant):
    old = run.take(OTHER, 3)
    run.add(OTHER, Region(old.type, old.vertices_viewer + np.array([[40, 40], [100, 100]]), old.text))
    third = meant().glomeruli[2]
    np.testing.assert_allclose(third.circle0, (10_070, 3_070, 430), atol=0.1)
    np.testing.assert_allclose(np.ptp(third.outline0, axis=0), 720, atol=0.1)


def test_moving_the_ellipse_to_another_layer_changes_the_label(run, meant):
    run.move(1, SPIKED, OTHER)
    run.move(3, OTHER, SPIKED)
    run.move(2, SPIKED, UNDETERMINED)
    run.move(4, OTHER, SPIKED)
    assert [label for _, label, _ in places(meant())] == ["normal", "undetermined", "spiked", "spiked"]


def test_moving_the_outline_to_a_layer_changes_the_label_too(run, meant):
    run.move(3, OUTLINES, SPIKED)
    assert places(meant())[2] == (10_000, "spiked", True)


def test_a_missed_glomerulus_may_be_drawn_with_the_ellipse_or_with_the_pen(run, meant):
    run.add(SPIKED, ellipse(2_000, 8_000, 380))
    run.add(OTHER, pen(6_000, 8_000, 400))
    run.add(OUTLINES, pen(10_000, 8_000, 390))
    new = [one for one in meant().glomeruli if one.circle0[1] > 5_000]
    assert sorted((round(n.circle0[0]), n.label, n.outline0 is not None) for n in new) == [
        (2_000, "spiked", False),
        (6_000, "normal", True),
        (10_000, None, True),
    ]


def test_an_ellipse_copied_onto_a_missed_glomerulus_is_a_new_one(run, meant):
    run.add(SPIKED, shifted(run.take(SPIKED, 1), 0, 0))
    copy = shifted(run.regions[SPIKED.name][-1], 0, 6_000)
    run.add(SPIKED, copy)
    assert len(meant().glomeruli) == 5


def test_an_outline_drawn_anew_replaces_the_old_one_whether_that_was_deleted_or_not(run, meant):
    run.add(OUTLINES, pen(2_000, 3_000, 300))
    run.take(OUTLINES, 2)
    run.add(OUTLINES, pen(6_000, 3_000, 300))
    found = meant().glomeruli
    radii = {round(one.circle0[0]): round(one.circle0[2]) for one in found}
    assert radii == {2_000: 300, 6_000: 300, 10_000: 400, 14_000: 400}
    assert {one.label for one in found if one.circle0[2] < 350} == {"spiked"}


def test_an_ellipse_drawn_over_the_old_one_in_the_other_layer_changes_the_label(run, meant):
    run.add(OTHER, ellipse(2_010, 3_000, 390))
    assert places(meant())[0] == (2_010, "normal", True)


def test_one_ellipse_in_both_layers_is_undetermined(run, meant):
    copy = run.take(SPIKED, 1)
    run.add(SPIKED, copy)
    run.add(OTHER, copy)
    found = meant()
    assert (2_000, "undetermined", True) in places(found)
    assert len(found.glomeruli) == 4
    assert any("is in two layers" in note for note in found.notes)


def test_boxes_drawn_on_spikes_are_certain_and_say_that_the_glomerulus_is_spiked(run, meant):
    run.add(SPIKE_TILES, box(1_900, 3_000))
    run.add(SPIKED, box(6_000, 3_000, side=120, text="typical"))
    run.add(SPIKE_TILES, box(10_000, 2_950))
    run.add(SPIKE_TILES, box(30_000, 20_000))
    found = meant()
    assert sorted(found.boxes0[:, 2]) == [50, 50, 50, 120]
    assert places(found)[2] == (10_000, "spiked", True)
    assert any("has boxes on spikes: treated as spiked" in note for note in found.notes)
    assert "boxes outside every glomerulus, ignored: 1" in found.notes


def test_a_box_of_a_run_counts_once_its_text_is_the_users(run, meant):
    first = run.take(SPIKE_TILES, 1)
    run.add(SPIKE_TILES, Region(first.type, first.vertices_viewer, "yes"))
    assert len(meant().boxes0) == 1


def test_a_large_rectangle_is_a_glomerulus_among_glomeruli_and_no_box_among_boxes(run, meant):
    run.add(SPIKED, box(2_000, 8_000, side=800))
    run.add(SPIKE_TILES, box(6_000, 8_000, side=800))
    found = meant()
    assert any(one.circle0 == pytest.approx((2_400, 8_400, 400)) for one in found.glomeruli)
    assert len(found.boxes0) == 0
    assert any("wider than 60 µm and not a box on spikes" in note for note in found.notes)


def test_a_slip_of_the_pen_is_no_glomerulus(run, meant):
    run.add(OTHER, pen(20_000, 9_000, 6))
    assert places(meant()) == UNCHANGED


def test_a_hole_at_the_edge_is_cut_off_and_one_inside_stays_filled(run, meant):
    run.add(OUTLINES, pen(2_000, 3_000, 60, negative=True))
    run.add(OUTLINES, pen(6_000 + 360, 3_000, 150, negative=True))
    found = {round(one.circle0[0], -2): shapely.Polygon(one.outline0).area for one in meant().glomeruli}
    whole = found[10_000]
    assert found[2_000] == pytest.approx(whole)
    assert found[6_000] < 0.93 * whole


def test_an_outline_that_crosses_itself_keeps_its_larger_loop(run, meant):
    eight = np.array([[20_000, 9_000], [20_800, 9_800], [20_800, 9_000], [20_000, 9_800], [19_600, 9_400]])
    run.add(OTHER, Region(RegionType.POLYGON, eight.astype(float)))
    (new,) = [one for one in meant().glomeruli if one.circle0[1] > 5_000]
    assert shapely.Polygon(new.outline0).is_valid
    assert shapely.Polygon(new.outline0).area == pytest.approx(320_000, rel=0.01)


def test_only_what_lies_in_the_corrected_area_counts_where_one_is_drawn(run, meant):
    run.add(AREA, Region(RegionType.RECTANGLE, box(0, 0, side=7_900).vertices_viewer))
    found = meant()
    assert [round(one.circle0[0]) for one in found.glomeruli] == [2_000, 6_000]
    assert [area.area for area in found.areas0] == [7_900**2]


def test_layers_of_other_names_are_unclear_beside_ours_and_glomeruli_without(run, meant, viewer):
    run.add("Arteries", pen(20_000, 9_000, 300))
    found = meant()
    assert places(found) == UNCHANGED
    assert len(found.unclear0) == 1
    assert any("layer 'Arteries'" in note for note in found.notes)
    foreign = Annotations([])
    foreign.add("Glom", pen(20_000, 9_000, 300))
    foreign.add("Glom", ellipse(24_000, 9_000, 300))
    foreign.add("Spikes", box(20_000, 9_000))
    alone = meaning(foreign.layers, SLIDE, viewer)
    assert sorted(round(one.circle0[0]) for one in alone.glomeruli) == [20_000, 24_000]
    assert {one.label for one in alone.glomeruli} == {"spiked", None}


def foreign(viewer, **drawn):
    """What a file of another program says, layer by layer."""
    layers = Annotations([])
    for name, regions in drawn.items():
        for region in regions:
            layers.add(name.replace("_", " "), region)
    return meaning(layers.layers, SLIDE, viewer)


def test_rules_of_size_hold_in_other_programs_layers_too(viewer):
    """A region of interest of 700 µm, a rectangle of 220 µm around a glomerulus, and a box on its spikes."""
    middle, around, spikes = box(8_600, 7_600, 2_800), box(11_560, 8_560, 880), box(11_900, 9_000)
    found = foreign(viewer, ROI=[middle], Glom=[pen(10_000, 9_000, 360), around, pen(20_000, 9_000, 1_200)])
    assert places(found) == [(10_000, None, True), (12_000, None, False)]
    assert len(found.boxes0) == 0
    left_out = [note for note in found.notes if "larger than any glomerulus: omitted" in note]
    assert sorted(note.split(" µm")[0] for note in left_out) == [
        "shape at 10000, 9000 is 700", "shape at 20000, 9000 is 600",
    ]  # fmt: skip
    boxed = foreign(viewer, Glom=[around, spikes])
    assert (places(boxed), len(boxed.boxes0)) == ([(12_000, "spiked", False)], 1)


def test_other_programs_layers_are_named_with_what_they_are_taken_for(viewer):
    (note,) = foreign(viewer, Glom=[pen(20_000, 9_000, 300)], my_ROIs=[pen(24_000, 9_000, 300)]).notes
    assert note.startswith("the file has none of glomspike's layers; in 'Glom', 'my ROIs', larger shapes")


def test_a_class_derived_from_one_of_ours_is_taken_for_it_and_named(run, meant):
    run.add("spiked glomeruli: sure", ellipse(2_000, 8_000, 380))
    run.add("Lesion: crescent", pen(2_000, 8_000, 300))
    found = meant()
    assert [(one.label, one.lesion) for one in found.glomeruli if one.circle0[1] > 5_000] == [
        ("spiked", "crescent")
    ]
    assert "layer 'spiked glomeruli: sure' is read as 'spiked glomeruli'" in found.notes


def test_a_lesion_drawn_where_no_glomerulus_is_is_named(run, meant):
    run.add("lesion: Crescent", pen(20_000, 9_000, 300))
    assert "lesions drawn outside every glomerulus, ignored: 1 (Crescent)" in meant().notes


def test_a_glomerulus_in_a_shape_of_another_layer_is_left_out_with_it(run, meant):
    run.add("Ask Ada", pen(10_000, 3_000, 500))
    found = meant()
    assert places(found) == UNCHANGED[:2] + UNCHANGED[3:]
    assert any("glomerulus 3 at 10000, 3000 lies in a shape that is omitted" in n for n in found.notes)


def test_the_edge_of_the_tissue_in_another_layer_blanks_nothing_that_is_marked(run, meant):
    run.add("Tissue", pen(8_000, 3_000, 7_000))
    found = meant()
    assert (places(found), found.unclear0) == (UNCHANGED, ())
    assert any("surrounds glomeruli: not blanked" in note for note in found.notes)


def test_what_a_file_holds_without_being_a_shape_is_named(run, meant):
    run.skipped = {OTHER.name: ("region 17 has too few vertices (1) for its type, polygon",)}
    run.add(OTHER, Region(RegionType.POLYGON, np.array([[20_000.0, 9_000.0]] * 4)))
    notes = meant().notes
    assert f"layer {OTHER.name!r}: region 17 has too few vertices (1) for its type, polygon, skipped" in notes
    assert f"shape at 20000, 9000 in layer {OTHER.name!r} has no area: omitted" in notes


def test_shapes_outside_the_slide_are_left_out_and_named(run, meant):
    run.add(SPIKED, ellipse(50_000, 9_000, 380))
    run.add(OTHER, ellipse(-200, 9_000, 380, "5: spike 0.01"))
    run.add(OTHER, ellipse(200, 9_000, 380))
    run.add(SPIKE_TILES, box(50_000, 9_000))
    found = meant()
    assert places(found) == [(200, "normal", False), *UNCHANGED]
    assert len(found.boxes0) == 0
    (said,) = [note for note in found.notes if "outside the slide" in note]
    assert "shapes lie outside the slide and are omitted: shape at 50000, 9000, 5, " in said


@given(
    width=st.integers(2_000, 60_000),
    height=st.integers(2_000, 60_000),
    middles=st.lists(st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5)), min_size=1, max_size=8),
    name=st.sampled_from(["slide.xml", "slide.geojson", "slide.geojson.gz"]),
)
def test_only_what_lies_on_the_slide_is_taken_whatever_is_drawn(
    tmp_path_factory, width, height, middles, name
):
    slide = slide_facts(bounds=(0, 0, width, height))
    path = tmp_path_factory.mktemp("drawn") / name
    if name.endswith("xml"):
        layer = Layer(SPIKED.name, SPIKED.colour, tuple(ellipse(x, y, 300) for x, y in middles))
        write_layers(path, [layer], MPP)
        middles = [(round(x, 2), round(y, 2)) for x, y in middles]
    else:
        rings = [pen(x, y, 300).vertices_viewer.tolist() for x, y in middles]
        text = json.dumps([
            {"geometry": {"type": "Polygon", "coordinates": [ring]},
             "properties": {"classification": SPIKED.name}}
            for ring in rings
        ]).encode()  # fmt: skip
        path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    inside = [(x, y) for x, y in middles if 1 < x < width - 1 and 1 < y < height - 1]
    beyond = [(x, y) for x, y in middles if not (-1 <= x <= width + 1 and -1 <= y <= height + 1)]
    if len(beyond) == len(middles):
        with pytest.raises(AnnotationError, match="of another slide: give those of this one"):
            read_meaning(path, slide)
        return
    if not inside:  # on the very edge
        return
    found = read_meaning(path, slide).glomeruli
    for one in found:
        assert -2 <= one.circle0[0] <= width + 2
        assert -2 <= one.circle0[1] <= height + 2
    for x, y in inside:
        assert any(one.holds(x, y) for one in found)


def test_layers_may_come_in_any_order_and_spelling(run, meant):
    run.regions = {name.upper() + " ": drawn for name, drawn in reversed(run.regions.items())}
    assert places(meant()) == UNCHANGED


def test_arrows_rulers_and_counters_say_nothing(run, meant):
    for kind in (RegionType.ARROW, RegionType.RULER, RegionType.COUNTER):
        run.add(SPIKED, Region(kind, np.array([[20_000.0, 9_000.0], [21_000.0, 9_500.0]])))
    assert places(meant()) == UNCHANGED


def test_the_suffix_tells_which_viewer_wrote_a_file(tmp_path):
    slide = slide_facts("leica", Mpp(0.25, 0.25), (1_000, 500, 20_000, 18_000))
    result = slide_result(*RESULT.glomeruli, slide=slide)
    write_imagescope(tmp_path / "slide.xml", result)
    write_geojson(tmp_path / "slide.geojson", result)
    for name in ("slide.xml", "slide.geojson"):
        assert places(read_meaning(tmp_path / name, slide)) == UNCHANGED
    write_layers(tmp_path / "none.xml", [], Mpp(1, 1))
    assert read_meaning(tmp_path / "none.xml", slide).glomeruli == ()
