"""Fine-tuning from the command's config to a judged checkpoint, on a small random network."""

import json
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from interestingness.assembly.errors import is_out_of_memory, out_of_memory
from interestingness.assembly.run import evaluate
from interestingness.assembly.scorers import make_scorer
from interestingness.errors import ConfigError, DataError, WeightsError

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec.*",  # Lightning 2.6 with torch 2.15 (2026-11)
    "ignore:.*GPU available.*",
)
FINE = ["model=finetuned_clip", "data.workers=0", "optimizer.lr=0.01", "model.groups.backbone_lr=1"]


def _checkpoint(run: Path) -> dict:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def _human(run: Path) -> dict:
    rows = json.loads((run / "metrics.json").read_text())["test"]["references"]
    return next(row for row in rows if row["name"] == "human")


@pytest.mark.parametrize("tuning", ["full", "last_blocks", "lora"])
def test_a_checkpoint_holds_what_changed_and_judges_as_its_run_did(
    trained, composed, tmp_path: Path, tuning: str
) -> None:
    run = trained(*FINE, f"model/tuning={tuning}")
    names = set(_checkpoint(run)["state_dict"])
    assert "scorer.head.weight" in names
    assert any("resblocks.3" in name for name in names)
    assert ("scorer.backbone.network.conv1.weight" in names) is (tuning == "full")
    assert any(name.endswith("in_proj_weight.original") for name in names) is False
    evaluate(composed("evaluate", f"ckpt={run}", run="judged"))
    first, again = _human(run), _human(tmp_path / "judged")
    assert again["pairs"] == first["pairs"]
    assert again["spearman"] == pytest.approx(first["spearman"], abs=1e-6)
    named = make_scorer(str(run), weights="random")
    assert named.scorer.backbone is not None and named.scorer.backbone.frozen
    assert "fine-tuned" in named.scorer.backbone.describe()


def test_a_fine_tuned_scorer_goes_to_another_data_set(trained, composed, tmp_path: Path) -> None:
    run = trained(*FINE)
    other = ["dataset=synthetic", "dataset.images=50", "dataset.seed=7"]
    evaluate(composed("evaluate", f"ckpt={run}", *other, run="other"))
    judged = json.loads((tmp_path / "other" / "metrics.json").read_text())["test"]
    assert (
        judged["images"] == 50 != json.loads((run / "metrics.json").read_text())["test"]["images"]
    )


@pytest.mark.slow
def test_resuming_in_a_warm_up_goes_on_as_if_never_interrupted(trained) -> None:
    options = [*FINE, "model/tuning=lora", "scheduler.warmup=0.5", "trainer.max_epochs=4"]
    whole = trained(*options, "+callbacks.checkpoint.save_top_k=-1", run="whole")
    file = whole / "checkpoints" / "epoch-001.ckpt"
    assert torch.load(file, weights_only=True)["global_step"] == 4
    resumed = trained(*options, f"resume={file}", run="resumed")
    a, b = _checkpoint(whole), _checkpoint(resumed)
    assert a["global_step"] == b["global_step"] == 8
    assert a["lr_schedulers"][0]["last_epoch"] == b["lr_schedulers"][0]["last_epoch"] == 8
    for name, value in a["state_dict"].items():
        torch.testing.assert_close(value, b["state_dict"][name], msg=name)


@pytest.mark.slow
def test_switches_of_memory_and_speed_leave_a_trained_model(trained) -> None:
    run = trained(
        *FINE,
        "trainer.precision=bf16-mixed",
        "trainer.accumulate_grad_batches=2",
        "model.gradient_checkpointing=true",
        "model.compile=eager",
    )
    assert _checkpoint(run)["global_step"] == 3  # two batches an epoch are one step


def test_options_that_cannot_be(trained) -> None:
    with pytest.raises(ConfigError, match="trains its backbone"):
        trained("model=finetuned_clip", "data=features")
    with pytest.raises(ConfigError, match="gives 128 numbers"):
        trained(*FINE, "+model.head.dim=512")
    with pytest.raises(WeightsError, match="no matrix"):
        trained(*FINE, "model/tuning=lora", "model.tuning.targets=[attn.q]")


