"""Black and white images: what is drawn, how often, and that every process and every memory sees the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from gan_cli.data.base import ImageSet, Table
from gan_cli.data.digits import Digits
from gan_cli.data.fake import Fake
from gan_cli.data.feed import Feed
from gan_cli.data.image_folder import ImageFolder
from gan_cli.data.mnist import MNIST
from gan_cli.data.stacked_mnist import StackedMNIST
from gan_cli.data.torchvision_set import TorchvisionSet
from gan_cli.observers.examples import draw_real
from gan_cli.streams import Streams
from tests.data.test_configs import NAMES, make

CPU = torch.device("cpu")


def images(dataset: ImageSet) -> Tensor:
    data = dataset.load()
    assert isinstance(data, Table)
    return torch.as_tensor(np.asarray(data.images))


def feed(dataset: ImageSet, seed: int = 0, budget_mb: float = 1024, rows: slice | None = None) -> Feed:
    return Feed(dataset, 16, Streams(seed, CPU), CPU, budget_mb, rows)


@dataclass(frozen=True, kw_only=True)
class Levels(ImageSet):
    """Image k: every pixel at grey level k, but for one that tells it from its copies."""

    copies: int = 20
    size: int = 16

    def load(self) -> Table:
        made = np.empty((256, self.copies, *self.shape), np.uint8)
        made[:] = np.arange(256).reshape(-1, 1, 1, 1, 1)
        made[:, :, 0, 0, 0] = np.arange(self.copies)
        return self.binarized(Table(made.reshape(-1, *self.shape)))


def held_to_its_law(drawn: Tensor) -> None:
    """Each level's pixels against the binomial law with p = raw/255, in standard errors."""
    x = drawn.reshape(256, -1).double() / 255
    p, n = torch.arange(256).double() / 255, x.shape[1]
    assert set(drawn.unique().tolist()) == {0, 255}
    deviation = (x.mean(1) - p)[1:-1] / (p * (1 - p) / n).sqrt()[1:-1]
    assert deviation.abs().max() < 4.5, "of 254 levels"
    assert 0.8 < deviation.square().mean() < 1.2
    assert not x[0].any()
    assert x[-1].all()


def plain(drawn: Tensor) -> Tensor:
    """Without the pixel that tells copies apart: [256, pixels]."""
    return drawn.view(256, -1, 3 * 16 * 16)[:, :, 1:]


def test_the_threshold_is_128() -> None:
    raw, made = images(Fake()), images(Fake(binarize="threshold"))
    assert torch.equal(made, torch.where(raw > 127, 255, 0).to(torch.uint8))
    assert {127, 128} <= set(raw.unique().tolist())


def test_a_fixed_draw_has_probability_raw_over_255() -> None:
    held_to_its_law(plain(images(Levels(binarize="fixed"))))


def test_a_new_draw_has_probability_raw_over_255() -> None:
    levels = Levels(binarize="stochastic")
    raw = images(levels)
    held_to_its_law(plain(levels.redraw(raw, torch.Generator().manual_seed(5))))
    assert len(raw.unique()) == 256, "only what is fed is drawn"


def test_pixels_are_drawn_independently() -> None:
    for word in ("fixed", "stochastic"):
        levels = Levels(binarize=word, copies=20)
        drawn = levels.redraw(images(levels), torch.Generator().manual_seed(1))
        x = plain(drawn)[128].double() / 255 - 128 / 255  # [copies, pixels]
        for lag in (1, 2, 16, 256):
            product = x[:, lag:] * x[:, :-lag] / 0.25
            assert abs(product.mean()) < 4 / product.numel() ** 0.5, lag
        across = x[1:] * x[:-1] / 0.25
        assert abs(across.mean()) < 4 / across.numel() ** 0.5


def test_a_fixed_draw_depends_on_its_own_seed_alone() -> None:
    digits = Digits(binarize="fixed")
    first = images(digits)
    assert torch.equal(first, images(replace(digits)))
    other = images(replace(digits, binarize_seed=1))
    grey = images(Digits())
    assert torch.equal(first[grey == 255], other[grey == 255])
    differ = (first != other).double().sum()
    p = grey.double() / 255
    assert abs(differ - (2 * p * (1 - p)).sum()) < 4 * (2 * p * (1 - p)).sum().sqrt()


