from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

from interestingness.errors import ConfigError, LabelError
from interestingness.labels.mix import MixSource
from interestingness.labels.scores import ScoreSource
from interestingness.labels.signals import human_weight, normal_scores, signal
from interestingness.labels.source import LabelSource
from interestingness.labels.votes import VoteSource
from interestingness.schema import Pair, Pairs
from interestingness.stats.agreement import accuracy
from interestingness.tables.tables import Manifest, Tables

IMAGES, PAIRS = 200, 500
NOISE = {"good": 1.0, "fair": 1.5, "opposite": 1.5, "noise": 50.0}


def planted(root, *, seed=0, human=lambda pair, choice: choice) -> tuple[Tables, np.ndarray]:
    """A synthetic world: utilities, four scores of planted reliability, five people a pair, a
    judge for the second place. ``human`` may change single human answers."""
    rng = np.random.default_rng(seed)
    names = [f"i{k:03d}" for k in range(IMAGES)]
    utility = rng.normal(size=IMAGES)
    chosen: dict[tuple[int, int], None] = {}
    while len(chosen) < PAIRS:
        a, b = sorted(rng.integers(0, IMAGES, 2).tolist())
        if a != b:
            chosen[(a, b)] = None
    pairs = [Pair.of(names[a], names[b]) for a, b in chosen]
    margin = np.array([utility[a] - utility[b] for a, b in chosen])
    votes = []
    for k, pair in enumerate(pairs):
        for _ in range(5):
            choice = float(rng.random() < expit(1.5 * margin[k]))
            answer = human(k, choice)
            votes.append((pair.pair_id, f"p{rng.integers(40):02d}", "human", answer, None))
        for first in (1, -1):
            left = rng.random() < expit(2 * margin[k] - 1.5 * first)
            side = "left" if first > 0 else "right"
            votes.append((pair.pair_id, "gpt-4o-toy", "model", float(left), side))
    scores = {
        name: (-1 if name == "opposite" else 1) * utility + sd * rng.normal(size=IMAGES)
        for name, sd in NOISE.items()
    }
    word = {1.0: "left", 0.0: "right"}
    tables = Tables.write(
        root,
        Manifest("toy", "synthetic"),
        {
            "images": pa.table({"image_id": names}),
            "pairs": pa.table(
                {
                    "pair_id": [p.pair_id for p in pairs],
                    "left": [p.left for p in pairs],
                    "right": [p.right for p in pairs],
                }
            ),
            "votes": pa.table(
                {
                    "pair_id": [v[0] for v in votes],
                    "rater_id": [v[1] for v in votes],
                    "rater_kind": [v[2] for v in votes],
                    "choice": [word[v[3]] for v in votes],
                    "first": pa.array([v[4] for v in votes], pa.string()),
                }
            ),
            "scores": pa.table(
                {
                    "image_id": names * len(scores),
                    "name": np.repeat(list(scores), IMAGES).tolist(),
                    "score": np.concatenate(list(scores.values())),
                }
            ),
        },
    )
    return tables, utility


def people(tables: Tables, rule="share") -> VoteSource:
    return VoteSource(tables, name="human", raters=["*"], kind="human", aggregation=rule)


def judge(tables: Tables, **options) -> VoteSource:
    chosen = {"kind": "model", "aggregation": "order_corrected", **options}
    return VoteSource(tables, name="gpt4o", raters=["gpt-4o*"], **chosen)


def mixed(tables: Tables, names=tuple(NOISE), **options) -> MixSource:
    sources: dict[str, LabelSource] = {
        n: ScoreSource(tables, name=n, column=n) for n in names if n in NOISE
    }
    if "gpt4o" in names:
        sources["gpt4o"] = judge(tables)
    chosen = {"human": people(tables), "human_pairs": 100, "seed": 0, **options}
    return MixSource(tables, name="mix", sources=sources, **chosen)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return planted(tmp_path_factory.mktemp("mix"))


TRAIN = np.arange(PAIRS) < 350


def test_the_mix_beats_each_source_and_their_reliability_is_found(world):
    tables, utility = world
    source = mixed(tables, (*NOISE, "gpt4o")).fit(tables.pairs[TRAIN])
    rng = np.random.default_rng(1)
    one = rng.integers(0, IMAGES, 4000)
    other = (one + rng.integers(1, IMAGES, 4000)) % IMAGES
    names = tables.image_ids
    test, _, _ = Pairs.from_ids(names[one].tolist(), names[other].tolist(), names.tolist())
    truth = (utility[test.left] > utility[test.right]).astype(float)
    mix = accuracy(source.labels(test).preference - 0.5, truth)
    alone = {
        n: accuracy(s.labels(test).preference - 0.5, truth)
        for n, s in source.sources.items()
        if n != "gpt4o"
    }
    assert mix > max(alone.values()) + 0.02
    lines = {line["source"]: line for line in source.comparison()}
    assert list(lines) == [*NOISE, "gpt4o", "mix"]
    assert lines["good"]["slope"] > lines["fair"]["slope"] > 0 > lines["opposite"]["slope"]
    assert abs(lines["noise"]["slope_in_mix"]) < 0.2
    assert lines["gpt4o"]["order_term"] == pytest.approx(-1.5, abs=0.4)
    assert np.isnan(lines["good"]["order_term"])
    assert lines["mix"]["log_loss"] < min(lines[n]["log_loss"] for n in (*NOISE, "gpt4o"))
    assert lines["opposite"]["accuracy"] > 0.55
    assert all(line["pairs"] == 100 for line in lines.values())


