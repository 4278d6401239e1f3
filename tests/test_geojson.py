"""GeoJSON as QuPath will read it."""

import gzip
import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outside import outside
from results import glomerulus, slide_facts, slide_result, spike_score
from shapely.geometry import shape

from glomspike.annotate.geojson import read_geojson, write_geojson
from glomspike.annotate.meaning import meaning
from glomspike.errors import AnnotationError
from glomspike.findings import Circle, Glomerulus, Mpp, Outline


def features(tmp_path, result):
    write_geojson(tmp_path / "slide.geojson", result)
    collection = json.loads((tmp_path / "slide.geojson").read_text("utf-8"))
    assert collection["type"] == "FeatureCollection"
    return collection["features"]


def of_class(found, name):
    return [feature for feature in found if feature["properties"]["classification"]["name"] == name]


def test_objects_carry_class_colour_name_and_measurements(tmp_path):
    found = features(tmp_path, slide_result(glomerulus(17, spikes=spike_score(0.93)), glomerulus(18)))
    (spiked,) = of_class(found, "Spiked glomeruli")
    assert spiked["properties"] == {
        "objectType": "annotation",
        "name": "17: spike 0.93",
        "classification": {"name": "Spiked glomeruli", "color": [255, 0, 0]},
        "isLocked": False,
        "measurements": {
            "Detection score": 0.875,
            "Radius µm": 100.0,
            "Spike probability": 0.93,
            "Spike fraction": 0.25,
            "Spiked membrane": 0.25,
        },
    }
    (other,) = of_class(found, "Other glomeruli")
    assert other["properties"]["name"] == "18: not scored"
    assert "Spike probability" not in other["properties"]["measurements"]
    assert [len(of_class(found, name)) for name in ("Outlines", "Spike tiles")] == [2, 2]


def test_nothing_found_is_an_empty_collection(tmp_path):
    assert features(tmp_path, slide_result()) == []


def test_circles_lie_at_the_bounds_origin_and_are_not_turned(tmp_path):
    for vendor in ("mirax", "leica"):
        slide = slide_facts(vendor, Mpp(0.25, 0.5), (3_000, 2_000, 20_000, 18_000))
        (circle, *_) = features(tmp_path, slide_result(glomerulus(mpp=slide.mpp), slide=slide))
        np.testing.assert_allclose(shape(circle["geometry"]).bounds, [6_600, 5_800, 7_400, 6_200], atol=0.02)


def test_a_circle_keeps_its_area(tmp_path):
    (circle, *_) = features(tmp_path, slide_result(glomerulus(radius_um=100.0)))
    np.testing.assert_allclose(shape(circle["geometry"]).area, np.pi * 400**2, rtol=1e-3)


points = st.lists(st.tuples(st.floats(0, 60), st.floats(0, 60)), min_size=3, max_size=12)


@given(points)
def test_every_polygon_is_valid_even_where_an_outline_crosses_itself(tmp_path_factory, drawn):
    crossing = Glomerulus(1, Circle(30, 30, 5, 0.9), Outline(np.array(drawn), 1.0, False), None)
    for feature in features(tmp_path_factory.mktemp("geojson"), slide_result(crossing)):
        polygon = shape(feature["geometry"])
        assert polygon.is_valid
        assert polygon.geom_type == "Polygon"
        assert polygon.area > 0


def test_a_figure_of_eight_keeps_its_larger_loop(tmp_path):
    eight = np.array([[0, 0], [100, 100], [100, 0], [0, 100], [-50, 50]], dtype=float)
    found = features(
        tmp_path, slide_result(Glomerulus(1, Circle(30, 30, 5, 0.9), Outline(eight, 1.0, False), None))
    )
    (outline,) = of_class(found, "Outlines")
    assert shape(outline["geometry"]).area == pytest.approx(5_000, abs=1)


