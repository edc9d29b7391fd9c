import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from interestingness.errors import ConfigError, DataError, WeightsError
from interestingness.models.backbone import Backbone, check_domain
from interestingness.models.contract import EmbeddingContract
from interestingness.models.fusion import FusionHead
from interestingness.models.heads import LayersHead, LinearHead, MLPHead, build_head
from interestingness.models.preprocessing import ResizeCropNormalise
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer, build_scorer

DIM = 12


class Flat(Backbone):
    """A linear map of 4 x 4 pixels."""

    def __init__(self, *, weights="w", dim=DIM, domain="photographs"):
        network = nn.Sequential(nn.Flatten(), nn.Linear(48, dim), nn.BatchNorm1d(dim))
        contract = EmbeddingContract("test", "flat", weights, dim, 4, "shortest", 4)
        super().__init__(network, contract, licence="none", origin="test", domain=domain)

    def forward(self, images):
        return self.network(images)


def scorer(head=None, *, backbone=None, scaling="none", dim=DIM):
    embedding = EmbeddingContract.of_cached("vectors.npz", "11", dim)
    return Scorer(
        backbone, FeatureScaler(scaling, dim), head or LinearHead(dim), embedding=embedding
    )


def mlp():
    return MLPHead(DIM, hidden=5, dropout=0.5)


@pytest.mark.parametrize("head", [LinearHead(DIM), mlp()])
def test_the_score_of_an_image_does_not_depend_on_the_others(head):
    nn.init.normal_(head.weights()[0])
    model, images = scorer(head, scaling="unit").eval(), torch.randn(33, DIM)
    scores, order = model(images), torch.randperm(33)[:20]
    assert scores.shape == (33,) and scores.std() > 0
    torch.testing.assert_close(model(images[order]), scores[order])


def test_the_linear_head_starts_at_indifference():
    scores = scorer()(torch.randn(3, DIM))
    assert torch.equal(scores, torch.zeros(3))
    assert [p.shape for p in scorer().head_weights()] == [(DIM,)]


@pytest.mark.parametrize(
    "head",
    [
        LinearHead(DIM),
        mlp(),
        LayersHead(DIM, hidden=[], activation="none"),
        FusionHead(DIM, widths={"a": 8, "b": 4}, hidden=3, dropout=0.0, reduce=True),
    ],
    ids=lambda head: head.kind,
)
def test_what_can_shift_scores_a_feature_of_zeros_as_it_likes(head):
    for parameter in head.parameters():
        nn.init.ones_(parameter)
    assert (head.eval()(torch.zeros(1, DIM)).item() != 0) == head.can_shift


def test_a_linear_head_that_shifts_starts_at_indifference_too():
    head = LinearHead(DIM).shiftable()
    assert head.can_shift and all((p == 0).all() for p in head.parameters())
    assert mlp().shiftable().can_shift


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        (MLPHead, {"hidden": 0, "dropout": 0.1}, r"model\.head\.hidden=0"),
        (MLPHead, {"hidden": 4, "dropout": 1}, r"model\.head\.dropout=1"),
        (MLPHead, {"hidden": 4, "dropout": -0.1}, r"model\.head\.dropout=-0\.1"),
        (LayersHead, {"hidden": [4, 0], "activation": "relu"}, r"model\.head\.hidden=\[4, 0\]"),
        (LayersHead, {"hidden": [], "activation": "tanh"}, r"model\.head\.activation=tanh"),
    ],
)
def test_layers_that_cannot_be(kind, options, said):
    with pytest.raises(ConfigError, match=said):
        kind(DIM, **options)


def test_the_mlp_is_regularised_by_weights_not_biases():
    assert [tuple(p.shape) for p in mlp().weights()] == [(5, DIM), (1, 5)]
    assert len(list(mlp().parameters())) == 3


def test_images_go_through_the_backbone_and_features_do_not():
    backbone = Flat()
    model = scorer(mlp(), backbone=backbone).eval()
    images = torch.randn(5, 3, 4, 4)
    assert torch.equal(model(images), model(backbone(images)))
    assert model.embedding == backbone.contract


def test_bytes_from_workers_score_as_the_floats_they_stand_for():
    seen = Flat()
    made = scorer(backbone=seen).eval()
    noise = np.random.default_rng(0).integers(0, 256, (3, 9, 7, 3), dtype=np.uint8)
    pictures = [Image.fromarray(pixels) for pixels in noise]
    handed = torch.stack([seen.transform.handed_on(picture) for picture in pictures])
    assert handed.dtype == torch.uint8
    floats = torch.stack([seen.transform(picture) for picture in pictures])
    torch.testing.assert_close(made(handed), made(floats), rtol=0, atol=0)


def test_a_transform_without_bytes_hands_on_floats():
    class Grey(ResizeCropNormalise):
        def pixels(self, image):
            return super().pixels(image).float().mean(dim=2, keepdim=True).repeat(1, 1, 3)

    backbone = Flat()
    grey, picture = Grey(backbone.contract), Image.new("RGB", (5, 5), (9, 9, 9))
    assert grey.handed_on(picture).dtype == torch.float32
    torch.testing.assert_close(grey.handed_on(picture), grey(picture))


