"""ImageScope files, checked with a parser that shares no code with the writer."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outside import outside
from results import glomerulus, slide_facts, slide_result, spike_score

from glomspike.annotate.imagescope import read_imagescope, write_imagescope, write_layers
from glomspike.annotate.layers import Layer, Region, RegionType
from glomspike.errors import AnnotationError
from glomspike.findings import Mpp

LAYERS = ["Spiked glomeruli", "Other glomeruli", "Uncertain glomeruli", "Outlines", "Spike tiles"]
COLOURS = [255, 65280, 49151, 65535, 16711680]


def written(tmp_path, result):
    write_imagescope(tmp_path / "slide.xml", result)
    return ET.parse(tmp_path / "slide.xml").getroot()


def regions(root, layer):
    (annotation,) = [each for each in root if each.get("Name") == layer]
    return annotation.findall("Regions/Region")


def vertices(region):
    return np.array([[float(v.get("X")), float(v.get("Y"))] for v in region.findall("Vertices/Vertex")])


def box(region):
    points = vertices(region)
    return points.min(axis=0), points.max(axis=0)


def numbers(region, *names):
    return [float(region.get(name)) for name in names]


@pytest.mark.parametrize("count", [0, 1, 2, 30])
def test_all_five_layers_are_written_whatever_was_found(tmp_path, count):
    found = [glomerulus(i + 1, x0=2_000.0 + 900 * i, spikes=spike_score(0.9)) for i in range(count)]
    root = written(tmp_path, slide_result(*found))
    assert [layer.get("Name") for layer in root] == LAYERS
    assert [layer.find("Attributes/Attribute").get("Name") for layer in root] == LAYERS
    assert [int(layer.get("LineColor")) for layer in root] == COLOURS
    assert [len(regions(root, layer)) for layer in LAYERS] == [count, 0, 0, count, 2 * count]
    assert len(read_imagescope(tmp_path / "slide.xml")) == 5


def test_spiked_and_other_glomeruli_each_reach_their_layer(tmp_path):
    found = [glomerulus(1, spikes=spike_score(0.93)), glomerulus(2, spikes=spike_score(0.12)), glomerulus(3)]
    root = written(tmp_path, slide_result(*found))
    assert [r.get("Text") for r in regions(root, "Spiked glomeruli")] == ["1: spike 0.93"]
    assert [r.get("Text") for r in regions(root, "Other glomeruli")] == ["2: spike 0.12", "3: not scored"]
    assert [r.get("Text") for r in regions(root, "Outlines")] == ["1", "2", "3"]
    assert [r.get("Text") for r in regions(root, "Spike tiles")] == ["1: spike 0.93", "1: spike 0.92"]


def test_ids_are_unique_in_the_whole_file(tmp_path):
    found = [glomerulus(i + 1, spikes=spike_score(0.2 + 0.3 * (i % 3))) for i in range(9)]
    ids = [region.get("Id") for region in written(tmp_path, slide_result(*found)).iter("Region")]
    assert len(ids) > 18
    assert len(set(ids)) == len(ids)


ANNOTATION = (
    "Id Name ReadOnly NameReadOnly LineColorReadOnly Incremental Type LineColor Visible Selected "
    "MarkupImagePath MacroName"
)
REGION = (
    "Id Type Zoom Selected ImageLocation ImageFocus Length Area LengthMicrons AreaMicrons Text "
    "NegativeROA InputRegionId Analyze DisplayId"
)


def test_attributes_are_those_of_the_format(tmp_path):
    root = written(tmp_path, slide_result(glomerulus(spikes=spike_score(0.9))))
    assert " ".join(root[0].attrib) == ANNOTATION
    assert " ".join(root[0].find("Regions/Region").attrib) == REGION
    headers = [(h.get("Id"), h.get("Name")) for h in root[0].findall("Regions/RegionAttributeHeaders/*")]
    usual = [("9999", "Region"), ("9997", "Length"), ("9996", "Area"), ("9998", "Text"), ("1", "Description")]
    assert headers == usual
    assert [child.tag for child in root[0]] == ["Attributes", "Regions", "Plots"]
    assert root[0].get("Type") == "4"


vendors = st.sampled_from(["aperio", "hamamatsu", "mirax", "ventana", "trestle", "generic-tiff", "philips"])
scales = st.floats(0.1, 2.0)
bounds = st.tuples(st.integers(0, 9_000), st.integers(0, 9_000), st.integers(9_000, 30_000), st.just(20_000))


@given(vendors, scales, scales, bounds, st.floats(0, 40_000), st.floats(0, 30_000), st.floats(20, 250))
def test_circles_lie_where_they_were_found_for_every_vendor(
    tmp_path_factory, vendor, mpp_x, mpp_y, bounds0, x0, y0, radius_um
):
    slide = slide_facts(vendor, Mpp(mpp_x, mpp_y), bounds0)
    found = glomerulus(x0=x0, y0=y0, radius_um=radius_um, mpp=slide.mpp)
    root = written(tmp_path_factory.mktemp("xml"), slide_result(found, slide=slide))
    (region,) = regions(root, "Other glomeruli")
    low, high = box(region)
    np.testing.assert_allclose((low + high) / 2, [x0 - bounds0[0], y0 - bounds0[1]], atol=0.02)
    np.testing.assert_allclose((high - low) / 2, [radius_um / mpp_x, radius_um / mpp_y], atol=0.02)


def test_leica_slides_are_turned_as_imagescope_shows_them(tmp_path):
    slide = slide_facts("leica", Mpp(0.25, 0.5), (3_000, 2_000, 20_000, 18_000))
    found = glomerulus(x0=10_000.0, y0=8_000.0, radius_um=100.0, spikes=spike_score(0.9), mpp=slide.mpp)
    root = written(tmp_path, slide_result(found, slide=slide))
    (ellipse,) = regions(root, "Spiked glomeruli")
    low, high = box(ellipse)
    np.testing.assert_allclose((low + high) / 2, [18_000 - 6_000, 7_000], atol=0.02)
    np.testing.assert_allclose(high - low, [400, 800], atol=0.02)
    tile = regions(root, "Spike tiles")[0]  # level 0: 9900..9950 by 7900..7925
    np.testing.assert_allclose(
        vertices(tile), [[12_075, 6_900], [12_100, 6_900], [12_100, 6_950], [12_075, 6_950]], atol=0.02
    )
    assert numbers(tile, "LengthMicrons", "AreaMicrons") == [50.0, 156.25]
    np.testing.assert_allclose(numbers(ellipse, "LengthMicrons")[0], 2 * np.pi * 100, atol=0.01)


def test_tiles_are_rectangles_from_the_upper_left_clockwise(tmp_path):
    root = written(tmp_path, slide_result(glomerulus(spikes=spike_score(0.9))))
    tile = regions(root, "Spike tiles")[0]
    assert tile.get("Type") == "1"
    assert vertices(tile).tolist() == [[9900, 7900], [9950, 7900], [9950, 7950], [9900, 7950]]


def test_length_and_area_are_those_of_each_shape(tmp_path):
    small, large = glomerulus(1, radius_um=50.0), glomerulus(2, radius_um=120.0)
    root = written(tmp_path, slide_result(small, large))
    for region, radius_um in zip(regions(root, "Other glomeruli"), [50, 120], strict=True):
        assert region.get("Type") == "2"
        length, area, length_um, area_um2 = numbers(region, "Length", "Area", "LengthMicrons", "AreaMicrons")
        np.testing.assert_allclose([length, length_um], 2 * np.pi * radius_um * np.array([4, 1]), atol=0.02)
        np.testing.assert_allclose([area, area_um2], np.pi * radius_um**2 * np.array([16, 1]), rtol=1e-4)


def test_length_and_area_of_an_ellipse_where_the_axes_differ(tmp_path):
    slide = slide_facts(mpp=Mpp(0.25, 0.5))
    root = written(tmp_path, slide_result(glomerulus(radius_um=100.0, mpp=slide.mpp), slide=slide))
    (ellipse,) = regions(root, "Other glomeruli")
    angle = np.linspace(0, 2 * np.pi, 200_001)
    arc = np.stack([400 * np.cos(angle), 200 * np.sin(angle)])
    perimeter = np.hypot(*np.diff(arc)).sum()
    np.testing.assert_allclose(numbers(ellipse, "Length", "Area"), [perimeter, np.pi * 80_000], rtol=1e-4)
    np.testing.assert_allclose(
        numbers(ellipse, "LengthMicrons", "AreaMicrons"), [200 * np.pi, 10_000 * np.pi], rtol=1e-4
    )


def test_outlines_are_closed_polygons_of_true_size(tmp_path):
    root = written(tmp_path, slide_result(glomerulus(radius_um=100.0)))
    (outline,) = regions(root, "Outlines")
    points = vertices(outline)
    assert outline.get("Type") == "0"
    assert points[0].tolist() == points[-1].tolist()
    half_angle = np.pi / 40
    length, area = numbers(outline, "LengthMicrons", "AreaMicrons")
    np.testing.assert_allclose(length, 80 * 90 * np.sin(half_angle), rtol=1e-4)
    np.testing.assert_allclose(area, 20 * 90**2 * np.sin(2 * half_angle), rtol=1e-4)


def test_the_same_result_gives_the_same_bytes(tmp_path):
    result = slide_result(glomerulus(spikes=spike_score(0.9)))
    write_imagescope(tmp_path / "first.xml", result)
    write_imagescope(tmp_path / "second.xml", result)
    document = (tmp_path / "first.xml").read_bytes()
    assert document == (tmp_path / "second.xml").read_bytes()
    assert document.startswith(b"<?xml version='1.0' encoding='UTF-8'?>")
    assert b'X="10400.00"' in document


@given(st.text(max_size=40), st.text(min_size=1, max_size=40))
def test_any_text_survives_or_is_made_safe(tmp_path_factory, text, name):
    path = tmp_path_factory.mktemp("xml") / "text.xml"
    region = Region(RegionType.COUNTER, np.array([[1.0, 2.0]]), text)
    write_layers(path, [Layer(name, (1, 2, 3), (region,))], Mpp(0.25, 0.25))
    seen = ET.parse(path).getroot().find("Annotation/Regions/Region").get("Text")
    (layer,) = read_imagescope(path)
    assert seen == layer.regions[0].text
    assert len(seen) == len(text)
    assert all(a in (b, "\ufffd") for a, b in zip(seen, text, strict=True))


coordinates = st.floats(-1e6, 1e6).map(lambda value: round(value, 2))
points = st.lists(st.tuples(coordinates, coordinates), min_size=6, max_size=12, unique=True)
VERTICES = {RegionType.POLYGON: 6, RegionType.RECTANGLE: 4, RegionType.COUNTER: 1}


@given(st.sampled_from(RegionType), points, st.booleans(), st.tuples(*[st.integers(0, 255)] * 3))
def test_layers_of_every_region_type_are_read_back(tmp_path_factory, kind, drawn, negative, colour):
    path = tmp_path_factory.mktemp("xml") / "layers.xml"
    region = Region(kind, np.array(drawn[: VERTICES.get(kind, 2)]), "a < b & c", negative)
    write_layers(path, [Layer("Größe", colour, (region,))], Mpp(0.25, 0.25))
    (layer,) = read_imagescope(path)
    (back,) = layer.regions
    assert (layer.name, layer.colour) == ("Größe", colour)
    assert (back.type, back.text, back.negative) == (kind, "a < b & c", negative)
    np.testing.assert_array_equal(back.vertices_viewer, region.vertices_viewer)


def document(body, layer="Marks", line_colour="255"):
    return (
        f'<Annotations MicronsPerPixel="0.25">\n<Annotation Name="{layer}" LineColor="{line_colour}">\n'
        f"<Regions>\n{body}\n</Regions>\n</Annotation>\n</Annotations>\n"
    )


def read_text(tmp_path, text):
    path = tmp_path / "given.xml"
    path.write_text(text, "utf-8")
    return read_imagescope(path)


SQUARE = [(0, 0), (4, 0), (4, 4), (0, 4)]


def region_xml(kind, corners, more="", z=""):
    inner = "".join(f'<Vertex X="{x}" Y="{y}"{z}/>' for x, y in corners)
    return f'<Region Type="{kind}" {more}><Vertices>{inner}</Vertices></Region>'


def test_vertices_with_and_without_z_and_repeated_first_vertex_read_the_same(tmp_path):
    plain, closed = region_xml(0, SQUARE), region_xml(0, [*SQUARE, SQUARE[0]], z=' Z="0"')
    (layer,) = read_text(tmp_path, document(plain + closed))
    assert [region.vertices_viewer.tolist() for region in layer.regions] == [[list(p) for p in SQUARE]] * 2


@pytest.mark.parametrize(("attribute", "negative"), [('"0"', False), ('"1"', True)])
def test_a_hole_is_told_by_text(tmp_path, attribute, negative):
    (layer,) = read_text(tmp_path, document(region_xml(0, SQUARE, f"NegativeROA={attribute}")))
    assert layer.regions[0].negative is negative


def test_a_region_without_a_type_is_a_polygon_and_other_tools_attributes_are_passed_over(tmp_path):
    text = document(region_xml(0, SQUARE, 'Tool="x" Shape="y"')).replace('Type="0"', "")
    (region,) = read_text(tmp_path, text)[0].regions
    assert region.type is RegionType.POLYGON


def test_an_ellipse_may_be_given_by_any_opposite_corners(tmp_path):
    (layer,) = read_text(tmp_path, document(region_xml(2, [(9, 1), (3, 7)])))
    assert layer.regions[0].box_viewer == (3, 1, 9, 7)


def test_a_layer_named_only_in_its_attribute_has_that_name(tmp_path):
    text = document("", layer="").replace(
        "<Regions>", '<Attributes><Attribute Name="Glom"/></Attributes><Regions>'
    )
    assert read_text(tmp_path, text)[0].name == "Glom"


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (region_xml(0, [*SQUARE, ("1,5", 2)]), "vertex X='1,5' Y='2' is not a point"),
        (region_xml(0, [*SQUARE, ("nan", 2)]), "vertex is not finite"),
        (region_xml(5, [("1e999", 2)]), "vertex is not finite"),
    ],
)
def test_a_region_that_cannot_be_understood_is_named_with_line_and_layer(tmp_path, body, cause):
    with pytest.raises(AnnotationError) as raised:
        read_text(tmp_path, document(body))
    assert raised.value.subject.endswith("given.xml")
    assert raised.value.cause == f"line 4, layer 'Marks': {cause}"


@pytest.mark.parametrize(
    ("body", "skipped"),
    [
        (region_xml(0, SQUARE[:1], 'Id="17"'), "region 17 has too few vertices (1) for its type, polygon"),
        (
            region_xml(0, [SQUARE[0]] * 2, 'Id="17"'),
            "region 17 has too few vertices (1) for its type, polygon",
        ),
        (region_xml(0, [], 'Id="17"'), "region 17 has too few vertices (0) for its type, polygon"),
        (region_xml(1, SQUARE[:3]), "region on line 4 has too few vertices (3) for its type, rectangle"),
        (region_xml(2, SQUARE[:1]), "region on line 4 has too few vertices (1) for its type, ellipse"),
        (region_xml(7, SQUARE, 'Id="3"'), "region 3 is of the unknown type '7'"),
    ],
)
def test_a_region_that_is_no_shape_is_skipped_by_its_id_and_the_others_are_read(tmp_path, body, skipped):
    (layer,) = read_text(tmp_path, document(body + region_xml(0, SQUARE)))
    assert [region.vertices_viewer.tolist() for region in layer.regions] == [[list(p) for p in SQUARE]]
    assert layer.skipped == (skipped,)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "is not XML"),
        ("{}", "is not XML"),
        (document("")[:-20], "is not XML"),
        ("<html/>", "its outermost element is html"),
        (document("", line_colour="red"), "LineColor 'red' is not a number"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><Annotations/>', "declares a document type"),
    ],
)
def test_a_file_that_is_not_imagescopes_is_refused_in_one_line(tmp_path, text, cause):
    with pytest.raises(AnnotationError) as raised:
        read_text(tmp_path, text)
    assert cause in raised.value.cause
    assert "\n" not in str(raised.value)


def test_no_other_file_is_drawn_into_an_annotation(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    entity = f'<!DOCTYPE a [<!ENTITY b SYSTEM "{(tmp_path / "secret.txt").as_uri()}">]>'
    with pytest.raises(AnnotationError, match="document type"):
        read_text(tmp_path, entity + document("&b;"))


def test_a_missing_or_oversized_file_is_refused(tmp_path, monkeypatch):
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_imagescope(tmp_path / "absent.xml")
    monkeypatch.setattr("glomspike.annotate.document.MAX_FILE_BYTES", 20)
    with pytest.raises(AnnotationError, match="is larger than"):
        read_text(tmp_path, document(""))


def test_genuine_files_are_read_and_measured_as_imagescope_measured_them():
    measured = 0
    for path in sorted(outside("imagescope").glob("*.xml")):
        elements = list(ET.parse(path).getroot().iter("Region"))
        read = [region for layer in read_imagescope(path) for region in layer.regions]
        assert len(read) == len(elements)
        for element, region in zip(elements, read, strict=True):
            low, high = box(element)
            np.testing.assert_allclose(region.box_viewer, [*low, *high])
            if float(element.get("Area")) > 0:
                x, y = region.vertices_viewer.T
                area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
                np.testing.assert_allclose(area, float(element.get("Area")), rtol=1e-5)
                measured += 1
    assert measured >= 15


def test_genuine_layers_written_again_hold_the_same(tmp_path):
    for path in sorted(outside("imagescope").glob("*.xml")):
        first = read_imagescope(path)
        write_layers(tmp_path / "again.xml", first, Mpp(0.252, 0.252))
        again = read_imagescope(tmp_path / "again.xml")
        assert [(layer.name, layer.colour) for layer in again] == [(la.name, la.colour) for la in first]
        for before, after in zip(first, again, strict=True):
            for old, new in zip(before.regions, after.regions, strict=True):
                assert (old.type, old.text, old.negative) == (new.type, new.text, new.negative)
                np.testing.assert_allclose(new.vertices_viewer, old.vertices_viewer, atol=0.0051)
