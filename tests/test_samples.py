"""Tables of annotated pictures: what is read from them, their splits, and what is said of wrong ones."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glomspike.errors import SamplesError
from glomspike.learn.samples import in_split, read_samples


def table(folder: Path, *rows: str, header: str = "image,patient,split", name: str = "samples.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("a.png", "m.png", "a.xml"):
        (folder / file).touch()
    (folder / name).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder / name


def test_a_row_says_where_things_are_and_empty_cells_say_nothing(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "a.png,0.5,m.png,,spiked,p,val",
        "a.png, ,,a.xml,,p,",
        header="image,mpp,mask,xml,label,patient,split",
    )
    first, second = read_samples([path])
    assert (first.image, first.mask, first.xml) == (tmp_path / "a.png", tmp_path / "m.png", None)
    assert (first.mpp, first.label, first.split) == (0.5, "spiked", "val")
    assert (second.mpp, second.mask, second.label, second.xml) == (None, None, None, tmp_path / "a.xml")
    assert second.split == "val"


def test_a_table_saved_by_excel_is_read(tmp_path: Path) -> None:
    path = table(tmp_path, "a.png,Müller")
    path.write_bytes(b"\xef\xbb\xbfimage,patient\r\na.png,M\xc3\xbcller\r\n")
    assert read_samples([path])[0].patient == "Müller"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text("abcdefgh", min_size=1, max_size=4), min_size=3, max_size=60), st.randoms())
def test_splits_are_by_patient_and_do_not_depend_on_the_order_of_rows(
    tmp_path: Path, patients: list[str], random: object
) -> None:
    rows = [f"a.png,{patient}" for patient in patients]
    splits = {s.patient: s.split for s in read_samples([table(tmp_path, *rows, header="image,patient")])}
    random.shuffle(rows)  # type: ignore[attr-defined]
    again = read_samples([table(tmp_path, *rows, header="image,patient")])
    assert all(splits[sample.patient] == sample.split for sample in again)
    if len(splits) > 2:
        assert set(splits.values()) == {"train", "val", "test"}
        assert list(splits.values()).count("train") >= len(splits) / 3


def test_stated_splits_are_kept_and_the_rest_is_split(tmp_path: Path) -> None:
    rows = [f"a.png,p{number},{'test' if number < 3 else ''}" for number in range(20)]
    samples = read_samples([table(tmp_path, *rows)])
    assert {s.patient for s in samples if s.split == "test"} > {"p0", "p1", "p2"}
    assert {s.split for s in samples} == {"train", "val", "test"}
    assert all(s.split == "test" for s in in_split(samples, "test"))


def test_a_patient_on_two_sides_is_refused_across_tables_too(tmp_path: Path) -> None:
    first = table(tmp_path / "one", "a.png,p,train")
    second = table(tmp_path / "two", "a.png,q,train", "a.png,p,test")
    with pytest.raises(SamplesError, match=r"two.samples\.csv line 3: patient p is in train and in test"):
        read_samples([first, second])


def test_an_empty_split_is_said_to_be_empty(tmp_path: Path) -> None:
    samples = read_samples([table(tmp_path, "a.png,p,train")])
    with pytest.raises(SamplesError, match=r"samples\.csv: split test is empty"):
        in_split(samples, "test")


@pytest.mark.parametrize(
    ("header", "row", "said"),
    [
        ("image,patient", "b.png,p", "line 2: b.png is not there"),
        ("image,patient", "a.png,", "line 2: patient: "),
        ("image,patient,mpp", "a.png,p,fast", "line 2: mpp: "),
        ("image,patient,mpp", "a.png,p,0", "line 2: mpp: "),
        ("image,patient,mpp", "a.png,p,nan", "line 2: mpp: "),
        ("image,patient,label", "a.png,p,ill", "line 2: label: "),
        ("image,patient,split", "a.png,p,exam", "line 2: split: "),
        ("image,patient,colour", "a.png,p,red", "line 2: colour: "),
        ("image,patient", "a.png,p,more", "line 2: "),
        ("image", "a.png", "line 2: patient: "),
    ],
)
def test_a_wrong_row_is_one_line_that_names_it(tmp_path: Path, header: str, row: str, said: str) -> None:
    with pytest.raises(SamplesError) as failure:
        read_samples([table(tmp_path, row, header=header)])
    assert said in str(failure.value)
    assert "\n" not in str(failure.value)


def test_tables_that_cannot_be_used_say_why(tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match="cannot be read"):
        read_samples([tmp_path / "nosuch.csv"])
    with pytest.raises(SamplesError, match="cannot be read"):
        read_samples([tmp_path])
    with pytest.raises(SamplesError, match="no samples in it"):
        read_samples([table(tmp_path)])
    (tmp_path / "latin.csv").write_bytes("image,patient\na.png,Müller\n".encode("latin-1"))
    with pytest.raises(SamplesError, match=r"give a samples\.csv in UTF-8"):
        read_samples([tmp_path / "latin.csv"])
