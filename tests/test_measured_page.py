"""Numbers in a page of the documentation."""

from benchmarks.quality.measured_page import write_measured

PAGE = """before
<!-- measured: one -->
old one
<!-- end -->
between
<!-- measured: other -->
old other
<!-- end -->
after
"""


def test_only_what_is_between_its_marks_is_replaced(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    write_measured(page, "other", "new µ")
    assert page.read_text("utf-8") == PAGE.replace("old other", "new µ")
    write_measured(page, "one", "first\nsecond")
    assert page.read_text("utf-8") == PAGE.replace("old other", "new µ").replace("old one", "first\nsecond")