def test_human_votes_of_other_pairs_are_never_used(tmp_path, world):
    tables, _ = world
    fitted = mixed(tables, human_pairs=None).fit(tables.pairs[TRAIN])
    flipped, _ = planted(tmp_path, human=lambda k, choice: choice if TRAIN[k] else 1.0 - choice)
    other = mixed(flipped, human_pairs=None).fit(flipped.pairs[TRAIN])
    a, b = (s.labels(tables.pairs).preference for s in (fitted, other))
    np.testing.assert_array_equal(a, b)
    # and those of given pairs are: else the test above could not fail
    given, _ = planted(
        tmp_path / "given", human=lambda k, choice: 1.0 - choice if k == 3 else choice
    )
    third = mixed(given, human_pairs=None).fit(given.pairs[TRAIN])
    assert third.labels(given.pairs[3:4]).preference != a[3]


def test_only_so_many_human_pairs_are_used(world):
    tables, _ = world
    source = mixed(tables, human_pairs=40).fit(tables.pairs[TRAIN])
    facts = source.labels(tables.pairs).facts
    assert facts["human_pairs"] == facts["pairs_with_human_votes"] == 40
    assert source.labels(tables.pairs[~TRAIN]).facts["pairs_with_human_votes"] == 0
    again = mixed(tables, human_pairs=40).fit(tables.pairs[np.flatnonzero(TRAIN)[::-1]])
    np.testing.assert_allclose(
        again.labels(tables.pairs).preference, source.labels(tables.pairs).preference
    )
    seeded = mixed(tables, human_pairs=40, seed=1).fit(tables.pairs[TRAIN])
    assert not np.allclose(
        seeded.labels(tables.pairs).preference, source.labels(tables.pairs).preference
    )


def test_a_pair_s_own_human_votes_draw_the_answer(world):
    tables, _ = world
    source = mixed(tables, human_pairs=None).fit(tables.pairs[TRAIN])
    human = people(tables).labels(tables.pairs).preference
    with_votes = source.labels(tables.pairs).preference
    without = mixed(tables, human_pairs=40).fit(tables.pairs[TRAIN]).labels(tables.pairs)
    unanimous = TRAIN & (human == 1)
    assert with_votes[unanimous].mean() > without.preference[unanimous].mean() + 0.03
    assert 1 < source.labels(tables.pairs).facts["concentration"] < 60


def test_missing_scores_are_silence(tmp_path):
    tables, _ = planted(tmp_path)
    rows = tables.table("scores").to_pylist()
    holed = [r for i, r in enumerate(rows) if r["name"] != "good" or i % 2]
    tables = Tables.write(tmp_path, tables.manifest, {"scores": pa.Table.from_pylist(holed)})
    source = mixed(tables, ("good",)).fit(tables.pairs[TRAIN])
    found = source.labels(tables.pairs)
    heard = signal(source.sources["good"], tables.pairs)
    voted = found.facts["pairs_with_human_votes"]
    assert 0 < np.isnan(heard).sum() < PAIRS
    assert np.isnan(found.preference).sum() >= np.isnan(heard).sum() - voted
    both = mixed(tables, ("good", "fair")).fit(tables.pairs[TRAIN])
    assert not np.isnan(both.labels(tables.pairs).preference).any()


def test_what_cannot_be_calibrated_is_refused(world, tmp_path):
    tables, _ = world
    with pytest.raises(LabelError):
        mixed(tables).labels(tables.pairs)
    with pytest.raises(LabelError):
        mixed(tables).fit(tables.pairs[:5])
    with pytest.raises(ConfigError, match="sources"):
        mixed(tables, ())
    with pytest.raises(ConfigError, match="human_pairs"):
        mixed(tables, human_pairs=3)
    absent = ScoreSource(tables, name="x", column="absent")
    source = MixSource(
        tables, name="m", sources=[absent], human=people(tables), human_pairs=None, seed=0
    )
    assert source.missing().startswith("x: no score is called 'absent'")
    with pytest.raises(LabelError, match="'absent'"):
        source.fit(tables.pairs)


def test_human_votes_may_not_come_in_by_another_door(world):
    tables, _ = world
    leaky = VoteSource(tables, name="votes", raters=["*"], kind="any", aggregation="majority")
    with pytest.raises(ConfigError, match="human"):
        MixSource(tables, name="m", sources=[leaky], human=people(tables), human_pairs=None, seed=0)


def test_one_vote_a_pair_and_few_pairs_still_work(world):
    tables, _ = world
    source = mixed(tables, human_pairs=10, human=people(tables, "majority"))
    found = source.fit(tables.pairs[TRAIN]).labels(tables.pairs)
    assert found.known.all()
    assert found.facts["concentration"] > 0.4


def test_normal_scores_are_ranks_and_heavy_tails_are_tamed():
    found = normal_scores(np.array([1.0, 1e9, np.nan, 2.0, 2.0]))
    assert np.isnan(found[2])
    assert found[0] == -found[1] and found[3] == found[4] == pytest.approx(0.0)
    assert normal_scores(np.array([])).shape == (0,)


def test_concentration_is_recovered():
    rng = np.random.default_rng(0)
    p, n = rng.uniform(0.1, 0.9, 1500), np.full(1500, 5)
    for planted_value in (2.0, 20.0):
        share = rng.beta(planted_value * p, planted_value * (1 - p))
        h = rng.binomial(n, share) / n
        assert human_weight(p, h, n) == pytest.approx(planted_value, rel=0.35)
    one = human_weight(p[:50], (rng.random(50) < p[:50]).astype(float), np.ones(50))
    assert one == pytest.approx(8.0, rel=0.1)
