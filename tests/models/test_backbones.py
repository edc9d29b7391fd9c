import json

import numpy as np
import open_clip
import pytest
import timm
import torch
import torchvision
import yaml
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from interestingness.errors import ConfigError, WeightsError
from interestingness.models.backbones import (
    OpenClipBackbone,
    SceneClipBackbone,
    TimmBackbone,
    TorchvisionBackbone,
    open_clip_config,
)
from interestingness.models.backbones.torchvision import _remove_classifier
from interestingness.models.hub import HubFile

TINY = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(TINY))
    return str(path)


@pytest.fixture
def clip():
    torch.manual_seed(3)
    return open_clip.model.CLIP(**TINY).eval()


@pytest.fixture
def images():
    return torch.randn(3, 3, 32, 32)


def clip_backbone(config, weights):
    return OpenClipBackbone(config, pretrained=None, weights=str(weights), licence="none")


def test_open_clip_features_are_encode_image_not_normalised(config, clip, images, tmp_path):
    save_file(clip.state_dict(), tmp_path / "clip.safetensors")
    backbone = clip_backbone(config, tmp_path / "clip.safetensors")
    expected = clip.encode_image(images, normalize=False)
    torch.testing.assert_close(backbone(images), expected)
    assert backbone.contract.normalised is False
    assert not torch.allclose(expected.norm(dim=1), torch.ones(3))


def test_the_text_tower_is_never_built(config):
    names = clip_backbone(config, "random").state_dict()
    assert not any("token_embedding" in name or "text" in name for name in names)


def test_every_form_of_an_open_clip_checkpoint_loads(config, clip, images, tmp_path):
    state = clip.state_dict()
    save_file(state, tmp_path / "whole.safetensors")
    torch.save({"epoch": 1, "state_dict": {f"module.{k}": v for k, v in state.items()}},
               tmp_path / "epoch_1.pt")  # fmt: skip
    torch.save(clip.visual.state_dict(), tmp_path / "tower.pt")
    (tmp_path / "folder").mkdir()
    save_file(state, tmp_path / "folder" / "open_clip_model.safetensors")
    features = [
        clip_backbone(config, tmp_path / name)(images)
        for name in ("whole.safetensors", "epoch_1.pt", "tower.pt", "folder")
    ]
    assert all(torch.equal(features[0], f) for f in features[1:])


def test_half_precision_files_are_computed_in_single(config, clip, images, tmp_path):
    save_file({k: v.half() for k, v in clip.state_dict().items()}, tmp_path / "h.safetensors")
    backbone = clip_backbone(config, tmp_path / "h.safetensors")
    assert {p.dtype for p in backbone.parameters()} == {torch.float32}
    torch.testing.assert_close(backbone(images), clip.encode_image(images), rtol=0.02, atol=0.02)


def test_another_activation_is_another_contract(config, tmp_path):
    other = tmp_path / "other" / "tiny.json"
    other.parent.mkdir()
    other.write_text(json.dumps({**TINY, "quick_gelu": False}))
    one, two = clip_backbone(config, "random"), clip_backbone(str(other), "random")
    assert one.contract.weights_sha256 == two.contract.weights_sha256
    assert one.fingerprint() != two.fingerprint()


def test_a_folder_s_config_brings_its_preprocessing(tmp_path):
    path = tmp_path / "open_clip_config.json"
    preprocess = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.2], "resize_mode": "squash"}
    path.write_text(json.dumps({"model_cfg": TINY, "preprocess_cfg": preprocess}))
    contract = clip_backbone(str(path), "random").contract
    assert contract.mean == (0.5, 0.4, 0.3)
    assert contract.resize == "squash"


