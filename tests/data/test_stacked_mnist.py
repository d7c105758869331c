"""Stacked MNIST: what an image is made of, its law, and MNIST's behaviour around files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gan_cli.data.base import Table
from gan_cli.data.feed import Feed
from gan_cli.data.mnist import MNIST
from gan_cli.data.stacked_mnist import StackedMNIST, Stacks, modes_of
from gan_cli.errors import InputError
from gan_cli.streams import Streams

CPU = torch.device("cpu")


def test_every_channel_is_a_digit_of_the_split_and_names_the_mode(idx_root: Path) -> None:
    stacked = StackedMNIST(root=str(idx_root))
    digits = MNIST(root=str(idx_root)).load()
    assert digits.labels is not None
    known = {image.tobytes(): int(label) for image, label in zip(digits.images, digits.labels, strict=True)}
    images, modes = stacked.load().draw(torch.Generator().manual_seed(0), 50)
    assert images.shape == (50, *stacked.shape)
    assert images.dtype == torch.uint8
    for image, mode in zip(images.numpy(), modes.tolist(), strict=True):
        assert int("".join(str(known[channel[None].tobytes()]) for channel in image)) == mode


def test_channels_are_drawn_independently_and_evenly() -> None:
    law = Stacks(torch.arange(10, dtype=torch.uint8)[:, None, None], torch.arange(10))
    images, modes = law.draw(torch.Generator().manual_seed(1), 100_000)
    assert torch.equal(modes_of(images[..., 0, 0].long()), modes)
    counts = torch.bincount(modes, minlength=1000).double()
    chi_square = ((counts - 100) ** 2 / 100).sum()
    assert abs(chi_square - 999) < 4 * (2 * 999) ** 0.5, "999 ± 45 for draws of equal chance"


def test_shares_are_the_law_of_the_modes() -> None:
    labels = torch.tensor([0, 0, 0, 1, 9, 9])
    shares = Stacks(torch.zeros(6, 1, 1, dtype=torch.uint8), labels).shares
    assert shares.shape == (1000,)
    assert shares.sum().item() == pytest.approx(1)
    assert shares[19].item() == pytest.approx(1 / 2 * 1 / 6 * 1 / 3)
    assert shares[222].item() == 0


def test_draws_are_a_function_of_the_generator(idx_root: Path) -> None:
    law = StackedMNIST(root=str(idx_root)).load()
    first, again, other = (law.sample(torch.Generator().manual_seed(seed), 9) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(law.to(CPU).sample(torch.Generator().manual_seed(3), 9), first)


def test_a_run_is_fed_endlessly_by_number(idx_root: Path) -> None:
    with Feed(StackedMNIST(root=str(idx_root)), 4, Streams(0, CPU), CPU) as feed:
        batches = [feed.batch(number) for number in (10_000_000, 7, 7)]
    assert batches[0].shape == (4, 3, 28, 28)
    assert torch.equal(batches[1], batches[2])
    assert not torch.equal(batches[0], batches[1])


def test_the_split_for_testing_holds_other_digits(idx_root: Path) -> None:
    train = StackedMNIST(root=str(idx_root), size=20, pixel_range=(0, 1))
    test = train.held_out()
    assert test == StackedMNIST(root=str(idx_root), size=20, pixel_range=(0, 1), split="test")
    assert test.held_out() is None
    rows = {part: {d.tobytes() for d in part.load().digits.numpy()} for part in (train, test)}
    assert (len(rows[train]), len(rows[test])) == (60, 20)
    assert not rows[train] & rows[test]


def test_sizes_and_ranges_are_mnists(idx_root: Path) -> None:
    stacked = StackedMNIST(root=str(idx_root), size=32, pixel_range=(0, 1))
    single = MNIST(root=str(idx_root), size=32, pixel_range=(0, 1))
    table, law = single.load(), stacked.load()
    assert isinstance(table, Table)
    assert np.array_equal(law.digits.numpy(), np.asarray(table.images)[:, 0])
    raw = law.sample(torch.Generator(), 2)
    assert torch.equal(stacked.prepare(raw), single.prepare(raw))


def test_missing_files_are_named_before_a_run(tmp_path: Path) -> None:
    stacked = StackedMNIST(root=str(tmp_path), download=False)
    with pytest.raises(InputError, match=r"MNIST is not there: expected .*data\.download=false"):
        stacked.preflight()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"channels": 1}, "channels must be 3, one for each digit, got 1"),
        ({"split": "all"}, "split must be one of train, test, got 'all'"),
    ],
)
def test_what_it_cannot_be_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StackedMNIST(**wrong)  # type: ignore[arg-type]