def test_the_same_result_gives_the_same_bytes_and_ids_are_unique(tmp_path):
    result = slide_result(*(glomerulus(i + 1, spikes=spike_score(0.9)) for i in range(5)))
    ids = [feature["id"] for feature in features(tmp_path, result)]
    first = (tmp_path / "slide.geojson").read_bytes()
    assert ids == [feature["id"] for feature in features(tmp_path, result)]
    assert first == (tmp_path / "slide.geojson").read_bytes()
    assert len(set(ids)) == len(ids) == 20
    elsewhere = slide_result(*result.glomeruli, slide=slide_facts(name="another.svs"))
    assert not {feature["id"] for feature in features(tmp_path, elsewhere)} & set(ids)


def test_circles_stay_ellipses_and_spiked_glomeruli_come_first(tmp_path):
    found = features(tmp_path, slide_result(glomerulus(1), glomerulus(2, spikes=spike_score(0.9))))
    names = [feature["properties"]["classification"]["name"] for feature in found]
    assert names == ["Spiked glomeruli", "Other glomeruli", *["Outlines"] * 2, *["Spike tiles"] * 2]
    assert [feature["geometry"].get("isEllipse", False) for feature in found] == [True, True, *[False] * 4]


def read(tmp_path, content):
    path = tmp_path / "given.geojson"
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return read_geojson(path)


def feature(kind, coordinates, **properties):
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "geometry": geometry, "properties": {"objectType": "annotation", **properties}}


SQUARE = [[0, 0], [8, 0], [8, 4], [0, 4], [0, 0]]
TRIANGLE = [[20, 0], [30, 0], [25, 9], [20, 0]]
CLASS = {"name": "Glom", "color": [1, 2, 3]}


def test_polygons_their_holes_and_their_parts_are_regions_of_their_class(tmp_path):
    hole = [[2, 1], [4, 1], [3, 3], [2, 1]]
    (layer,) = read(tmp_path, [
        feature("Polygon", [SQUARE, hole], classification=CLASS, name="7"),
        feature("MultiPolygon", [[TRIANGLE], [SQUARE]], classification=CLASS),
        feature("Point", [5.5, 6.5, 0], classification=CLASS),
        feature("MultiPoint", [[1, 2], [3, 4]], classification=CLASS),
        feature("LineString", [[1, 2], [3, 4]], classification=CLASS),
    ])  # fmt: skip
    assert (layer.name, layer.colour) == ("Glom", (1, 2, 3))
    kinds = ["RECTANGLE", "POLYGON", "POLYGON", "RECTANGLE", "COUNTER", "COUNTER", "COUNTER", "RULER"]
    assert [region.type.name for region in layer.regions] == kinds
    assert [region.negative for region in layer.regions] == [False, True, *[False] * 6]
    assert [region.text for region in layer.regions[:3]] == ["7", "7", ""]
    assert layer.regions[2].vertices_viewer.tolist() == TRIANGLE[:-1]
    assert layer.regions[4].vertices_viewer.tolist() == [[5.5, 6.5]]


