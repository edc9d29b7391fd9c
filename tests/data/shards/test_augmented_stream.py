"""Views of training images: the same whoever reads them, others in the next epoch."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from interestingness.data.augmentation import FlipAndCrop
from interestingness.data.shards.reader import PairShards
from interestingness.data.shards.stream import PairLoader, PairShardStream
from interestingness.data.shards.writer import write_shards

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def to_tensor(image: Image.Image) -> Tensor:
    data = image.resize((8, 8)).tobytes()
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).reshape(8, 8, 3).permute(2, 0, 1)


@pytest.fixture
def drawn(make_tables: Callable, tmp_path: Path) -> Path:
    """Shards of pictures that differ from their mirror images."""
    import io

    pictures = {}
    for number in range(12):
        ramp = Image.linear_gradient("L").rotate(90).resize((24, 24))
        image = Image.merge("RGB", [ramp.point(lambda v, n=number: (v + 8 * n) % 256)] * 3)
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        pictures[number] = buffer.getvalue()
    root = tmp_path / "drawn"
    write_shards(make_tables(replace=pictures), root, pairs_per_shard=7)
    return root


def seen(root: Path, *, epoch: int, ranks: int = 1, workers: int = 0, **options) -> dict:
    """Every view of every image in an epoch, by image; each must be the same in all batches."""
    found: dict[int, Tensor] = {}
    shards = PairShards(root)
    for rank in range(ranks):
        stream = PairShardStream(
            shards, batch_size=8, transform=to_tensor, rank=rank, ranks=ranks, **options
        )
        stream.set_epoch(epoch)
        for batch in PairLoader(stream, workers=workers):
            for rows, slots in ((shards.pairs.left, batch.left), (shards.pairs.right, batch.right)):
                for row, slot in zip(batch.row.tolist(), slots.tolist(), strict=True):
                    view = batch.images[slot]
                    assert torch.equal(found.setdefault(int(rows[row]), view), view)
    return found


def test_views_depend_on_neither_ranks_nor_workers_and_change_with_the_epoch(drawn: Path) -> None:
    augment = FlipAndCrop(flip=0.5, crop=0.3)
    one = seen(drawn, epoch=1, seed=3, augment=augment)
    two = seen(drawn, epoch=1, seed=3, augment=augment, ranks=2, workers=2)
    assert one.keys() == two.keys() and len(one) == 12
    assert all(torch.equal(one[image], two[image]) for image in one)
    later = seen(drawn, epoch=2, seed=3, augment=augment)
    assert sum(not torch.equal(one[image], later[image]) for image in one) >= 10


def test_where_nothing_is_learnt_images_stay_as_they_are(drawn: Path) -> None:
    plain = seen(drawn, epoch=0)
    judged = seen(drawn, epoch=0, seed=None, augment=FlipAndCrop(flip=1.0, crop=0.3))
    assert all(torch.equal(plain[image], judged[image]) for image in plain)


def test_only_images_that_are_learnt_from_are_decoded_smaller(
    make_tables: Callable, tmp_path: Path
) -> None:
    buffer = BytesIO()
    Image.new("RGB", (320, 240), (10, 90, 200)).save(buffer, "JPEG")
    root = tmp_path / "large"
    write_shards(
        make_tables(replace=dict.fromkeys(range(12), buffer.getvalue())), root, pairs_per_shard=30
    )
    sizes: list[tuple[int, int]] = []

    def noted(image: Image.Image) -> Tensor:
        sizes.append(image.size)
        return to_tensor(image)

    def all_sizes(**options) -> set[tuple[int, int]]:
        sizes.clear()
        stream = PairShardStream(PairShards(root), batch_size=8, transform=noted, **options)
        assert sum(len(batch.left) for batch in stream) == 30
        return set(sizes)

    still = FlipAndCrop(flip=0.0, crop=0.0)
    assert all_sizes(seed=3, augment=still, enough=100) == {(160, 120)}
    assert all_sizes(seed=3, augment=still) == {(320, 240)}
    assert all_sizes(seed=None, augment=still, enough=100) == {(320, 240)}
    assert all_sizes(seed=3, enough=100) == {(320, 240)}
