"""The disease network on arrays: bags, attention across modalities, missing modalities, stages."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glomspike.disease.batch import only
from glomspike.disease.cmsa import CrossModalAttention
from glomspike.disease.encoder import SharedEncoder, map_side
from glomspike.disease.form import Form
from glomspike.disease.model import Answer, DiseaseNetwork
from glomspike.disease.smil import AGGREGATES, Aggregation, distances, medoid_weighing, public_weighing
from glomspike.disease.staging import OrdinalHead, stage_loss, stage_probabilities, stage_weights
from glomspike.disease.subsets import SUBSETS
from glomspike.disease.train import deposit_loss, disease_loss
from glomspike.metrics.calibration import temperature
from glomspike.metrics.ordinal import ordinal_statistics

SUMMING_TO_1 = ("mean", "medoid", "gated-attention", "place-attention", "counts")
ALIKE = torch.ones(4)  # patients of every stage count alike
SMALL = Form(sides_px={"om": 64, "if": 64, "tem": 96})


def maps(n: int, seed: int = 0, bags: int = 1) -> torch.Tensor:
    """Random maps (bags, n, 8, 3, 3) as a ReLU leaves them."""
    return torch.randn(bags, n, 8, 3, 3, generator=torch.Generator().manual_seed(seed)).relu()


def there(*counts: int) -> torch.Tensor:
    length = max(counts)
    return torch.arange(length)[None] < torch.tensor(counts)[:, None]


def aggregation(aggregate: str, keep: float = 1.5) -> Aggregation:
    torch.manual_seed(1)
    return Aggregation(aggregate, 8, keep).requires_grad_(requires_grad=False).eval()


@pytest.mark.parametrize("aggregate", SUMMING_TO_1)
@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 10), seed=st.integers(0, 99))
def test_weights_sum_to_1_and_follow_a_permutation_of_the_bag(aggregate: str, n: int, seed: int) -> None:
    bag, order = maps(n, seed), np.random.default_rng(seed).permutation(n)
    pooled, weighing = aggregation(aggregate)(bag, there(n))
    assert weighing.weights.sum() == pytest.approx(1, abs=1e-5)
    again, turned = aggregation(aggregate)(bag[:, order], there(n))
    assert torch.allclose(turned.weights, weighing.weights[:, order], atol=1e-6)
    assert torch.equal(turned.kept, weighing.kept[:, order])
    assert torch.allclose(again, pooled, atol=1e-5)


@pytest.mark.parametrize("aggregate", [*SUMMING_TO_1, "sum", "public"])
@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_a_patient_alone_is_the_same_as_in_a_batch_whatever_the_size_of_the_bag(
    aggregate: str, n: int
) -> None:
    own, others = maps(n), maps(10, seed=5)
    pooled, weighing = aggregation(aggregate)(own, there(n))
    filled = torch.cat([own, maps(10 - n, seed=9)], dim=1) if n < 10 else own
    together, beside = aggregation(aggregate)(torch.cat([others, filled]), there(10, n))
    assert torch.isfinite(pooled).all()
    assert torch.allclose(together[1], pooled[0], atol=1e-5)
    assert torch.allclose(beside.weights[1, :n], weighing.weights[0], atol=1e-6)
    assert not beside.weights[1, n:].any()


@pytest.mark.parametrize("n", [1, 2])
def test_bags_of_one_or_two_are_weighed_alike_by_the_medoid_rule(n: int) -> None:
    _, weighing = aggregation("medoid")(maps(n), there(n))
    assert torch.allclose(weighing.weights, torch.full((1, n), 1 / n))
    assert weighing.kept.all()


@pytest.mark.parametrize("aggregate", [*SUMMING_TO_1, "public"])
def test_equal_images_are_weighed_without_a_nan(aggregate: str) -> None:
    bag = maps(1).repeat(1, 4, 1, 1, 1)
    pooled, weighing = aggregation(aggregate)(bag, there(4))
    assert torch.isfinite(weighing.weights).all()
    assert torch.isfinite(pooled).all()
    if aggregate != "public":
        assert torch.allclose(weighing.weights, torch.full((1, 4), 0.25))


def test_two_copies_of_one_file_do_not_disturb_the_others() -> None:
    bag = maps(4)
    bag[:, 1] = bag[:, 0]
    _, weighing = aggregation("medoid")(bag, there(4))
    assert torch.isfinite(weighing.weights).all()
    assert weighing.weights[0, 0] == pytest.approx(float(weighing.weights[0, 1]))


def test_an_outlier_before_the_medoid_is_dropped_and_the_medoid_keeps_its_weight() -> None:
    directions = torch.tensor([[0.0, 0, 1], [1, 0, 0], [1, 0.2, 0], [1, -0.2, 0]])
    weighing = medoid_weighing(directions[None], there(4), keep=1.5)
    assert weighing.kept.tolist() == [[False, True, True, True]]
    assert weighing.weights[0].argmax() == 1
    moved = medoid_weighing(directions[None, [1, 2, 3, 0]], there(4), keep=1.5)
    assert torch.allclose(moved.weights[0], weighing.weights[0, [1, 2, 3, 0]])


def test_distances_are_of_what_is_seen_and_not_of_where() -> None:
    bag = maps(3)
    bag[:, 1] = bag[:, 0].flip(3)
    pooled = bag.mean(dim=(3, 4))
    assert distances(pooled)[0, 0, 1] == pytest.approx(0, abs=1e-3)
    assert torch.equal(
        distances(3 * pooled)[0, 0].round(decimals=4), distances(pooled)[0, 0].round(decimals=4)
    )


@pytest.mark.parametrize("aggregate", ["mean", "gated-attention", "place-attention"])
def test_a_bag_twice_is_the_same_patient(aggregate: str) -> None:
    bag = maps(4)
    pooled, _ = aggregation(aggregate)(bag, there(4))
    doubled, _ = aggregation(aggregate)(torch.cat([bag, bag], dim=1), there(8))
    assert torch.allclose(doubled, pooled, atol=1e-6)


def test_a_finding_in_one_place_of_one_image_is_not_diluted() -> None:
    bag = maps(5)
    bag[:, :, 0] = 0
    bag[0, 3, 0, 1, 2] = 9.0

    class Looking(torch.nn.Module):
        """Attention that has learnt to look for channel 0."""

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return 3 * features[..., 0]

    by_place, by_image = aggregation("place-attention"), aggregation("gated-attention")
    by_place.attention = by_image.attention = Looking()
    pooled, weighing = by_place(bag, there(5))
    assert weighing.weights[0, 3] > 0.99
    assert torch.allclose(pooled.mean(dim=(2, 3))[0], bag[0, 3, :, 1, 2], atol=1e-3)
    assert weighing.showing.argmax() == 3
    diluted, _ = by_image(bag, there(5))
    assert diluted.mean(dim=(2, 3))[0, 0] <= 1


def test_a_sum_grows_with_the_bag_and_the_public_rule_leaves_the_farthest_image_out() -> None:
    bag = maps(4)
    once, _ = aggregation("sum")(bag, there(4))
    twice, _ = aggregation("sum")(torch.cat([bag, bag], dim=1), there(8))
    assert torch.allclose(twice, 2 * once, atol=1e-5)
    weights = public_weighing(bag, there(4), keep=9.0).weights[0]
    assert min(weights.tolist()) == 0
    assert sorted(weights.tolist())[-2:] == [1, 1]


def test_permuting_keys_changes_nothing_and_permuting_queries_permutes_what_is_found() -> None:
    torch.manual_seed(0)
    attention = CrossModalAttention(16).eval()
    encoded_patient, asking, order = torch.randn(2, 9, 16), torch.randn(2, 25, 16), torch.randperm(9)
    found = attention.found(encoded_patient, asking)
    assert torch.allclose(attention.found(encoded_patient[:, order], asking), found, atol=1e-5)
    turned = torch.randperm(25)
    assert torch.allclose(attention.found(encoded_patient, asking[:, turned]), found[:, turned], atol=1e-5)


def batch(
    patients: int = 2, seed: int = 0, counts: tuple[int, int, int] = (2, 3, 4)
) -> dict[str, torch.Tensor]:
    """Patients with noise for images."""
    generator = torch.Generator().manual_seed(seed)
    made: dict[str, torch.Tensor] = {}
    for modality, count in zip(("om", "if", "tem"), counts, strict=True):
        side = SMALL.sides_px[modality]
        shape = (patients, count, side, side, 3)
        made[modality] = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        made[f"{modality}_present"] = torch.ones(patients, count, dtype=torch.bool)
        made[f"{modality}_marker"] = torch.zeros(patients, count, dtype=torch.long)
        made[f"{modality}_number"] = torch.zeros(patients, count)
    made["evidence"] = torch.rand(patients, 6, generator=generator)
    made["scored"] = torch.ones(patients, dtype=torch.bool)
    said = torch.arange(patients * counts[1] * 3) % 3 - 1
    made["if_binding"] = said.view(patients, counts[1], 3)
    made["tem_deposits"] = torch.arange(patients * counts[2]).view(patients, -1) % 3 - 1
    rows = map_side(SMALL.encoder, "tem", SMALL.sides_px["tem"])
    cells = torch.arange(patients * counts[2] * rows * rows) % 7 - 1
    made["tem_places"] = cells.to(torch.int8).view(patients, -1, rows, rows)
    made["disease"] = torch.arange(patients) % 3
    made["stage"] = torch.arange(patients) % 5
    return made


def network(**changes: object) -> DiseaseNetwork:
    torch.manual_seed(0)
    return DiseaseNetwork(Form(sides_px=SMALL.sides_px, **changes), diseases=3)


@pytest.fixture(scope="module")
def usual() -> DiseaseNetwork:
    return network().eval()


@pytest.mark.parametrize("subset", SUBSETS)
def test_every_subset_of_modalities_is_answered_without_a_look_at_the_others(
    usual: DiseaseNetwork, subset: tuple[str, ...]
) -> None:
    first, second = batch(seed=0), batch(seed=1)
    for name in first:
        if name.split("_")[0] in subset or (name in {"evidence", "scored"} and "om" in subset):
            second[name] = first[name]
    with torch.inference_mode():
        answers = [Answer(*usual(only(one, subset))) for one in (first, second)]
    assert torch.isfinite(answers[0].fused).all()
    assert torch.allclose(answers[0].fused, answers[1].fused, atol=1e-5)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_an_answer_on_a_subset_needs_no_other_look_at_the_images(aggregate: str) -> None:
    asked, shown = network(aggregate=aggregate).eval(), batch()
    with torch.inference_mode():
        seen = asked.see(shown)
        for subset in SUBSETS:
            again, once = Answer(*asked(only(shown, subset))), asked.answer(only(shown, subset), seen)
            for one in ("fused", "branches", "stage", "deposits"):
                assert torch.allclose(getattr(again, one), getattr(once, one), atol=1e-5), (subset, one)
            assert torch.allclose(again.weighing.weights, once.weighing.weights, atol=1e-6)


def test_a_patient_without_micrographs_beside_one_with_is_the_same_as_alone(usual: DiseaseNetwork) -> None:
    both = batch()
    both["tem_present"] = torch.tensor([[True] * 4, [False] * 4])
    alone = {name: tensor[1:] for name, tensor in both.items()}
    with torch.inference_mode():
        together, single = Answer(*usual(both)), Answer(*usual(alone))
    assert torch.allclose(together.fused[1], single.fused[0], atol=1e-4)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"aggregate": "place-attention"},
        {"aggregate": "place-attention", "cmsa": "public"},
        {"aggregate": "place-attention", "cmsa": "off"},
        {"aggregate": "medoid"},
        {"aggregate": "gated-attention"},
    ],
)
def test_gradients_reach_every_branch_and_the_shared_encoder(form: dict[str, object]) -> None:
    learner = network(**form).train()
    learner.encoder.eval()
    shown = batch()
    disease_loss(Answer(*learner(shown)), shown, (0.3, 0.5, 0.2), ALIKE).backward()
    for name, parameter in learner.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    for part in (*learner.seen.values(), *learner.branch.values(), learner.encoder.body):
        assert any(parameter.grad.abs().sum() > 0 for parameter in part.parameters())


def test_branches_are_plain_logits_unless_the_public_form_is_asked_for() -> None:
    shown = batch(patients=4)
    with torch.inference_mode():
        assert (Answer(*network().eval()(shown)).branches < 0).any()
        assert (Answer(*network(branch_relu=True).eval()(shown)).branches >= 0).all()


def test_a_branch_without_images_has_no_loss_and_the_others_count_for_it(usual: DiseaseNetwork) -> None:
    shown = only(batch(), ("om", "tem"))
    with torch.inference_mode():
        answer = Answer(*usual(shown))
    changed = answer.branches.clone()
    changed[:, 1] = torch.tensor([50.0, -50, 0])
    weights = (0.3, 0.5, 0.2)
    first = disease_loss(answer, shown, weights, ALIKE)
    again = disease_loss(answer._replace(branches=changed), shown, weights, ALIKE)
    assert again == pytest.approx(float(first))
    only_two = disease_loss(answer, shown, (0.6, 0.0, 0.4), ALIKE)
    assert only_two == pytest.approx(float(first), rel=1e-5)


def test_modalities_share_convolutions_but_no_normalisation() -> None:
    encoder = SharedEncoder("resnet18-short").train()
    before = encoder.body.bn1.norms["tem"].running_mean.clone()
    encoder(torch.randn(2, 3, 64, 64), "om")
    assert torch.equal(encoder.body.bn1.norms["tem"].running_mean, before)
    assert not torch.equal(encoder.body.bn1.norms["om"].running_mean, before)
    assert encoder.body.conv1.weight.numel() == 64 * 3 * 49


def test_an_encoder_begins_with_weights_of_a_network_without_modalities() -> None:
    from torchvision.models import resnet18

    from glomspike.errors import WeightsError

    plain = {f"encoder.{name}": tensor for name, tensor in resnet18(weights=None).state_dict().items()}
    plain["encoder.bn1.running_mean"] = torch.full((64,), 0.5)
    encoder = SharedEncoder("resnet18-short")
    encoder.begin_with(plain)
    assert torch.equal(encoder.body.conv1.weight, plain["encoder.conv1.weight"])
    for norm in encoder.body.bn1.norms.values():
        assert torch.equal(norm.running_mean, torch.full((64,), 0.5))
    with pytest.raises(WeightsError, match="give the --encoder that they have"):
        SharedEncoder("resnet50").begin_with(plain)


def test_an_encoder_begins_with_that_of_a_disease_network_and_the_norms_of_each_modality() -> None:
    trained = DiseaseNetwork(Form(), 2)
    trained.encoder.body.bn1.norms["tem"].weight.data.fill_(0.3)
    encoder = SharedEncoder("resnet18-short")
    encoder.begin_with({name: t for name, t in trained.state_dict().items() if name.startswith("encoder.")})
    for name, tensor in trained.encoder.state_dict().items():
        assert torch.equal(encoder.state_dict()[name], tensor), name


def test_maps_of_micrographs_keep_what_is_smaller_than_a_place() -> None:
    encoder = SharedEncoder("resnet18-short").eval()
    micrograph = torch.zeros(1, 3, 96, 96)
    dotted = micrograph.clone()
    dotted[:, :, 40:43, 56:59] = -2.0
    with torch.inference_mode():
        before, after = encoder(micrograph, "tem"), encoder(dotted, "tem")
    assert before.shape == (1, encoder.width("tem"), 6, 6)
    assert encoder.width("tem") == 64 + 128 + 256
    assert encoder(micrograph, "om").shape == (1, encoder.width("om"), 3, 3)
    changed = (after - before)[0, :64].abs().amax(dim=0)  # of the finest stage
    assert divmod(int(changed.argmax()), 6) == (2, 3)


def test_thresholds_of_stages_rise_and_probabilities_sum_to_1() -> None:
    head = OrdinalHead(5)
    head.steps.data = torch.tensor([-30.0, 4.0])
    logits = head(torch.randn(20, 5) * 9, torch.randn(20))
    assert (logits.diff(dim=1) <= 0).all()
    chances = stage_probabilities(logits)
    assert (chances >= 0).all()
    assert torch.allclose(chances.sum(dim=1), torch.ones(20), atol=1e-5)


def test_an_unknown_stage_is_not_learnt_from() -> None:
    logits = torch.randn(3, 3, requires_grad=True)
    stage_loss(logits, torch.tensor([0, 2, 0]), ALIKE).backward()
    assert logits.grad[1].abs().sum() > 0
    assert not logits.grad[[0, 2]].any()
    assert stage_loss(logits, torch.zeros(3, dtype=torch.long), ALIKE) == 0


def test_a_threshold_between_stages_does_not_move_towards_the_rarer_one() -> None:
    lateness = torch.cat([torch.linspace(-1, 1, 30), torch.linspace(0, 2, 5)])
    stages = torch.tensor([3] * 30 + [4] * 5)
    assert stage_weights([None, 3, 3, 4]).tolist() == pytest.approx([1, 1, 0.75, 1.5])

    def recall(weights: torch.Tensor) -> float:
        head = OrdinalHead(1).requires_grad_(requires_grad=True)
        rule = torch.optim.Adam(head.parameters(), lr=0.05)
        for _ in range(400):
            rule.zero_grad()
            stage_loss(head(torch.zeros(35, 1), lateness), stages, weights).backward()
            rule.step()
        named = stage_probabilities(head(torch.zeros(35, 1), lateness)).argmax(dim=1) + 1
        return float((named[30:] == 4).float().mean())

    assert recall(stage_weights(stages.tolist())) > recall(ALIKE)


def test_an_answer_that_rests_on_counts_hears_of_images_only_what_is_counted_in_them(
    usual: DiseaseNetwork,
) -> None:
    shown = batch()
    silver = {name: tensor for name, tensor in shown.items() if name != "om"}
    with torch.inference_mode():
        assert torch.equal(Answer(*usual(silver)).fused, Answer(*usual(shown)).fused)
    counts = [usual.deposits.in_features, usual.by_marker.in_features, usual.evidence.in_features]
    assert sum(counts) == 4 * 2 + 9 * 4 + 6
    assert usual.fusion[0].in_features == usual.stage.direction.in_features == 96
    assert network(aggregate="place-attention").fusion[0].in_features == 96 + 3 * 256


def test_deposits_are_learnt_from_where_they_are_known() -> None:
    showing = torch.randn(2, 3, requires_grad=True)
    deposit_loss(showing, torch.tensor([[1, 0, -1], [-1, -1, -1]])).backward()
    assert showing.grad[0, 0] < 0 < showing.grad[0, 1]
    assert not showing.grad[0, 2]
    assert not showing.grad[1].any()
    assert deposit_loss(showing, torch.full((2, 3), -1)) == 0


@pytest.mark.parametrize("aggregate", ["gated-attention", "place-attention"])
def test_weights_come_to_find_the_micrographs_that_show_deposits(aggregate: str) -> None:
    torch.manual_seed(0)
    pooling = Aggregation(aggregate, 8, 1.5)
    rule = torch.optim.Adam(pooling.parameters(), lr=0.02)
    bag = torch.randn(12, 4, 8, 5, 5).abs()
    deposits = torch.rand(12, 4) < 0.4
    bag[:, :, 0, 2, 2] = torch.where(deposits, 4.0, 0.0)
    for _ in range(60):
        rule.zero_grad()
        _, weighing = pooling(bag, torch.ones(12, 4, dtype=torch.bool))
        deposit_loss(weighing.showing, deposits.long()).backward()
        rule.step()
    found = weighing.weights.detach()
    some = deposits.any(dim=1) & ~deposits.all(dim=1)
    of_those = (found * deposits).sum(dim=1)[some].mean()
    assert of_those > (0.9 if aggregate == "place-attention" else 0.4)


def test_a_temperature_brings_overconfident_logits_back() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (4000, 3))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(3, p=row) for row in chances])
    assert temperature(4 * logits, truth) == pytest.approx(4, rel=0.1)
    sure = np.eye(3)[truth[:30]] * 5
    assert 0.1 < temperature(sure, truth[:30]) < 5


def test_a_near_miss_of_a_stage_costs_less_than_a_far_one() -> None:
    truth = np.array([1, 2, 3, 4])
    near, far = np.array([1, 2, 3, 3]), np.array([1, 2, 3, 1])
    assert ordinal_statistics(truth, truth)["quadratic_kappa"] == pytest.approx(1)
    assert (
        ordinal_statistics(near, truth)["quadratic_kappa"] > ordinal_statistics(far, truth)["quadratic_kappa"]
    )
    assert ordinal_statistics(far, truth)["macro_recall"] == pytest.approx(0.75)
    assert ordinal_statistics(far, truth)["mean_absolute_error"] == pytest.approx(0.75)


def test_each_stage_can_be_the_likeliest_from_the_beginning() -> None:
    head = OrdinalHead(1)
    chances = stage_probabilities(head(torch.zeros(200, 1), torch.linspace(-8, 8, 200)))
    assert chances.argmax(dim=1).unique().tolist() == [0, 1, 2, 3]
    assert chances.amax(dim=0).min() > 0.6