@pytest.mark.parametrize(
    ("said", "name", "colour"),
    [
        ({"classification": {"name": "A", "colorRGB": -65536}}, "A", (255, 0, 0)),
        ({"classification": {"names": ["A", "B"], "color": [9, 8, 7]}}, "A: B", (9, 8, 7)),
        ({"classification": {"name": "A"}}, "A", (200, 200, 200)),
        ({"classification": "Spiked glomeruli"}, "Spiked glomeruli", (200, 200, 200)),
        ({}, "", (200, 200, 200)),
    ],
)
def test_classes_are_read_as_old_and_new_versions_write_them(tmp_path, said, name, colour):
    one = feature("Polygon", [TRIANGLE], **said)
    for content in (one, [one], {"type": "FeatureCollection", "features": [one]}):
        (layer,) = read(tmp_path, content)
        assert (layer.name, layer.colour) == (name, colour)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("3", "not GeoJSON features"),
        ('{"type": "FeatureCollection"}', "not GeoJSON features"),
        ([feature("Polygon", [[[0, 0], [1, "a"], [2, 2]]], classification=CLASS)], "object 1, class 'Glom'"),
        ('[{"geometry": {"type": "Point", "coordinates": [NaN, 1]}}]', "object 1, class ''"),
        ('[{"geometry": {"type": "Point", "coordinates": [1e999, 1]}}]', "object 1, class ''"),
        ([feature("Polygon", 3)], "object 1, class ''"),
        ('[{"geometry": 3, "properties": []}]', "object 1, class ''"),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_refused_in_one_line_that_names_object_and_class(
    tmp_path, content, cause
):
    with pytest.raises(AnnotationError) as raised:
        read(tmp_path, content)
    assert cause in raised.value.cause
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("empty", "skipped"),
    [
        (feature("Polygon", [[[1, 2], [1, 2]]]), "object 2 has too few vertices (1) for a polygon"),
        (feature("Polygon", []), "object 2 has too few vertices (0) for a polygon"),
        (feature("Polygon", [[]]), "object 2 has too few vertices (0) for a polygon"),
        (feature("Circle", [1, 2]), "object 2 is of the unknown kind 'Circle'"),
        ({"geometry": None}, "object 2 has no geometry"),
        ({"type": "Feature", "properties": [1]}, "object 2 has no geometry"),
    ],
)
def test_an_object_that_is_no_shape_is_skipped_by_its_number_and_the_others_are_read(
    tmp_path, empty, skipped
):
    (layer,) = read(tmp_path, [feature("Polygon", [TRIANGLE]), empty, feature("Polygon", [TRIANGLE])])
    assert len(layer.regions) == 2
    assert layer.skipped == (skipped,)


numbers = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
anything = st.recursive(numbers, lambda inner: st.lists(inner, max_size=4), max_leaves=12)
kinds = st.sampled_from(["Polygon", "MultiPolygon", "Point", "MultiPoint", "LineString", "Else"])
said = anything | st.dictionaries(
    st.sampled_from(["name", "names", "color", "colorRGB"]), anything, max_size=4
)
objects = st.fixed_dictionaries({}, optional={
    "geometry": anything | st.fixed_dictionaries({"type": kinds | anything, "coordinates": anything}),
    "properties": anything | st.fixed_dictionaries({}, optional={"name": anything, "classification": said}),
})  # fmt: skip


@given(st.lists(objects | anything, max_size=3))
def test_whatever_is_in_a_file_it_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "given.geojson"
    path.write_text(json.dumps(content))
    layers = ()
    with suppress(AnnotationError):  # all that may be raised
        layers = read_geojson(path)
    for layer in layers:
        assert all(np.isfinite(region.vertices_viewer).all() for region in layer.regions)
    meaning(layers, slide_facts(), "qupath")


def test_packed_files_are_read_and_damaged_or_swollen_ones_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "given.geojson.gz"
    packed = gzip.compress(json.dumps([feature("Polygon", [TRIANGLE])]).encode())
    path.write_bytes(packed)
    (layer,) = read_geojson(path)
    assert layer.regions[0].vertices_viewer.tolist() == TRIANGLE[:-1]
    for damaged in (packed[: len(packed) // 2], b"[]", packed[:20] + b"x" * 20):
        path.write_bytes(damaged)
        with pytest.raises(AnnotationError, match=r"given\.geojson\.gz: cannot be unpacked"):
            read_geojson(path)
    monkeypatch.setattr("glomspike.annotate.document.MAX_FILE_BYTES", 1 << 20)
    path.write_bytes(gzip.compress(b" " * (2 << 20)))
    with pytest.raises(AnnotationError, match="is larger than 1 MiB"):
        read_geojson(path)


def test_real_annotations_of_qupath_are_read():
    paths = sorted(outside("he-fields/annotations").glob("*.geojson"))
    layers = [layer for path in paths for layer in read_geojson(path)]
    assert len(paths) > 20
    assert sum(len(layer.regions) for layer in layers) >= len(paths)
    assert all(region.box_viewer[2] < 2_000 for layer in layers for region in layer.regions)
