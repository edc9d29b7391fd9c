import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from interestingness.errors import WeightsError
from interestingness.models.weights import (
    file_sha256,
    find_weights,
    load_exactly,
    read_state,
    resolve_weights,
    seeded,
    state_sha256,
)

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(1)}


class Evil:
    """Unpickling it would make a folder: the proof that code was run."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def same(one, other):
    assert set(one) == set(other)
    assert all(torch.equal(one[k], other[k]) for k in one)


def test_safetensors_and_checkpoints_read_alike(tmp_path):
    save_file(STATE, tmp_path / "w.safetensors")
    same(read_state(tmp_path / "w.safetensors"), STATE)
    torch.save(STATE, tmp_path / "w.pt")
    same(read_state(tmp_path / "w.pt"), STATE)
    torch.save(STATE, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    same(read_state(tmp_path / "old.pth"), STATE)


def test_a_training_checkpoint_is_unpacked(tmp_path):
    nested = {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in STATE.items()}}
    torch.save(nested, tmp_path / "epoch_3.pt")
    same(read_state(tmp_path / "epoch_3.pt"), STATE)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, legacy):
    proof = tmp_path / "proof"
    torch.save({"w": Evil(proof)}, tmp_path / "evil.pt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsError, match="mkdir") as caught:
        read_state(tmp_path / "evil.pt")
    assert "safetensors" in str(caught.value)
    assert not proof.exists()


def test_a_bare_pickle_is_refused_and_not_run(tmp_path):
    proof = tmp_path / "proof"
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Evil(proof), protocol=2))
    with pytest.raises(WeightsError):
        read_state(tmp_path / "evil.pth")
    assert not proof.exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_is_refused(tmp_path):
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "script.pt")
    with pytest.raises(WeightsError, match="TorchScript"):
        read_state(tmp_path / "script.pt")


def test_a_whole_pickled_module_is_refused(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "module.pt")
    with pytest.raises(WeightsError, match="code"):
        read_state(tmp_path / "module.pt")


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("w.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha", "Git LFS"),
        ("w.bin", b"<!DOCTYPE html><html>404</html>", "web page"),
        ("w.safetensors", b"\x10\0\0\0\0\0\0\0{}", "safetensors"),
        ("w.pt", b"PK\x03\x04 cut", "cannot be read"),
        ("w.pt", b"nothing of the kind", "not plain tensors"),
        ("w.pt", b"", "cannot be read"),
    ],
)
def test_what_is_no_weight_file_is_said(tmp_path, name, content, match):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=match) as caught:
        read_state(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_a_cut_checkpoint_is_refused(tmp_path):
    path = tmp_path / "w.pt"
    torch.save({"w": torch.zeros(10_000)}, path)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(WeightsError, match=r"w\.pt"):
        read_state(path)


@pytest.mark.parametrize("content", [[1, 2], {"w": 3}, {}, torch.zeros(2)])
def test_other_content_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(WeightsError):
        read_state(tmp_path / "w.pt")


def test_loading_is_complete_or_refused():
    network = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    good = {k: torch.full_like(v, 0.5) for k, v in network.state_dict().items()}
    load_exactly(network, good, where="file", name="net")
    same(network.state_dict(), good)
    bad = {"0.weight": torch.zeros(5, 3), "0.bias": torch.zeros(2), "other": torch.zeros(1)}
    with pytest.raises(WeightsError) as caught:
        load_exactly(network, bad, where="file", name="net")
    text = str(caught.value)
    assert "2 entries missing (1.weight, 1.bias)" in text
    assert "1 entries unknown (other)" in text
    assert "0.weight (5, 3) instead of (2, 3)" in text
    same(network.state_dict(), good)


def test_names_of_weights(tmp_path):
    assert resolve_weights("random", None, name="n").seed == 0
    assert resolve_weights("random:12", None, name="n").seed == 12
    save_file(STATE, tmp_path / "model.safetensors")
    assert resolve_weights(str(tmp_path), None, name="n").path == tmp_path / "model.safetensors"
    with pytest.raises(WeightsError, match=r"^weights=:"):
        resolve_weights("", None, name="x", option="weights")
    with pytest.raises(WeightsError) as caught:
        resolve_weights(str(tmp_path / "absent.pt"), None, name="n")
    assert "model=cached_features" in str(caught.value)
    for seed in ("x", "-1"):
        with pytest.raises(WeightsError) as caught:
            resolve_weights(f"random:{seed}", None, name="n")
        assert "`random:<seed>` (0 or more)" in caught.value.expected
    with pytest.raises(WeightsError):
        resolve_weights("hub", None, name="n")
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError):
        resolve_weights(str(tmp_path / "empty"), None, name="n")


def test_hash_of_a_file_follows_its_content(tmp_path):
    path = tmp_path / "w"
    path.write_bytes(b"one")
    before = file_sha256(path)
    assert before == file_sha256(path)
    path.write_bytes(b"three")
    assert file_sha256(path) != before


def test_hash_of_a_network_sees_every_tensor():
    with seeded(1):
        network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    before = state_sha256(network)
    network[1].running_mean[1] += 1
    assert state_sha256(network) != before


def test_seeded_leaves_the_run_s_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with seeded(1):
        first = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    with seeded(1):
        assert torch.equal(torch.rand(3), first)


@pytest.mark.parametrize("word", ["hub", "random", "random:3", "embedded", None])
def test_words_name_no_file(word: str | None, tmp_path: Path) -> None:
    assert find_weights(word, tmp_path) == word


def test_weights_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start, run = tmp_path / "start", tmp_path / "runs" / "mine"
    for file in (start / "weights" / "clip.pt", run / "checkpoints" / "last.ckpt"):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"x")
    monkeypatch.chdir(start)
    kept = find_weights("weights/clip.pt", run)
    assert kept == str(start / "weights" / "clip.pt")
    monkeypatch.chdir(tmp_path)
    assert find_weights(kept, run) == kept
    # An older run kept a relative path, and the file was put beside the run.
    assert find_weights("weights/clip.pt", run) == "weights/clip.pt"
    (run / "clip.pt").write_bytes(b"x")
    for beside in (run, run / "checkpoints" / "last.ckpt"):
        assert find_weights("weights/clip.pt", beside) == str(run / "clip.pt")
        assert find_weights("/gone/clip.pt", beside) == str(run / "clip.pt")
