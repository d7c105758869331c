"""Examples that are drawn anew at each use, wherever they are used: black and white, never grey."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gan_cli.cli import drawing
from gan_cli.cli.desk import Desk
from gan_cli.cli.finished import Opened
from gan_cli.data.base import Dataset, ImageSet, Sampler
from gan_cli.data.fake import Fake
from gan_cli.data.feed import Feed
from gan_cli.estimation.samples import source
from gan_cli.evaluation.classifier_training import parts
from gan_cli.launchers.ensemble_feeds import Feeds
from gan_cli.run import described
from gan_cli.streams import Streams
from tests.test_combinations import built

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Greys(Sampler):
    """Images of uniform pixels, uint8 [n, 1, 4, 4]."""

    def sample(self, generator: torch.Generator, n: int) -> Tensor:
        return torch.randint(256, (n, 1, 4, 4), generator=generator, dtype=torch.uint8)

    def to(self, device: torch.device) -> Greys:
        return self


@dataclass(frozen=True, kw_only=True)
class Law(ImageSet):
    """They as a data set."""

    def load(self) -> Greys:
        return Greys()


LAW = Law(size=4, channels=1, binarize="stochastic")
TABLE = Fake(size=4, count=60, binarize="stochastic")
SETS = [pytest.param(LAW, id="law"), pytest.param(TABLE, id="table")]


def is_binary(x: Tensor) -> bool:
    return len(x.unique()) == 2


@pytest.mark.parametrize("dataset", SETS)
def test_runs_side_by_side_see_what_each_sees_alone(dataset: Dataset) -> None:
    streams = [Streams(seed, CPU) for seed in (0, 1)]
    together = Feeds(dataset, 7, streams, CPU, 100)
    for number in (0, 1, 9):
        for run, own in enumerate(streams):
            alone = Feed(dataset, 7, own, CPU).batch(number)
            assert is_binary(alone)
            assert torch.equal(together.each()[run].batch(number), alone)


@pytest.mark.parametrize("dataset", SETS)
def test_an_estimate_sees_them_drawn(dataset: Dataset) -> None:
    sides = [source(dataset, dataset.load(), Streams(0, CPU), name) for name in "pq"]
    for side in sides:
        assert is_binary(side.batch(0, 5))
        once, again = (torch.cat(list(side.part("held_out", 12))) for _ in range(2))
        assert is_binary(once)
        assert torch.equal(once, again)
    assert not torch.equal(sides[0].batch(0, 5), sides[1].batch(0, 5))


def test_a_classifier_is_trained_on_them_as_they_are_fed() -> None:
    grey, drawn = parts(Fake(size=8, count=60)), parts(Fake(size=8, count=60, binarize="stochastic"))
    assert is_binary(drawn.train.images)
    assert is_binary(drawn.test.images)
    assert not is_binary(grey.train.images)
    assert torch.equal(drawn.train.labels, grey.train.labels)
    assert torch.equal(drawn.train.images, parts(Fake(size=8, count=60, binarize="stochastic")).train.images)


def desk(made: Any, tmp_path: Path) -> Desk:
    opened = Opened(tmp_path, made, tmp_path, 0, made.plain.init(0))
    opened.__dict__["run"] = described(made, tmp_path, made.dataset.load())
    return Desk({"seed": 0}, opened)


def test_training_examples_are_shown_as_they_are_fed(tmp_path: Path) -> None:
    made = built(
        "data=fake", "data.size=8", "data.count=40", "data.binarize=stochastic", "model=mlp", "device=cpu"
    )
    of = desk(made, tmp_path)
    once, again = (torch.cat(list(of.training())) for _ in range(2))
    assert is_binary(once)
    assert torch.equal(once, again)
    assert is_binary(torch.cat(list(drawing._drawn_examples(of, 20))))


def test_so_are_those_of_a_law(tmp_path: Path) -> None:
    made = built("data=fake", "data.size=4", "model=mlp", "device=cpu")
    object.__setattr__(made, "dataset", LAW)
    found = torch.cat(list(drawing._drawn_examples(desk(made, tmp_path), 20)))
    assert found.shape == (20, 1, 4, 4)
    assert is_binary(found)
