"""Whatever slide, frame and shape: what is written comes back, to half a pixel and to the letter."""

import json
from typing import get_args

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from glomspike.annotate.geojson import read_geojson, write_geojson
from glomspike.annotate.imagescope import read_imagescope, write_imagescope
from glomspike.annotate.layers import Layer
from glomspike.annotate.meaning import meaning
from glomspike.findings import (
    Call,
    Circle,
    Glomerulus,
    Mpp,
    Outline,
    Points,
    SlideFacts,
    SlideResult,
    SpikedMembrane,
    SpikeScore,
    TopTile,
)
from glomspike.geometry.frames import Viewer, from_viewer

HALF_PX = 0.5

vendors = st.sampled_from(["aperio", "hamamatsu", "leica", "mirax", "ventana", "philips", "generic-tiff"])
mpps = st.builds(Mpp, st.floats(0.1, 1.0), st.floats(0.1, 1.0))
chances = st.floats(0, 1)
calls = st.sampled_from(get_args(Call))


@st.composite
def slides(draw: st.DrawFn) -> SlideFacts:
    width, height = draw(st.integers(40_000, 200_000)), draw(st.integers(20_000, 100_000))
    bounds_x, bounds_y = draw(st.integers(0, width // 2)), draw(st.integers(0, height // 2))
    size = width - bounds_x, height - bounds_y
    return SlideFacts("Präparat 1.svs", draw(vendors), width, height, draw(mpps), bounds_x, bounds_y, *size)


@st.composite
def glomeruli(draw: st.DrawFn, slide: SlideFacts, number: int) -> Glomerulus:
    """A glomerulus with an outline of any starry shape, each on a square of the slide of its own."""
    radius_um = draw(st.floats(30, 200))
    x0 = slide.bounds_x0 + 2_500 + 5_000 * number + draw(st.floats(0, 50))
    y0 = slide.bounds_y0 + draw(st.floats(2_000, 9_000))
    reaches = np.array(draw(st.lists(st.floats(0.75, 1.0), min_size=8, max_size=40)))
    turn = np.linspace(0, 2 * np.pi, len(reaches), endpoint=False)
    scale = np.array([slide.mpp.x, slide.mpp.y])
    polygon0 = np.array([x0, y0]) + (reaches * radius_um * np.stack([np.cos(turn), np.sin(turn)])).T / scale
    outline = Outline(polygon0, draw(st.floats(1, 1e6)), draw(st.booleans()))
    probability = draw(chances)
    tops = tuple(TopTile(x0 + 60 * i, y0, probability) for i in range(draw(st.integers(0, 4))))
    side_um = draw(st.floats(5, 30))
    counts = (probability >= 0.5, draw(chances), 9, 3, 0, side_um, tops)
    score = SpikeScore(probability, *counts, draw(calls), SpikedMembrane(draw(st.integers(0, 9)), 0, "none"))
    circle = Circle(x0, y0, radius_um, draw(chances))
    return Glomerulus(number, circle, outline, draw(st.none() | st.just(score)))


@st.composite
def results(draw: st.DrawFn) -> SlideResult:
    slide = draw(slides())
    return SlideResult(
        slide, tuple(draw(glomeruli(slide, n)) for n in range(1, draw(st.integers(0, 3)) + 1)), ()
    )


def expected(result: SlideResult) -> dict[str, list[tuple[str, Points]]]:
    """Layer by layer the texts, and the points that a shape goes through, in level-0 pixels."""
    layers: dict[str, list[tuple[str, Points]]] = {}
    for g in result.glomeruli:
        half0 = np.array([g.circle.radius_um / result.slide.mpp.x, g.circle.radius_um / result.slide.mpp.y])
        middle0 = np.array([g.circle.x0, g.circle.y0])
        text = f"{g.id}: not scored" if g.spikes is None else f"{g.id}: spike {g.spikes.probability:.2f}"
        call = None if g.spikes is None else g.spikes.call
        named = {"spiked": "Spiked glomeruli", "uncertain": "Uncertain glomeruli"}.get(
            call, "Other glomeruli"
        )
        circles = layers.setdefault(named, [])
        circles.append((text, np.stack([middle0 - half0, middle0 + half0])))
        layers.setdefault("Outlines", []).append((str(g.id), g.outline.polygon0))
        if g.spikes is not None and call != "not spiked":
            side0 = g.spikes.tile_side_um / np.array([result.slide.mpp.x, result.slide.mpp.y])
            for top in g.spikes.top_tiles:
                corner0 = np.array([top.x0, top.y0])
                tile = (f"{g.id}: spike {top.probability:.2f}", np.stack([corner0, corner0 + side0]))
                layers.setdefault("Spike tiles", []).append(tile)
    return layers


def check(layers: tuple[Layer, ...], result: SlideResult, viewer: Viewer) -> None:
    wanted = expected(result)
    found = {layer.name: layer.regions for layer in layers if layer.regions}
    assert found.keys() == wanted.keys()
    for name, regions in found.items():
        assert sorted(region.text for region in regions) == sorted(text for text, _ in wanted[name])
        for region, (text, points0) in zip(regions, wanted[name], strict=True):
            assert region.text == text
            back0 = from_viewer(region.vertices_viewer, result.slide, viewer)
            if name == "Outlines":
                away = shapely.hausdorff_distance(shapely.Polygon(back0), shapely.Polygon(points0))
                assert away <= HALF_PX
            else:
                box0 = np.concatenate([back0.min(axis=0), back0.max(axis=0)])
                np.testing.assert_allclose(box0, points0.ravel(), atol=HALF_PX)


@settings(deadline=None)
@given(result=results())
def test_imagescope_files_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, result: SlideResult
) -> None:
    path = tmp_path_factory.mktemp("xml") / "slide.xml"
    write_imagescope(path, result)
    check(read_imagescope(path), result, "imagescope")


@settings(deadline=None)
@given(result=results())
def test_qupath_files_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, result: SlideResult
) -> None:
    path = tmp_path_factory.mktemp("geojson") / "slide.geojson"
    write_geojson(path, result)
    check(read_geojson(path), result, "qupath")
    features = json.loads(path.read_text("utf-8"))["features"]
    assert len({feature["id"] for feature in features}) == len(features)
    for feature in features:
        geometry = shapely.geometry.shape(feature["geometry"])
        assert geometry.is_valid
        assert geometry.geom_type == "Polygon"
        assert all(isinstance(v, float) for v in feature["properties"]["measurements"].values())


@settings(deadline=None)
@given(result=results(), viewer=st.sampled_from(["imagescope", "qupath"]))
def test_the_glomeruli_read_back_are_those_that_were_found(
    tmp_path_factory: pytest.TempPathFactory, result: SlideResult, viewer: Viewer
) -> None:
    path = tmp_path_factory.mktemp("any") / "slide"
    (write_imagescope if viewer == "imagescope" else write_geojson)(path, result)
    layers = (read_imagescope if viewer == "imagescope" else read_geojson)(path)
    found = sorted(meaning(layers, result.slide, viewer).glomeruli, key=lambda one: one.circle0[0])
    assert len(found) == len(result.glomeruli)
    for one, true in zip(found, result.glomeruli, strict=True):
        np.testing.assert_allclose(one.circle0[:2], (true.circle.x0, true.circle.y0), atol=HALF_PX)
        assert one.number in (true.id, None)
