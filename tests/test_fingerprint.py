"""Fingerprints: the same for a copy, another one for another slide."""

import os

from glomspike.slide.fingerprint import CHUNK_BYTES, CHUNKS, fingerprint

LARGE_BYTES = 3 * CHUNKS * CHUNK_BYTES


def write(path, content):
    path.write_bytes(content)
    return path


def test_a_copy_under_another_name_and_date_has_the_same(tmp_path):
    content = os.urandom(LARGE_BYTES)
    first, copy = write(tmp_path / "a.svs", content), write(tmp_path / "b.svs", content)
    os.utime(copy, (0, 0))
    assert fingerprint(first) == fingerprint(copy)
    assert len(fingerprint(first)) == 64


def test_one_changed_byte_of_a_small_slide_shows(tmp_path):
    path = write(tmp_path / "a.svs", b"x" * 10_000)
    before = fingerprint(path)
    write(path, b"x" * 5_000 + b"y" + b"x" * 4_999)
    assert fingerprint(path) != before


def test_another_size_beginning_or_end_of_a_large_slide_shows(tmp_path):
    content = bytes(LARGE_BYTES)
    versions = [content, content + b"\0", b"\1" + content[1:], content[:-1] + b"\1"]
    path = tmp_path / "a.svs"
    assert len({fingerprint(write(path, version)) for version in versions}) == 4


def test_a_companion_files_size_shows(tmp_path):
    path = write(tmp_path / "a.mrxs", b"small")
    folder = tmp_path / "a"
    folder.mkdir()
    data = write(folder / "Data0001.dat", b"12345")
    before = fingerprint(path)
    write(data, b"123456")
    assert fingerprint(path) != before