def test_more_pairs_a_batch_than_there_are_is_said(trained, capsys) -> None:
    trained(*FINE, "data.batch_size=512")
    said = " ".join(capsys.readouterr().out.split())
    assert "data.batch_size=512 is more than the 39 training pairs" in said


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_file(trained) -> None:
    good = trained(*FINE, "trainer.max_epochs=1", run="good")
    kept = good / "checkpoints" / "last.ckpt"
    before = kept.read_bytes()
    with pytest.raises(DataError, match=r"not finite") as caught:
        trained(*FINE, "optimizer.lr=1e30", "trainer.max_epochs=3", run="bad")
    assert "epoch" in caught.value.found and "optimizer.lr" in caught.value.todo
    assert kept.read_bytes() == before
    for file in (good.parent / "bad").rglob("*.ckpt"):
        state = torch.load(file, weights_only=True)["state_dict"]
        assert all(bool(torch.isfinite(t).all()) for t in state.values())


def test_out_of_memory_names_the_options_that_are_left() -> None:
    cfg = OmegaConf.create(
        {
            "data": {"batch_size": 64},
            "trainer": {"precision": None, "accumulate_grad_batches": 2},
            "model": {"gradient_checkpointing": False, "tuning": {"blocks": 2}},
        }
    )
    said = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    assert is_out_of_memory(said)
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    assert not is_out_of_memory(RuntimeError("shapes differ"))
    error = out_of_memory(cfg, said)
    assert "64 pairs" in error.found
    assert "data.batch_size=32 trainer.accumulate_grad_batches=4" in error.todo
    assert "bf16" in error.todo and "gradient_checkpointing=true" in error.todo
    cfg.trainer.precision, cfg.model.gradient_checkpointing = "bf16-mixed", True
    again = out_of_memory(cfg, said).todo
    assert "bf16" not in again and "gradient_checkpointing" not in again


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["margin", "soft_labels", "davidson"])
def test_every_loss_trains_and_its_checkpoint_is_judged(trained, composed, loss: str) -> None:
    plain = trained(run="plain")
    run = trained(f"loss={loss}", "label_source.aggregation=share", run="other")
    weights = [_checkpoint(r)["state_dict"]["scorer.head.weight"] for r in (plain, run)]
    assert not torch.allclose(*weights)
    evaluate(composed("evaluate", f"ckpt={run}", run="judged"))
    if loss == "davidson":
        assert _checkpoint(run)["state_dict"]["loss.log_tie"].item() != 0.0


def test_a_run_without_enough_memory_ends_with_what_to_change(
    trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr("interestingness.models.scorer.Scorer.encode", exhausted)
    with pytest.raises(ConfigError, match="batches of 32 pairs") as caught:
        trained(*FINE)
    assert "data.batch_size=16 trainer.accumulate_grad_batches=2" in caught.value.todo


def test_another_head_than_the_checkpoints_is_refused(trained) -> None:
    run = trained(*FINE, run="linear")
    file = run / "checkpoints" / "last.ckpt"
    with pytest.raises(WeightsError, match="head"):
        trained(
            *FINE,
            "model.head._target_=interestingness.models.heads.MLPHead",
            "+model.head.hidden=8",
            "+model.head.dropout=0.0",
            f"resume={file}",
            run="mlp",
        )
    with pytest.raises(WeightsError, match="tuning"):
        trained(*FINE, "model/tuning=lora", f"resume={file}", run="lora")


@pytest.mark.parametrize("option", ["loss=davidson", "model.l2=0.1"])
def test_what_fsdp_would_not_cut_is_refused_before_any_image_is_read(
    trained, cache: Path, option: str
) -> None:
    only = ["trainer=fsdp", "trainer.devices=1", "data.pairs_per_shard=13"]
    before = set(cache.glob("shards/*"))
    with pytest.raises(ConfigError, match=r"trainer=fsdp with model\.l2=") as caught:
        trained("model=finetuned_clip", *only, option)
    assert "trainer=ddp" in caught.value.todo
    assert set(cache.glob("shards/*")) == before
