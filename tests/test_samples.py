"""Tables of annotated pictures: what is read from them, their splits, and what is said of wrong ones."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glomspike.errors import SamplesError
from glomspike.learn.samples import in_split, read_samples, skipped
from glomspike.modalities import MODALITIES


def table(folder: Path, *rows: str, header: str = "image,patient,split", name: str = "samples.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("a.png", "m.png", "a.xml", *(row.split(",")[0] for row in rows if row[:3] == "of-")):
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
    rows = [f"of-{patient}.png,{patient}" for patient in patients]
    splits = {s.patient: s.split for s in read_samples([table(tmp_path, *rows, header="image,patient")])}
    random.shuffle(rows)  # type: ignore[attr-defined]
    again = read_samples([table(tmp_path, *rows, header="image,patient")])
    assert all(splits[sample.patient] == sample.split for sample in again)
    if len(splits) > 2:
        assert set(splits.values()) == {"train", "val", "test"}
        assert list(splits.values()).count("train") >= len(splits) / 3


def test_stated_splits_are_kept_and_the_rest_is_split(tmp_path: Path) -> None:
    rows = [f"of-{number}.png,p{number},{'test' if number < 3 else ''}" for number in range(20)]
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
        ("image,patient", ",p", "line 2: patient p has no image here"),
        ("image,patient,modality", "a.png,p,xray", "line 2: has the unknown modality 'xray'"),
        ("image,patient,marker", "a.png,p,IgG", "line 2: has the unknown stain 'IgG'"),
        ("image,patient,modality,marker", "a.png,p,if,PAS", "line 2: has the unknown antibody 'PAS'"),
        ("image,patient,modality,marker", "a.png,p,tem,IgG", "line 2: has the marker 'IgG'"),
        ("image,patient,modality,mpp", "a.png,p,tem,10", "give µm/px, not nm/px: 0.01"),
        ("image,patient,modality,mpp", "a.png,p,if,0.01", "line 2: mpp: is 0.01, and fluorescence"),
        ("image,patient,modality,mpp", "a.png,p,tem,200", "correct it, or leave it empty"),
        ("image,patient,disease,stage", "a.png,p,MN,5", "line 2: stage: "),
        ("image,patient,disease,stage", "a.png,p,MN,II", "line 2: stage: "),
        ("image,patient,disease,stage", "a.png,p,IgAN,2", "has a stage, and the disease is IgAN"),
        ("image,patient,disease,stage", "a.png,p,,2", "has a stage, and the disease is not stated"),
        ("image,patient,modality,deposits", "a.png,p,tem,maybe", "line 2: deposits: "),
        ("image,patient,modality,deposits", "a.png,p,if,yes", "is no electron micrograph"),
        ("image,patient,modality,grade", "a.png,p,if,4", "line 2: grade: "),
        ("image,patient,modality,grade", "a.png,p,if,trace", "line 2: grade: "),
        ("image,patient,modality,grade", "a.png,p,if,++", "line 2: grade: "),
        ("image,patient,modality,grade", "a.png,p,tem,2", "is no fluorescence image"),
        ("image,patient,modality,site", "a.png,p,if,tubules", "line 2: site: "),
        ("image,patient,modality,site", "a.png,p,om,loops", "is no fluorescence image"),
        ("image,patient,modality,grade,site", "a.png,p,if,0,loops", "has the site loops, and grade 0"),
        ("image", "a.png", "line 2: patient: "),
    ],
)
def test_a_wrong_row_is_one_line_that_names_it(tmp_path: Path, header: str, row: str, said: str) -> None:
    with pytest.raises(SamplesError) as failure:
        read_samples([table(tmp_path, row, header=header)])
    assert said in str(failure.value)
    assert "\n" not in str(failure.value)


PATIENTS = "image,patient,modality,marker,mpp,disease,stage,split"


def test_disease_and_stage_are_the_patients_whichever_row_states_them(tmp_path: Path) -> None:
    rows = [
        "a.png,p,,Silver,,,,",
        "a.png,p,IF,igg,0.35,MN,2,train",
        "a.png,p,tem,,0.0051,,,",
        "of-q.png,q,tem,,,LN,,",
    ]
    samples = read_samples([table(tmp_path, *rows, header=PATIENTS)], MODALITIES)
    assert [(one.modality, one.marker) for one in samples[:3]] == [
        ("om", "silver"),
        ("if", "IgG"),
        ("tem", None),
    ]
    assert {(one.disease, one.stage, one.split) for one in samples[:3]} == {("MN", 2, "train")}
    assert (samples[3].disease, samples[3].stage) == ("LN", None)


def test_a_micrograph_shows_deposits_or_does_not_or_nobody_says(tmp_path: Path) -> None:
    rows = ["a.png,p,tem,Yes", "a.png,p,tem,no", "a.png,p,tem,"]
    samples = read_samples([table(tmp_path, *rows, header="image,patient,modality,deposits")], ("tem",))
    assert [one.deposits for one in samples] == [True, False, None]


def test_how_an_antibody_binds_is_stated_as_in_a_report_or_not_at_all(tmp_path: Path) -> None:
    rows = ["a.png,p,if,2+,Loops", "a.png,p,if,0,", "a.png,p,if,,mesangium and loops", "a.png,p,if,,"]
    samples = read_samples([table(tmp_path, *rows, header="image,patient,modality,grade,site")], ("if",))
    stated = [(2, "loops"), (0, None), (None, "mesangium and loops"), (None, None)]
    assert [(one.grade, one.site) for one in samples] == stated


def test_models_of_light_microscopy_skip_other_rows_and_say_so(tmp_path: Path) -> None:
    rows = ["a.png,p,,,,,,", "a.png,p,if,IgA,,,,", "gone.png,q,tem,,,,,", "of-r.png,r,tem,,,,,"]
    path = table(tmp_path, *rows, header=PATIENTS)
    assert [one.modality for one in read_samples([path])] == ["om"]
    assert skipped([path], ["om"]) == f"{path}: rows skipped: 1 of modality if and 2 of modality tem"
    assert skipped([path], MODALITIES) is None
    with pytest.raises(SamplesError, match=r"line 4: gone\.png is not there"):
        read_samples([path], MODALITIES)
    only_micrographs = table(tmp_path, *rows[2:], header=PATIENTS)
    with pytest.raises(SamplesError, match="has no row of modality om"):
        read_samples([only_micrographs])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["a.png,p,,,,MN,,", "a.png,p,if,,,LN,,"], "line 3: patient p is MN and LN"),
        (["a.png,p,,,,MN,1,", "a.png,p,if,,,,3,"], "line 3: patient p is 1 and 3"),
        (["a.png,p,,,,IgAN,,", "a.png,p,if,,,,3,"], "line 3: patient p has a stage"),
        (["a.png,p,,,,MN,,", "a.png,q,if,,,mn,,"], "line 3: disease 'mn' is 'MN' in another row"),
    ],
)
def test_rows_that_disagree_about_a_patient_are_refused(tmp_path: Path, rows: list[str], said: str) -> None:
    path = table(tmp_path, *rows, header=PATIENTS)
    for modalities in (("om",), MODALITIES):
        with pytest.raises(SamplesError) as failure:
            read_samples([path], modalities)
        assert said in str(failure.value)


def test_a_patients_split_is_the_same_whatever_modalities_are_read(tmp_path: Path) -> None:
    rows = [f"of-{number}.png,p{number // 2},{'tem' if number % 3 else 'om'},,,,," for number in range(40)]
    path = table(tmp_path, *rows, header=PATIENTS)
    every = {one.patient: one.split for one in read_samples([path], MODALITIES)}
    assert {one.patient: one.split for one in read_samples([path])}.items() <= every.items()


def test_tables_that_cannot_be_used_say_why(tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match="cannot be read"):
        read_samples([tmp_path / "nosuch.csv"])
    with pytest.raises(SamplesError, match="cannot be read"):
        read_samples([tmp_path])
    with pytest.raises(SamplesError, match="no samples in it"):
        read_samples([table(tmp_path)])
    (tmp_path / "latin.csv").write_bytes("image,patient\na.png,Müller\n".encode("latin-1"))
    with pytest.raises(SamplesError, match="save it as CSV in UTF-8"):
        read_samples([tmp_path / "latin.csv"])


@pytest.mark.parametrize(
    "text",
    [
        "image;mpp;patient;split\na.png;0,25;p;val\n",
        "image\tmpp\tpatient\tsplit\na.png\t0.25\tp\tval\n",
        'Image, MPP ,Patient,Split\n\na.png,"0,25",p,Val\n,,,\n',
        "sep=;\r\nimage;mpp;patient;split;;\r\na.png;0,25;p;val;;\r\n",
    ],
)
def test_tables_of_spreadsheets_of_any_country_are_read(tmp_path: Path, text: str) -> None:
    path = table(tmp_path)
    path.write_text(text, encoding="utf-8")
    (sample,) = read_samples([path])
    assert (sample.mpp, sample.patient, sample.split) == (0.25, "p", "val")


def test_the_line_that_is_named_is_that_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match=r"line 6: zz\.png is not there"):
        read_samples([table(tmp_path, "", '"a.png","p\nq"', "", "zz.png,p", header="image,patient")])


@pytest.mark.parametrize(
    ("first", "second"),
    [("M\u00fcller", "Mu\u0308ller"), ("0012", "12"), ("12.0", "12"), ("p\u200b", "p"), ("P 1", "p1")],
)
def test_a_patient_spelled_in_two_ways_is_not_taken_for_two(tmp_path: Path, first: str, second: str) -> None:
    with pytest.raises(SamplesError, match="spell each patient in one way"):
        read_samples([table(tmp_path, f"a.png,{first}", f"m.png,{second}", header="image,patient")])


def test_patients_whose_names_differ_in_other_figures_are_two(tmp_path: Path) -> None:
    rows = ["a.png,P-1", "m.png,P-01", "of-c.png,100", "of-d.png,1", "of-e.png,1.5"]
    assert len(read_samples([table(tmp_path, *rows, header="image,patient")])) == 5


def test_a_picture_of_two_patients_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match=r"gives a\.png to p and to q"):
        read_samples([table(tmp_path, "a.png,p", "./a.png,q", header="image,patient")])


def test_a_file_is_found_however_its_folders_and_accents_are_written(tmp_path: Path) -> None:
    path = table(tmp_path, "sub\\Mu\u0308ller.png,p", "M\u00fcller.png,p", header="image,patient")
    (tmp_path / "sub").mkdir()
    there = [tmp_path / "sub" / "M\u00fcller.png", tmp_path / "Mu\u0308ller.png"]
    for file in there:
        file.touch()
    assert [one.image for one in read_samples([path])] == there


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('image,patient\n"a.png,p\n' + "x" * 200_000, "cannot be read"),
        ("image,patient,image\na.png,p,b.png\n", "has the column image twice"),
        ("image,patient\na.png,p\0\n", "line 2: has a character of code 0"),
        (f"image,patient\n{'x' * 300}.png,p\n", "is not there"),
    ],
)
def test_damaged_tables_are_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = table(tmp_path)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SamplesError, match=said):
        read_samples([path])