def test_a_fixed_draw_is_these_bits_on_every_machine() -> None:
    # Worked out from SHAKE128 with another program: openssl dgst -shake128.
    dataset = Fake(count=1, size=4, binarize="fixed")
    grey = np.arange(0, 256, 16, dtype=np.uint8).reshape(1, 4, 4)
    expected = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1]
    assert (dataset.binarized_image(grey).flatten() // 255).tolist() == expected


def test_a_fixed_draw_is_the_same_in_every_split() -> None:
    whole = images(Digits(binarize="fixed"))
    train = images(Digits(split="train", binarize="fixed"))
    test = images(Digits(split="test", binarize="fixed"))
    assert torch.equal(torch.cat([train, test]), whole)


@pytest.mark.parametrize("word", ["none", "threshold", "fixed", "stochastic"])
@pytest.mark.parametrize("rows", [slice(0, 8), slice(8, 16)])
def test_memory_and_shares_change_nothing(word: Any, rows: slice) -> None:
    dataset = Fake(count=50, binarize=word)
    with feed(dataset) as one, feed(dataset, 0, 0, rows) as part, feed(dataset, 0, 1024, rows) as here:
        whole = [one.batch(n) for n in range(9)]
        for number in (0, 1, 2, 8, 4):
            assert torch.equal(part.batch(number), whole[number][rows]), number
            assert torch.equal(here.batch(number), whole[number][rows]), number


def test_a_batch_of_new_draws_is_a_function_of_seed_and_number() -> None:
    dataset = Fake(count=16, binarize="stochastic")
    grey = feed(Fake(count=16))
    one, again, other = feed(dataset), feed(dataset), feed(dataset, seed=1)
    first = [one.batch(n).clone() for n in range(3)]
    assert torch.equal(again.batch(2), first[2])
    assert torch.equal(one.batch(0), first[0])
    alike = [dataset.redraw(grey.batch(1), Streams(0, CPU).at("redraw", n)) for n in range(2)]
    assert torch.equal(first[1], alike[1])
    assert not torch.equal(first[1], alike[0]), "each number has a draw of its own"
    assert not torch.equal(other.batch(0), first[0])


def test_the_mean_over_batches_is_the_grey_image() -> None:
    dataset = Digits(size=8, binarize="stochastic")
    grey = feed(Digits(size=8)).batch(3).double() / 255
    redrawn = [
        dataset.redraw((grey * 255).to(torch.uint8), Streams(0, CPU).at("redraw", n)).double() / 255
        for n in range(400)
    ]
    error = (torch.stack(redrawn).mean(0) - grey).abs()
    assert (error <= 5 * (grey * (1 - grey) / 400).sqrt()).all()


@pytest.mark.parametrize("word", ["none", "threshold", "fixed"])
def test_only_a_stochastic_set_is_drawn_anew(word: Any) -> None:
    dataset = Fake(binarize=word)
    generator = torch.Generator()
    before = generator.get_state()
    raw = images(dataset)
    assert dataset.redraw(raw, generator) is raw
    assert torch.equal(generator.get_state(), before)
    assert dataset.redraws is False
    assert dataset.binary == (word != "none")


def test_what_evaluations_take_is_drawn_anew() -> None:
    dataset = Fake(count=40, binarize="stochastic")
    run: Any = SimpleNamespace(dataset=dataset, data=dataset.load(), device=CPU)
    drawn = [draw_real(run, 40, Streams(0, CPU).at("real", n)) for n in (0, 0, 1)]
    assert set(drawn[0].unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(drawn[0], drawn[1])
    changed = (drawn[0] != drawn[2]).double().mean()  # all 40 both times, in order
    assert 0.25 < changed < 0.42, "2p(1 − p) is 1/3 on average"


def test_what_evaluations_take_of_grey_images_is_what_it_was() -> None:
    dataset = Fake(count=40)
    run: Any = SimpleNamespace(dataset=dataset, data=dataset.load(), device=CPU)
    order = torch.randperm(40, generator=Streams(0, CPU).at("real", 0))[:9].sort().values
    expected = dataset.prepare(images(dataset)[order])
    assert torch.equal(draw_real(run, 9, Streams(0, CPU).at("real", 0)), expected)


def test_digits_of_a_stack_are_binarised(idx_root: Path) -> None:
    for word in ("threshold", "fixed", "stochastic"):
        dataset = StackedMNIST(root=str(idx_root), size=8, binarize=word)
        one, part = (Feed(dataset, 8, Streams(0, CPU), CPU, rows=rows) for rows in (None, slice(4, 8)))
        assert set(one.batch(2).unique().tolist()) == {0, 255}
        assert torch.equal(one.batch(2)[4:], part.batch(2))


def test_files_are_binarised_as_arrays_are(tmp_path: Path, idx_root: Path) -> None:
    arrays = MNIST(root=str(idx_root), binarize="fixed", binarize_seed=3)
    for number, image in enumerate(images(replace(arrays, binarize="none"))):
        Image.fromarray(image[0].numpy()).save(tmp_path / f"{number:02}.png")
    files = ImageFolder(root=str(tmp_path), size=28, channels=1, cache=str(tmp_path / "cache"))
    for word in ("none", "threshold", "fixed", "stochastic"):
        two = [replace(one, binarize=word, binarize_seed=3) for one in (arrays, files)]
        assert torch.equal(images(two[0]), images(two[1])), word
    assert len(list((tmp_path / "cache").iterdir())) == 3, "none and stochastic share the grey ones"
    same = TorchvisionSet(name="MNIST", root=str(idx_root), size=28, channels=1, binarize="fixed")
    assert torch.equal(images(same), images(replace(arrays, binarize_seed=0)))


@pytest.mark.parametrize("name", [name for name in NAMES if make(name).kind == "image"])
def test_every_image_set_can_be_binarised(name: str) -> None:
    dataset = make(name, binarize="stochastic", binarize_seed=7)
    assert dataset.binary
    assert dataset.redraws
    held_out = dataset.held_out()
    if held_out is not None:
        assert isinstance(held_out, ImageSet)
        assert (held_out.binarize, held_out.binarize_seed) == ("stochastic", 7)
    assert not make(name).binary


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (
            {"binarize": "stocastic"},
            r"binarize must be one of none, .*'stocastic' \(did you mean 'stochastic'",
        ),
        ({"binarize": None}, "binarize must be one of none, threshold, stochastic, fixed, got None"),
        ({"binarize_seed": -1}, "binarize_seed must be a whole number of at least 0, got -1"),
        ({"binarize_seed": 0.5}, "binarize_seed must be a whole number of at least 0, got 0.5"),
    ],
)
def test_unknown_words_are_refused(extra: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fake(**extra)
