"""Where an estimator's examples come from: disjoint parts, fresh draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gan_cli.data.base import Table
from gan_cli.data.digits import Digits
from gan_cli.data.gaussian import Gaussian
from gan_cli.estimation.samples import SHARES, Split, source
from gan_cli.streams import Streams
from tests.games import CPU

STREAMS = Streams(3, CPU)


def numbers(name: str = "p", n: int = 200) -> Split:
    return Split(Table(torch.arange(n)[:, None]), lambda x: x.float(), STREAMS, name)


def test_the_parts_of_a_table_share_nothing_and_miss_nothing() -> None:
    side = numbers()
    parts = {part: torch.cat(list(side.part(part, 10**6))).flatten().int().tolist() for part in SHARES}
    assert sorted(x for part in parts.values() for x in part) == list(range(200))
    assert {part: len(rows) / 200 for part, rows in parts.items()} == SHARES
    seen = {int(x) for number in range(30) for x in side.batch(number, 16).flatten()}
    assert seen == set(parts["train"])


def test_two_sides_of_one_table_hold_out_the_same_and_train_in_other_orders() -> None:
    a, b = numbers("p"), numbers("q")
    assert torch.equal(torch.cat(list(a.part("held_out", 99))), torch.cat(list(b.part("held_out", 99))))
    assert not torch.equal(a.batch(0, 16), b.batch(0, 16))
    assert torch.equal(a.batch(5, 16), numbers("p").batch(5, 16))


def test_a_law_is_drawn_afresh_and_repeatably() -> None:
    law = Gaussian(mean=(0.0,))
    p, q = (source(law, law.load(), STREAMS, name) for name in "pq")
    whole = torch.cat(list(p.part("held_out", 9000)))
    assert len(whole) == 9000
    assert torch.equal(whole, torch.cat(list(p.part("held_out", 9000))))
    others = [p.batch(0, 9000), p.batch(1, 9000), q.batch(0, 9000), torch.cat(list(q.part("held_out", 9000)))]
    for other in others:
        correlation = np.corrcoef(whole[:4096].flatten(), other[:4096].flatten())[0, 1]
        assert abs(correlation) < 0.08


def test_images_are_prepared() -> None:
    digits = Digits(size=8)
    side = source(digits, digits.load(), STREAMS, "p")
    batch = side.batch(0, 8)
    assert (batch.shape, batch.dtype) == ((8, 1, 8, 8), torch.float32)
    assert (float(batch.min()), float(batch.max())) == (-1.0, 1.0)


def test_too_few_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="the number of examples must be at least 40, got 39"):
        numbers(n=39)
