"""The disease of a case: what is said, what it rests on, and when nothing is said."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from patients import SMALL, fluorescence, glomerulus, micrograph
from pypdf import PdfReader
from test_cli import typed

from glomspike.cases.assemble import assemble
from glomspike.cases.disease import disease_of
from glomspike.cases.table import read_cases
from glomspike.cases.tables import cases_table
from glomspike.cases.write import write_case
from glomspike.disease.bags import Patient, by_modality
from glomspike.disease.heat import micrograph_heats
from glomspike.disease.infer import judge_case
from glomspike.disease.judge import encoded_patient
from glomspike.disease.model import DiseaseNetwork
from glomspike.disease.prepare import Instance, fluorescence_square, glomerulus_square, micrograph_square
from glomspike.disease.subsets import SUBSETS, subset_name
from glomspike.findings import SlideRow
from glomspike.learn.training import NORMALISATION
from glomspike.networks.models import Model, load_model
from glomspike.networks.weights import (
    CardDraft,
    ClassCalibration,
    Metric,
    TrainingData,
    save_weights,
)
from glomspike.report.disease_words import binding_words
from glomspike.results.adequacy import BANFF

CPU = torch.device("cpu")
DISEASES = ("IgAN", "LN", "MN")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights that call MN, measured on all subsets but electron microscopy alone."""
    torch.manual_seed(0)
    network = DiseaseNetwork(SMALL, len(DISEASES))
    network.fusion[3].bias.data = torch.tensor([0.0, 1.0, 3.0])
    measured = [subset_name(subset) for subset in SUBSETS if subset != ("tem",)]
    draft = CardDraft(
        kind="disease", name="random", version="1", architecture=SMALL.encoder,
        arguments=SMALL.arguments | {"spikes": True, "stages": True}, mpp=SMALL.mpps["om"], input_px=64,
        normalisation=NORMALISATION, classes=DISEASES, thresholds={},
        class_calibration=ClassCalibration(
            method="temperature", temperatures=dict.fromkeys(measured, 1.5), data="validation patients"
        ),
        training_data=(TrainingData(name="phantoms", licence="CC0-1.0", images=9),),
        metrics=tuple(
            Metric(name=f"auc {name}", value=0.9, data="validation patients", n=12) for name in measured
        ),
        intended_use="tests", limits="knows three diseases", licence="CC0-1.0",
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("weights")
    save_weights(network.state_dict(), draft, folder, "disease")
    return folder


@pytest.fixture(scope="module")
def model(weights: Path) -> Model:
    return load_model("disease", weights, CPU)


def instances(micrographs: int = 3) -> list[Instance]:
    rng = np.random.default_rng(0)
    outline = np.array([[20.0, 20], [60, 20], [60, 60], [20, 60]])
    found = [glomerulus_square("om", "silver", glomerulus(rng), outline, (40.0, 40.0), 64)]
    found += [fluorescence_square(m, m, fluorescence(m == "IgG", rng), 0.8, 64) for m in ("IgG", "IgA")]
    return found + [micrograph_square(f"em{n}", micrograph("MN", rng), 0.7, 96) for n in range(micrographs)]


def patient(*modalities: str, micrographs: int = 3) -> Patient:
    shown = [i for i in instances(micrographs) if i.modality in modalities]
    return Patient("case", by_modality(shown), evidence=np.full(6, 0.3, np.float32))


def test_a_case_is_judged_fused_by_each_modality_and_without_each(model: Model) -> None:
    judged = judge_case(model, patient("om", "if", "tem"))
    record = judged.record
    assert sum(record.fused.probabilities.values()) == pytest.approx(1, abs=1e-3)
    ranked = sorted(record.fused.probabilities.values())
    assert record.called == "MN"
    assert record.margin == pytest.approx(ranked[-1] - ranked[-2], abs=2e-4)
    assert [one.modalities for one in record.by_modality] == ["om", "if", "tem"]
    assert [one.modalities for one in record.without] == ["if+tem", "om+tem", "om+if"]
    assert (record.fused.auc, record.fused.patients) == (0.9, 12)
    weighed = [one for one in record.images if one.modality == "tem"]
    assert sum(one.weight for one in weighed) == pytest.approx(1, abs=1e-3)
    assert all(one.weight is None for one in record.images if one.modality != "tem")
    assert sum(record.stage_probabilities) == pytest.approx(1, abs=1e-3)
    assert judged.heats.shape == (3, 96, 96)
    assert 0 < judged.heats.max() <= 1


def test_a_micrograph_is_hot_at_the_deposits_that_speak_for_the_disease_and_not_at_others() -> None:
    class Planned(torch.nn.Module):
        """Subepithelial deposits at a place of the first micrograph, mesangial ones at one of the second."""

        def forward(self, maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            kinds = torch.zeros(1, 2, 5, 6, 6)
            kinds[:, :, 0] = 9.0
            kinds[0, 0, 1, 1, 4] = kinds[0, 1, 4, 4, 1] = 20.0
            return kinds + 0 * maps.sum(), torch.zeros(1, 2, 6, 6)

    network = DiseaseNetwork(SMALL, 2).eval()
    network.places = Planned()
    for part in (network.deposits, network.fusion[0], network.fusion[3]):
        torch.nn.init.zeros_(part.weight)
        torch.nn.init.zeros_(part.bias)
    network.deposits.bias.data[:] = 5.0
    network.deposits.weight.data[0] = torch.tensor([1.0, 0, 0, -1, 0, 0, 0, 0])  # for, against disease 1
    network.fusion[0].weight.data[0, 64], network.fusion[3].weight.data[1, 0] = 1.0, 1.0
    known = encoded_patient(network, patient("tem", micrographs=2))
    for_it, against_it = micrograph_heats(network, known, ("tem",), 1)
    rows, columns = np.nonzero(for_it > 0.5)
    assert for_it.max() > 0.9
    assert (rows.mean() / 16, columns.mean() / 16) == pytest.approx((1.5, 4.5), abs=0.2)
    assert against_it.max() < 0.1


def test_grades_and_sites_are_said_of_fluorescence_where_they_were_learnt(model: Model) -> None:
    unsaid = judge_case(model, patient("om", "if", "tem")).record.images
    assert all(one.grades is None and one.sites is None for one in unsaid)
    card = model.card.model_copy(update={"arguments": model.card.arguments | {"binding": True}})
    images = judge_case(Model(model.network, card, CPU), patient("om", "if", "tem")).record.images
    for one in images:
        assert (one.grades is None) == (one.sites is None) == (one.modality != "if")
        if one.grades is not None:
            assert sum(one.grades) == pytest.approx(1, abs=1e-3)
    stain = next(one for one in images if one.modality == "if")
    strong = stain.model_copy(
        update={"grades": (0.1, 0.1, 0.7, 0.1), "sites": {"mesangium": 0.2, "loops": 0.9}}
    )
    assert binding_words(strong) == ["grade 2 (0.70)", "along loops 0.90"]
    negative = strong.model_copy(update={"grades": (0.9, 0.1, 0.0, 0.0)})
    assert binding_words(negative) == ["grade 0 (0.90)"]


def test_a_stage_is_there_only_where_membranous_nephropathy_is_called(model: Model) -> None:
    network = DiseaseNetwork(SMALL, len(DISEASES)).eval()
    network.fusion[3].bias.data = torch.tensor([5.0, 0.0, 0.0])
    record = judge_case(Model(network, model.card, CPU), patient("om", "if")).record
    assert record.called == "IgAN"
    assert record.stage is None
    assert record.stage_probabilities is None


def test_modalities_that_were_never_measured_have_no_probability_but_the_reason(model: Model) -> None:
    record = judge_case(model, patient("tem")).record
    assert record.fused.probabilities is None
    assert record.called is record.margin is record.stage is None
    assert record.fused.reason == "these weights were never measured on electron microscopy alone"
    whole = judge_case(model, patient("om", "if", "tem")).record
    assert [one.probabilities is None for one in whole.by_modality] == [False, False, True]
    assert all(one.probabilities is None for one in whole.images if one.modality == "tem")


def test_what_is_missing_or_scarce_is_said(model: Model) -> None:
    said = judge_case(model, patient("om", "if")).record.warnings
    assert said == (
        "electron microscopy is missing: the disease was predicted from light and fluorescence microscopy",
    )
    single = judge_case(model, patient("om", "if", "tem", micrographs=1)).record.warnings
    assert single == ("a single electron micrograph: whether it is typical of the case cannot be seen",)


def written_case(folder: Path) -> Path:
    """A case without a slide: two fluorescence images, micrographs, one of them broken."""
    rng = np.random.default_rng(1)
    rows = [["case", "image", "modality", "marker", "mpp"]]
    for marker in ("IgG", "IgA"):
        cv2.imwrite(str(folder / f"{marker}.png"), fluorescence(marker == "IgG", rng)[..., ::-1])
        rows.append(["a", f"{marker}.png", "if", marker, "2.5"])
    for n in range(3):
        cv2.imwrite(str(folder / f"em{n}.png"), micrograph("MN", rng))
        rows.append(["a", f"em{n}.png", "tem", "", "0.02"])
    (folder / "em1.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with (folder / "cases.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder / "cases.csv"


def test_a_case_is_written_with_its_evidence_and_an_unreadable_image_costs_only_itself(
    model: Model, tmp_path: Path
) -> None:
    (case,) = read_cases(written_case(tmp_path), need_slides=False)
    disease = disease_of(case, {}, tmp_path, model)
    assert list(disease.failed) == ["em1.png"]
    record = assemble(case, {}, tmp_path, BANFF, {}, disease)
    write_case(tmp_path, case.folder, record, disease.pictures)
    place = tmp_path / "cases" / "a"
    written = json.loads((place / "case.json").read_text())
    assert [i["status"] for i in written["images"]] == ["done", "done", "done", "failed", "done"]
    assert written["disease"]["fused"]["modalities"] == "if+tem"
    named = {i["picture"] for i in written["disease"]["images"]}
    named |= {i["heat"] for i in written["disease"]["images"]} - {None}
    assert named <= written["files"].keys()
    assert all((place / name).is_file() for name in named)
    page = (place / "report.html").read_text()
    assert "For research use only" in page
    assert "Regions of this micrograph that support MN" in page
    assert "light microscopy is missing" in page
    assert "IgG, fluorescence microscopy: done" in page
    assert "None" not in page
    pdf = PdfReader(place / "report.pdf")
    said = " ".join(" ".join(one.extract_text() for one in pdf.pages).split())
    assert "Which of the trained diseases the images resemble most" in said
    assert "with the regions that support MN" in said
    assert "Electron micrographs by how much each counts" in said
    assert "None" not in said
    assert len(pdf.pages[0].images) == len(named)
    (row,) = csv.DictReader(cases_table([("cases/a", record)]).decode().splitlines())
    assert row["disease"] == "MN"
    assert float(row["p_MN"]) == written["disease"]["fused"]["probabilities"]["MN"]


def test_the_command_names_row_and_cause_of_an_unreadable_image_and_does_the_rest(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = written_case(tmp_path)
    arguments = ("cases", str(table), str(tmp_path / "out"), "--disease", str(weights), "--device", "cpu")
    status, out, err = typed(*arguments, capsys=capsys)
    assert status == 1
    assert "row 5: em1.png: " in err
    assert "most like MN" in out
    assert "research use only" in out
    assert (tmp_path / "out" / "cases" / "a" / "case.json").is_file()


def test_without_weights_no_disease_is_named_and_a_case_without_a_slide_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = typed("cases", str(written_case(tmp_path)), str(tmp_path / "out"), capsys=capsys)
    assert status == 1
    assert "has no slide" in err


def test_a_dropped_micrograph_is_grey_in_the_report(model: Model, tmp_path: Path) -> None:
    (case,) = read_cases(written_case(tmp_path), need_slides=False)
    disease = disease_of(case, {}, tmp_path, model)
    changes = {"kept": False, "weight": 0.0, "distance": 0.7}
    images = [
        one.model_copy(update=changes if one.image == "em0.png" else {}) for one in disease.record.images
    ]
    judged = disease.record.model_copy(update={"images": tuple(images)})
    changed = type(disease)(judged, disease.pictures, disease.failed)
    write_case(tmp_path, "a", assemble(case, {}, tmp_path, BANFF, {}, changed), disease.pictures)
    page = (tmp_path / "cases" / "a" / "report.html").read_text()
    assert '<figure class="dropped">' in page
    assert "em0.png; dropped, distance 0.70" in page


def test_glomeruli_of_slides_are_looked_at_as_in_training(model: Model, tmp_path: Path) -> None:
    from tests.case_results import slide_folder

    rng = np.random.default_rng(0)
    picture = rng.integers(200, 240, (178, 233, 3)).astype(np.uint8)
    large = cv2.resize(picture, None, fx=40, fy=40, interpolation=cv2.INTER_NEAREST)
    cv2.imwrite(str(tmp_path / "a.png"), large)
    row: SlideRow = slide_folder(tmp_path, "a", spiked=2)
    (tmp_path / "cases.csv").write_text("case,image,marker,mpp\nk,a.png,silver,0.25\n")
    (case,) = read_cases(tmp_path / "cases.csv")
    record = disease_of(case, {"a.png": row}, tmp_path, model).record
    assert record.fused.modalities == "om"
    assert len(record.images) == 6
    assert record.images[0].image == "a.png 3"  # the spiked one comes first
    assert record.evidence["highest probability"] == pytest.approx(0.9)
    assert record.evidence["share sclerosed"] == pytest.approx(1 / 6, abs=1e-3)
    assert all(one.probabilities is None for one in record.images)  # it is spikes that count, not pictures

    (tmp_path / "cases.csv").write_text("case,image,marker,mpp\nk,a.png,PAS,0.25\n")
    (case,) = read_cases(tmp_path / "cases.csv")
    unscored = disease_of(case, {"a.png": row}, tmp_path, model).record
    assert unscored.called is None
    assert any("no glomerulus in silver has a spike probability" in said for said in unscored.warnings)
