"""What the reports of a case say of its disease in words, never a name without what it rests on."""

from collections.abc import Iterator, Sequence

from glomspike.modalities import MODALITIES, NAMES, Modality
from glomspike.report.summary_rows import Fact
from glomspike.results.disease_record import DiseaseImage, DiseaseRecord, Opinion

RESEARCH = (
    "For research use only. These are probabilities among the diseases that the weights learnt, "
    "and a case may have another disease."
)

SEEN = 0.5  # probability of deposits in a micrograph's surest place, or of binding at a site
_AT = {"mesangium": "in the mesangium", "loops": "along loops"}


def disease_line(disease: DiseaseRecord) -> str:
    """The disease in a line of the command's output."""
    if disease.called is None or disease.fused.probabilities is None:
        return f"no disease: {disease.fused.reason}"
    stage = f", stage {disease.stage}" if disease.stage is not None else ""
    probability = disease.fused.probabilities[disease.called]
    return f"most like {disease.called}{stage} (probability {probability:.2f}, research use only)"


def disease_rows(disease: DiseaseRecord) -> Iterator[Fact]:
    """The disease as rows of a table: probabilities, margin, stage, what they rest on."""
    fused = disease.fused
    yield "Based on", modalities_words(fused.modalities) or "nothing"
    if fused.probabilities is None:
        yield "Probabilities", f"none: {fused.reason}"
    else:
        yield "Probabilities", probabilities_words(fused.probabilities)
        ranked = sorted(fused.probabilities, key=lambda name: -(fused.probabilities or {})[name])
        yield "Most like", f"{ranked[0]}, ahead of {ranked[1]} by {disease.margin:.2f}"
        yield "Reliability", reliability_words(fused)
    if disease.stage is not None and disease.stage_probabilities is not None:
        chances = ", ".join(f"{n} {p:.2f}" for n, p in enumerate(disease.stage_probabilities, start=1))
        yield "Stage, if it is MN", f"most like {disease.stage} ({chances})"
    yield "Weights", f"trained on {disease.trained_on}; {disease.limits}"


def opinion_rows(opinions: Sequence[Opinion]) -> list[Fact]:
    """What single modalities, or all but one, say."""
    return [(modalities_words(one.modalities), opinion_words(one)) for one in opinions]


def opinion_words(opinion: Opinion) -> str:
    """The probabilities of an opinion with the AUC that its card has, or why there are none."""
    if opinion.probabilities is None:
        return f"no probability: {opinion.reason}"
    return f"{probabilities_words(opinion.probabilities)} (AUC {opinion.auc:.2f})"


def probabilities_words(probabilities: dict[str, float]) -> str:
    """Diseases with their probabilities, the likeliest first."""
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {probability:.2f}" for name, probability in ranked)


def images_of(disease: DiseaseRecord, modality: Modality) -> list[DiseaseImage]:
    """The images of a modality, those first that count most; without weights as they come."""
    return sorted((i for i in disease.images if i.modality == modality), key=lambda i: -(i.weight or 0.0))


def image_words(image: DiseaseImage) -> list[str]:
    """What is said of an image: how much it counts, and what it seems to show."""
    return [*weight_words(image), *deposit_words(image), *binding_words(image)]


def weight_words(image: DiseaseImage) -> list[str]:
    """How much an image counts, or why it does not; [] where images are not weighed."""
    counts = [f"counts {100 * image.weight:.0f} %"] if image.weight is not None and image.kept else []
    return counts + ([f"dropped, distance {image.distance:.2f}"] if image.kept is False else [])


def deposit_words(image: DiseaseImage) -> list[str]:
    """The deposits that a micrograph seems to show; [] where nothing was learnt of places."""
    if image.deposits is None:
        return []
    seen = {place: chance for place, chance in image.deposits.items() if chance >= SEEN}
    return [f"deposits {probabilities_words(seen)}" if seen else "no deposits seen"]


def binding_words(image: DiseaseImage) -> list[str]:
    """How strongly and where an antibody seems to bind; [] where nothing was learnt of that."""
    if image.grades is None or image.sites is None:
        return []
    grade = max(range(len(image.grades)), key=image.grades.__getitem__)
    seen = f"grade {grade} ({image.grades[grade]:.2f})"
    if grade == 0:
        return [seen]
    return [seen, *(f"{_AT[site]} {p:.2f}" for site, p in image.sites.items() if p >= SEEN)]


def reliability_words(opinion: Opinion) -> str:
    """How good such probabilities were on the patients that the card names."""
    measured = f"AUC {opinion.auc:.3f} with these modalities on {opinion.patients} validation patients"
    return f"{measured} of the weights, who may differ from this patient"


def modalities_words(name: str) -> str:
    """Modalities in words, of `om+tem`: "light and electron microscopy"."""
    there: list[Modality] = [m for m in MODALITIES if m in name.split("+")]
    if not there:
        return ""
    *before, last = [NAMES[m] for m in there]
    return f"{', '.join(before)} and {last} microscopy" if before else f"{last} microscopy"
