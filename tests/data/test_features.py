import numpy as np
import torch

from interestingness.data.batch import PairBatch
from interestingness.data.features import FeatureBatches
from interestingness.data.loader import EpochLoader
from interestingness.schema import Pairs


def _source(pairs_wanted: int = 23, **options) -> FeatureBatches:
    rng = np.random.default_rng(0)
    names = [f"i{k:02d}" for k in range(12)]
    one, other = np.triu_indices(12, 1)
    pairs, _, _ = Pairs.from_ids([names[k] for k in one], [names[k] for k in other], names)
    preference = rng.uniform(size=len(pairs))
    preference[3] = np.nan
    weight = rng.uniform(0.5, 2, size=len(pairs))
    weight[3] = 0
    features = np.arange(24, dtype=np.float32).reshape(12, 2)
    rows = np.arange(pairs_wanted)
    return FeatureBatches(
        features, pairs, rows, preference, weight, **{"batch_size": 5, "seed": 1, **options}
    )


def _rows(batches: list[PairBatch]) -> list[int]:
    return [r for b in batches for r in b.row.tolist() if r >= 0]


def test_every_pair_once_and_each_image_of_a_batch_once() -> None:
    source = _source()
    batches = list(source(0, 0))
    assert sorted(_rows(batches)) == list(range(23))
    for batch in batches:
        assert len(torch.unique(batch.images, dim=0)) == len(batch.images)
        rows = batch.row.numpy()
        left = torch.from_numpy(source.features[source.pairs.left[rows]])
        assert torch.equal(batch.images[batch.left], left)


def test_pairs_without_a_preference_have_no_weight() -> None:
    for batch in _source()(0, 0):
        unknown = batch.row == 3
        assert (batch.weight[unknown] == 0).all()
        assert (batch.weight[~unknown] > 0).all()
        assert ((batch.preference >= 0) & (batch.preference <= 1)).all()


def test_ranks_share_each_global_batch_and_take_equal_steps() -> None:
    alone = list(_source(21)(4, 0))
    ranks = [list(_source(21, rank=r, ranks=3)(4, 0)) for r in range(3)]
    assert {len(r) for r in ranks} == {len(alone)}
    for step, batch in enumerate(alone):
        together = [r[step] for r in ranks]
        assert sorted(_rows(together)) == sorted(batch.row.tolist())
        total = sum(float(b.weight.sum()) for b in together)
        assert np.isclose(total, float(batch.weight.sum()))
        assert np.isclose(float(together[0].normalizer) * 3, float(batch.normalizer))
    placeholder = ranks[2][-1]
    assert placeholder.row.tolist() == [-1]
    assert placeholder.weight.tolist() == [0]


def test_order_depends_on_seed_and_epoch_only() -> None:
    source = _source()
    assert _rows(list(source(1, 0))) == _rows(list(source(1, 0)))
    assert _rows(list(source(1, 0))) != _rows(list(source(2, 0)))
    assert _rows(list(_source(seed=None)(7, 0))) == list(range(23))


def test_a_loader_goes_on_in_the_middle_of_an_epoch() -> None:
    source = _source()
    loader = EpochLoader(source, source.steps)
    loader.set_epoch(3)
    whole = list(loader)
    begun = iter(loader)
    for _ in range(2):
        next(begun)
    resumed = EpochLoader(source, source.steps)
    resumed.load_state_dict(loader.state_dict())
    resumed.set_epoch(3)
    assert _rows(list(resumed)) == _rows(whole[2:])
    assert _rows(list(resumed)) == _rows(whole)


def test_a_finished_epoch_starts_anew() -> None:
    source = _source()
    loader = EpochLoader(source, source.steps)
    list(loader)
    assert loader.state_dict() == {"done": 0}
    assert len(loader) == 5