def test_images_without_a_backbone_are_refused():
    with pytest.raises(WeightsError):
        scorer()(torch.randn(5, 3, 4, 4))


def test_features_of_another_width_are_refused():
    with pytest.raises(WeightsError, match="13"):
        scorer()(torch.randn(5, 13))
    with pytest.raises(WeightsError):
        scorer(LinearHead(7))


@pytest.mark.parametrize("head", [LinearHead(DIM), mlp()])
@pytest.mark.parametrize("backbone", [None, Flat()])
def test_rebuilt_from_plain_values(tmp_path, head, backbone):
    model = scorer(head, backbone=backbone, scaling="standardize").eval()
    features = torch.randn(9, DIM)
    model.scaler.fit(features.numpy())
    nn.init.normal_(head.weights()[-1])
    state = {k: v for k, v in model.state_dict().items() if k not in model.frozen_names()}
    assert not any("backbone" in k for k in state)
    torch.save({"spec": model.spec(), "state": state}, tmp_path / "c.pt")
    read = torch.load(tmp_path / "c.pt", weights_only=True)
    again = build_scorer(read["spec"]).eval()
    again.load_state_dict(read["state"])
    assert torch.equal(again(features), model(features))
    assert again.spec() == model.spec()


def test_frozen_names_follow_the_backbone():
    model = scorer(backbone=Flat())
    names = model.frozen_names("scorer.")
    assert names and all(n.startswith("scorer.backbone.network.") for n in names)
    assert {n.removeprefix("scorer.") for n in names} < set(model.state_dict())
    model.backbone.unfreeze()
    assert model.frozen_names() == []
    assert model.spec()["trainable_backbone"] is True


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (scorer(backbone=Flat(weights="v")), "weights_sha256: v, not w"),
        (scorer(), "architecture: vectors.npz, not flat"),
        (scorer(LinearHead(7), backbone=Flat(dim=7), dim=7), "dim: 7, not 12"),
        (scorer(mlp(), backbone=Flat()), "head"),
        (scorer(backbone=Flat(), scaling="unit"), "scaling: unit, not none"),
        (scorer(backbone=Flat().unfreeze()), "trainable_backbone"),
    ],
)
def test_another_scorer_s_checkpoint_is_refused(other, named):
    spec = scorer(backbone=Flat()).spec()
    scorer(backbone=Flat()).check_spec(spec)
    with pytest.raises(WeightsError, match=named):
        other.check_spec(spec)


def test_a_rebuilt_scorer_takes_only_its_own_backbone():
    spec = scorer(backbone=Flat()).spec()
    assert build_scorer(spec, Flat()).backbone is not None
    with pytest.raises(WeightsError, match="weights_sha256"):
        build_scorer(spec, Flat(weights="v"))
    with pytest.raises(WeightsError, match="version 99"):
        build_scorer({**spec, "version": 99})


def test_an_unknown_head_is_refused():
    with pytest.raises(WeightsError, match="linear, mlp"):
        build_head({"kind": "quantum", "dim": 3})


def test_scene_weights_are_refused_on_photographs():
    scenes, photographs = Flat(domain="synthetic"), Flat(domain="photographs")
    with pytest.raises(WeightsError):
        check_domain(scenes, "photographs")
    assert check_domain(scenes, "synthetic") is None
    assert check_domain(photographs, "photographs") is None
    assert "photographs" in check_domain(photographs, "synthetic")


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    values = rng.normal(3.0, 5.0, (200, DIM)).astype(np.float32)
    values[:, 4] = 0.1  # a dimension that never changes
    return values


def test_standardise_by_training_images(features):
    scaler = FeatureScaler("standardize", DIM).fit(features)
    scaled = scaler.scaled(features)
    changing = np.arange(DIM) != 4
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled[:, changing].std(0), 1, rtol=1e-5)
    assert np.isfinite(scaled).all()
    by_torch = scaler(torch.from_numpy(features)).numpy()
    np.testing.assert_array_equal(scaled, by_torch)


def test_unit_and_none(features):
    unit = FeatureScaler("unit", DIM).fit(features).scaled(features)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(FeatureScaler("none", DIM).scaled(features), features)
    zero = FeatureScaler("unit", DIM).scaled(np.zeros((1, DIM), dtype=np.float32))
    assert np.isfinite(zero).all()


def test_read_only_features_are_scaled(features):
    features.setflags(write=False)
    assert FeatureScaler("none", DIM).scaled(features).flags.writeable


def test_scaling_asks_for_no_gradient(features):
    scaler = FeatureScaler("standardize", DIM).fit(features)
    assert not list(scaler.parameters())
    assert set(scaler.state_dict()) == {"mean", "std"}


def test_bad_scaling():
    with pytest.raises(ConfigError, match="scaling=median"):
        FeatureScaler("median", DIM)
    with pytest.raises(DataError):
        FeatureScaler("standardize", DIM).fit(np.empty((0, DIM)))
    with pytest.raises(DataError, match="NaN"):
        FeatureScaler("standardize", DIM).fit(np.full((2, DIM), np.nan))
