import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interestingness.data.precomputed import load_features
from interestingness.errors import DataError

NAMES = ["b.jpg", "a.jpg", "c.jpg"]
VECTORS = np.arange(12, dtype=np.float64).reshape(3, 4)


def npz(path, names=NAMES, vectors=VECTORS):
    np.savez(path, files=np.array(names), features=vectors)
    return path


def test_rows_follow_the_images(tmp_path):
    path = npz(tmp_path / "v.npz")
    found = load_features(path, ["a.jpg", "x.jpg", "b.jpg", "y.jpg"])
    assert found.features.dtype == np.float32 and found.dim == 4
    np.testing.assert_array_equal(found.features[[0, 2]], VECTORS[[1, 0]])
    np.testing.assert_array_equal(found.features[[1, 3]], 0)
    assert found.present.tolist() == [True, False, True, False]
    assert (found.unknown, found.missing) == (1, 2)
    assert "4 numbers for 2 images; 2 images have none, 1 vector belongs to no image" in found.note


def test_every_form_reads_alike(tmp_path):
    expected = load_features(npz(tmp_path / "v.npz"), NAMES)
    np.save(tmp_path / "w.npy", VECTORS)
    (tmp_path / "w.txt").write_text("\n".join(NAMES) + "\n")
    for kind in (pa.list_(pa.float32()), pa.list_(pa.float64(), 4)):
        table = pa.table({"image_id": NAMES, "features": pa.array(VECTORS.tolist(), kind)})
        pq.write_table(table, tmp_path / "w.parquet")
        for name in ("w.npy", "w.parquet"):
            found = load_features(tmp_path / name, NAMES)
            np.testing.assert_array_equal(found.features, expected.features)
            assert found.fingerprint == expected.fingerprint


@pytest.mark.parametrize(
    "image_ids", [["photos/a.jpg", "photos/b.jpg"], ["a", "b"], ["deep/er/a.png", "b.png"]]
)
def test_names_match_by_the_last_part_of_the_path_then_without_suffix(tmp_path, image_ids):
    found = load_features(npz(tmp_path / "v.npz"), image_ids)
    np.testing.assert_array_equal(found.features, VECTORS[[1, 0]])


def test_a_shortened_name_that_two_share_matches_neither(tmp_path):
    path = npz(tmp_path / "v.npz", ["x/a.jpg", "y/a.jpg", "z/c.jpg"])
    found = load_features(path, ["a.jpg", "c.jpg"])
    assert found.present.tolist() == [False, True]
    found = load_features(npz(tmp_path / "w.npz"), ["m/a.jpg", "n/a.jpg", "m/c.jpg"])
    assert found.present.tolist() == [False, False, True]


def test_the_fingerprint_is_the_content(tmp_path):
    print_ = load_features(npz(tmp_path / "v.npz"), NAMES).fingerprint
    assert load_features(npz(tmp_path / "other.npz"), NAMES[:1]).fingerprint == print_
    changed = VECTORS.copy()
    changed[1, 1] += 1
    assert load_features(npz(tmp_path / "v.npz", vectors=changed), NAMES).fingerprint != print_
    renamed = ["b.jpg", "a.jpg", "d.jpg"]
    assert load_features(npz(tmp_path / "v.npz", renamed), NAMES).fingerprint != print_


@pytest.mark.parametrize(
    ("names", "vectors", "match"),
    [
        (NAMES, np.where(VECTORS == 5, np.nan, VECTORS), "1 vectors are not finite.*'a.jpg'"),
        (NAMES, np.where(VECTORS == 5, np.inf, VECTORS), "not finite"),
        (["a", "b", "a"], VECTORS, "two vectors are named 'a'"),
        (NAMES[:2], VECTORS, "shape"),
        (NAMES, VECTORS.ravel(), "shape"),
        (NAMES, np.array([["x"]] * 3), "shape"),
        (["q", "r", "s"], VECTORS, "none of its 3 names"),
        ([], VECTORS[:0], "none of its 0 names"),
    ],
)
def test_bad_content_is_one_clear_error(tmp_path, names, vectors, match):
    path = npz(tmp_path / "v.npz", names, vectors)
    with pytest.raises(DataError, match=match) as caught:
        load_features(path, NAMES)
    assert "v.npz" in str(caught.value)


def test_files_that_are_not_features(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        load_features(tmp_path / "absent.npz", NAMES)
    (tmp_path / "v.csv").write_text("a")
    with pytest.raises(DataError, match=r"'\.csv'"):
        load_features(tmp_path / "v.csv", NAMES)
    (tmp_path / "v.npz").write_bytes(b"PK cut")
    with pytest.raises(DataError, match="cannot be read as features"):
        load_features(tmp_path / "v.npz", NAMES)
    np.savez(tmp_path / "v.npz", features=VECTORS)
    with pytest.raises(DataError, match="files"):
        load_features(tmp_path / "v.npz", NAMES)
    np.save(tmp_path / "v.npy", VECTORS)
    with pytest.raises(DataError, match="cannot be read as features"):
        load_features(tmp_path / "v.npy", NAMES)
    np.savez(tmp_path / "v.npz", files=np.array(NAMES, dtype=object), features=VECTORS)
    with pytest.raises(DataError, match="cannot be read as features"):
        load_features(tmp_path / "v.npz", NAMES)
    table = pa.table({"image_id": NAMES, "features": [[1.0, 2.0], [1.0], [2.0, 3.0]]})
    pq.write_table(table, tmp_path / "v.parquet")
    with pytest.raises(DataError, match="different lengths"):
        load_features(tmp_path / "v.parquet", NAMES)
    pq.write_table(pa.table({"image_id": NAMES}), tmp_path / "v.parquet")
    with pytest.raises(DataError, match="features"):
        load_features(tmp_path / "v.parquet", NAMES)


def test_real_vectors_of_real_photographs(shared_data):
    folder = shared_data / "oasis"
    names = sorted(p.name for p in (folder / "images").glob("*.jpg"))
    found = load_features(folder / "clip_like_vectors_1024.npz", names)
    assert found.dim == 1024
    assert len(names) == 814
    assert int(found.present.sum()) + found.unknown == 847
    assert found.present.mean() > 0.9
