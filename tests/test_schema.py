"""ImageScope files keep to our schema, and so do genuine ones."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from outside import outside
from results import glomerulus, slide_result, spike_score

from glomspike.annotate import imagescope
from glomspike.annotate.imagescope import write_imagescope, write_layers
from glomspike.annotate.layers import Layer, Region, RegionType
from glomspike.findings import Mpp

SCHEMA = etree.RelaxNG(etree.parse(Path(imagescope.__file__).with_name("imagescope.rng")))


def check(path):
    SCHEMA.assertValid(etree.parse(path))


@pytest.mark.parametrize("count", [0, 1, 12])
def test_what_a_run_writes_is_valid(tmp_path, count):
    found = [glomerulus(i + 1, spikes=spike_score(0.1 + 0.07 * i) if i % 3 else None) for i in range(count)]
    write_imagescope(tmp_path / "slide.xml", slide_result(*found))
    check(tmp_path / "slide.xml")


texts = st.text(max_size=20)
corners = st.lists(st.tuples(*[st.floats(-1e5, 1e6)] * 2), min_size=4, max_size=9)
regions = st.builds(
    lambda kind, points, text, negative: Region(kind, np.array(points), text, negative),
    st.sampled_from(RegionType), corners, texts, st.booleans(),
)  # fmt: skip
layers = st.builds(
    lambda name, colour, drawn: Layer(name, colour, tuple(drawn)),
    texts, st.tuples(*[st.integers(0, 255)] * 3), st.lists(regions, max_size=3),
)  # fmt: skip


@given(st.lists(layers, max_size=3))
def test_any_layers_written_are_valid(tmp_path_factory, drawn):
    path = tmp_path_factory.mktemp("xml") / "layers.xml"
    write_layers(path, drawn, Mpp(0.25, 0.5))
    check(path)


def test_genuine_files_are_valid():
    paths = sorted(outside("imagescope").glob("*.xml"))
    assert len(paths) == 3
    for path in paths:
        check(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [('Type="2"', 'Type="0"'), ('Type="4"', 'Type="5"'), ("<Plots/>", ""), (' Text="', ' Comment="')],
)
def test_what_readers_would_stumble_over_is_not_valid(tmp_path, old, new):
    write_imagescope(tmp_path / "slide.xml", slide_result(glomerulus()))
    text = (tmp_path / "slide.xml").read_text()
    (tmp_path / "slide.xml").write_text(text.replace(old, new, 1))
    with pytest.raises(etree.DocumentInvalid):
        check(tmp_path / "slide.xml")