@pytest.mark.parametrize(
    ("model", "preprocess", "match"),
    [
        ({**TINY, "quick_gelu": False}, {}, "quick_gelu=True here, False there"),
        (TINY, {"mean": [0.5, 0.5, 0.5]}, "mean"),
        (TINY, {}, None),
    ],
)
def test_the_config_beside_the_weights_is_believed(
    config, clip, tmp_path, model, preprocess, match
):
    folder = tmp_path / "published"
    folder.mkdir()
    save_file(clip.state_dict(), folder / "open_clip_model.safetensors")
    text = json.dumps({"model_cfg": model, "preprocess_cfg": preprocess})
    (folder / "open_clip_config.json").write_text(text)
    if match is None:
        clip_backbone(config, folder)
    else:
        with pytest.raises(WeightsError, match=match):
            clip_backbone(config, folder)
        # what the error advises
        assert clip_backbone(str(folder / "open_clip_config.json"), folder).dim == 24


def test_the_weights_of_another_network_are_refused(config, tmp_path):
    save_file({"conv1.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="tiny"):
        clip_backbone(config, tmp_path / "other.safetensors")


@pytest.mark.parametrize(
    ("architecture", "pretrained", "match"),
    [
        ("ViT-B-32", "openai", "quick_gelu=True(.|\n)*architecture=ViT-B-32-quickgelu"),
        ("ViT-B-32-quickgelu", "laion2b_s34b_b79k", "no weights(.|\n)*openai"),
        ("ViT-Z-1", None, "knows no architecture"),
        ("absent.json", None, "absent.json"),
    ],
)
def test_open_clip_names_that_do_not_go_together(architecture, pretrained, match):
    with pytest.raises(WeightsError, match=match):
        OpenClipBackbone(architecture, pretrained=pretrained, weights="random", licence="MIT")


def test_siglip_is_prepared_as_it_was_trained():
    # open_clip's default would be CLIP's mean, and a crop: only the tag knows better.
    _, preprocessing = open_clip_config.model_config("ViT-B-16-SigLIP", "webli")
    assert preprocessing["mean"] == (0.5, 0.5, 0.5)
    assert preprocessing["resize_mode"] == "squash"


def test_timm_checkpoints_load_at_another_size(tmp_path):
    torch.manual_seed(0)
    original = timm.create_model("test_vit", num_classes=10).eval()
    save_file(original.state_dict(), tmp_path / "vit.safetensors")
    weights = str(tmp_path / "vit.safetensors")
    same = TimmBackbone("test_vit.r160_in1k", weights=weights, image_size=None, licence="none")
    x = torch.randn(2, 3, 160, 160)
    expected = original.forward_head(original.forward_features(x), pre_logits=True)
    torch.testing.assert_close(same(x), expected)
    small = TimmBackbone("test_vit.r160_in1k", weights=weights, image_size=96, licence="none")
    assert small(torch.randn(2, 3, 96, 96)).shape == (2, small.dim)
    assert (small.contract.image_size, small.contract.resize_size) == (96, 101)
    assert small.fingerprint() != same.fingerprint()


@pytest.mark.parametrize("size", [-1, 0, 17, 1_000_000])
def test_timm_sees_no_image_of_such_a_size(size):
    with pytest.raises(ConfigError, match=f"model.backbone.image_size={size}"):
        TimmBackbone("test_vit.r160_in1k", weights="random", image_size=size, licence="none")


def test_timm_is_prepared_by_its_data_config():
    backbone = TimmBackbone(
        "test_efficientnet.r160_in1k", weights="random", image_size=None, licence="none"
    )
    data = timm.data.resolve_model_data_config(backbone.network)
    theirs = timm.data.create_transform(**data, is_training=False)
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    assert torch.equal(backbone.transform(picture), theirs(picture))
    with pytest.raises(WeightsError, match="timm"):
        TimmBackbone("vit_of_oz", weights="random", image_size=None, licence="none")


def test_torchvision_features_are_what_enters_the_classifier(shared_data):
    path = shared_data / "backbones" / "mobilenet_v2_torchvision_layout.pt"
    backbone = TorchvisionBackbone(
        "mobilenet_v2", pretrained="IMAGENET1K_V1", weights=str(path), licence="Apache-2.0"
    )
    whole = torchvision.models.mobilenet_v2()
    whole.load_state_dict(torch.load(path, weights_only=True))
    photograph = Image.open(sorted((shared_data / "oasis" / "images").glob("*.jpg"))[0])
    entry = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1
    images = entry.transforms()(photograph.convert("RGB"))[None]
    assert torch.equal(backbone.transform(photograph.convert("RGB"))[None], images)
    features = backbone(images)
    assert features.shape == (1, 1280)
    torch.testing.assert_close(whole.eval().classifier(features), whole(images))
    assert "licence as its owner says" in backbone.describe()


def test_torchvision_names_that_do_not_go_together():
    def build(architecture, pretrained):
        TorchvisionBackbone(architecture, pretrained=pretrained, weights="random", licence="none")

    with pytest.raises(WeightsError, match="torchvision"):
        build("mobilenet_v9", "IMAGENET1K_V1")
    with pytest.raises(WeightsError, match="IMAGENET1K_V7"):
        build("mobilenet_v2", "IMAGENET1K_V7")
    with pytest.raises(WeightsError):
        build("squeezenet1_1", "IMAGENET1K_V1")


def test_vgg16_gives_its_last_hidden_layer():
    with torch.device("meta"):
        network = torchvision.models.vgg16()
    assert _remove_classifier(network, "vgg16") == 4096
    assert isinstance(network.classifier[6], nn.Identity)


def test_the_scene_clip_is_for_scenes():
    backbone = SceneClipBackbone(weights="random")
    assert backbone.domain == "synthetic"
    assert backbone.contract.family == "scene_clip"


def test_the_embedded_weights_are_those_that_open_clip_loads():
    from interestingness.models.scene_clip import CONFIG, MODEL_NAME, WEIGHTS

    open_clip.add_model_config(CONFIG)
    theirs, _, prepare = open_clip.create_model_and_transforms(MODEL_NAME, pretrained=str(WEIGHTS))
    ours = SceneClipBackbone(weights="embedded")
    scene = Image.new("RGB", (64, 64), (30, 90, 200))
    scene.paste((240, 220, 20), (10, 20, 40, 50))
    images = prepare(scene)[None]
    assert torch.equal(ours.transform(scene)[None], images)
    torch.testing.assert_close(ours(images), theirs.eval().encode_image(images))
    assert "embedded in the package" in ours.describe()


def test_the_options_of_the_group_name_what_the_libraries_know(repository):
    files = sorted((repository / "conf" / "model" / "backbone").glob("*.yaml"))
    options = {f.stem: yaml.safe_load(f.read_text()) for f in files}
    made = {k: v for k, v in options.items() if v["_target_"]}
    assert made
    for option in made.values():
        name, kind = option.get("architecture"), option["_target_"].rsplit(".", 1)[-1]
        if kind == "OpenClipBackbone":
            open_clip_config.model_config(name, option["pretrained"])
            published = open_clip_config.published_by(name, option["pretrained"], "")
            assert isinstance(published, HubFile)
            assert published.name.endswith("/open_clip_model.safetensors")
        elif kind == "TimmBackbone":
            assert timm.get_pretrained_cfg(name).hf_hub_id
        elif kind == "TorchvisionBackbone":
            entries = torchvision.models.get_model_weights(name)
            assert option["pretrained"] in {entry.name for entry in entries}
        else:
            assert kind in {"SceneClipBackbone", "AttributesBackbone"}


def test_pooling_is_part_of_the_contract_and_weights_of_another_are_refused(tmp_path):
    given = {"image_size": None, "licence": "none"}
    name = "vit_pe_core_tiny_patch16_384.fb"  # pools by attention, with weights of its own
    own = TimmBackbone(name, weights="random", **given)
    assert own.contract.pooling == "" and "pooling" not in own.contract.as_dict()
    average = TimmBackbone(name, weights="random", global_pool="avg", **given)
    assert average.contract.pooling == "avg"
    assert "pooling: avg, not " in "".join(average.contract.differences(own.contract))
    save_file(own.network.state_dict(), tmp_path / "attention.safetensors")
    with pytest.raises(WeightsError, match="global_pool"):
        weights = str(tmp_path / "attention.safetensors")
        TimmBackbone(name, weights=weights, global_pool="avg", **given)
    with pytest.raises(ConfigError):
        TimmBackbone(name, weights="random", global_pool="median", **given)
