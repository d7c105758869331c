"""The plain loop of the benchmarks: it rounds as torch does unasked, and leaves the process as it was."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from benchmarks.plain import AdamSettings, PlainLoop

Rounding = tuple[str, bool, bool]


def rounding() -> Rounding:
    cudnn = torch.backends.cudnn
    return torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark


class Noting(nn.Linear):
    """Notes how it is rounded."""

    def forward(self, x: Tensor) -> Tensor:
        self.found = rounding()
        return super().forward(x)


@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("ours", [("high", False, True), ("highest", True, False)])
def test_the_opponent_rounds_by_torchs_defaults(tuned: bool, ours: Rounding) -> None:
    before, critic = rounding(), Noting(2, 1)
    adam = AdamSettings(1e-3, (0.5, 0.999))
    data = torch.zeros(8, 2)
    cpu = torch.device("cpu")
    plain = PlainLoop(
        nn.Linear(3, 2),
        nn.Sequential(critic, nn.Flatten(0)),
        data,
        3,
        "normal",
        4,
        (adam, adam),
        cpu,
        tuned=tuned,
    )
    try:
        torch.set_float32_matmul_precision(ours[0])
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = ours[1:]
        plain.run(1)
        assert (critic.found, rounding()) == (("highest", True, tuned), ours)
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = before[1:]
