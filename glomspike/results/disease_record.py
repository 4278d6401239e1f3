"""What a disease model says of a case, as `case.json` has it: never a name without what it rests on."""

from pydantic import BaseModel, ConfigDict

PICTURES = "disease"  # the folder of a case's pictures of micrographs and fluorescence


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Opinion(_Strict):
    """The probability of each disease, judged on some modalities (`om+if+tem`).

    `probabilities` are None where nothing is said, and `reason` then says why. `auc` is that of the card for
    these modalities, measured on `patients` patients.
    """

    modalities: str
    probabilities: dict[str, float] | None
    reason: str = ""
    auc: float | None = None
    patients: int | None = None


class DiseaseImage(_Strict):
    """One image that was judged; a light micrograph for each of its glomeruli.

    Of electron micrographs `weight` says how much it counted, `kept` whether it did, `distance` how far what
    it shows is from the most central one; `deposits` are how probable it is that it shows some at each place,
    where masks taught that. Of fluorescence `grades` are the probabilities of grades 0 to 3, `sites` those of
    where the antibody binds, if it does. `probabilities` are those by this image alone. `picture` and `heat`
    are files in the case's folder: the image as the network sees it, and where it speaks for the disease.
    """

    image: str
    modality: str
    marker: str
    weight: float | None = None
    kept: bool | None = None
    distance: float | None = None
    deposits: dict[str, float] | None = None
    grades: tuple[float, ...] | None = None
    sites: dict[str, float] | None = None
    probabilities: dict[str, float] | None = None
    picture: str | None = None
    heat: str | None = None


class DiseaseRecord(_Strict):
    """The disease a case is most like, among those that the model learnt.

    `called` is that of the highest fused probability, `margin` how far the second is behind; both are None
    where `fused` has no probabilities. `stage` and `stage_probabilities`, of stages 1 to 4, are there only
    where membranous nephropathy is called. `by_modality` are opinions on one modality each, `without` those
    on all but one. `evidence` is what the main job says of spikes, where the model takes it. `trained_on`
    names the model's data, `limits` and `warnings` say what to bear in mind.
    """

    fused: Opinion
    called: str | None
    margin: float | None
    stage: int | None
    stage_probabilities: tuple[float, ...] | None
    by_modality: tuple[Opinion, ...]
    without: tuple[Opinion, ...]
    images: tuple[DiseaseImage, ...]
    evidence: dict[str, float] | None
    trained_on: str
    limits: str
    warnings: tuple[str, ...]
