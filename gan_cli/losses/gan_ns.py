"""The original GAN with the generator's loss that does not saturate."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from gan_cli.losses.gan import Minimax
from gan_cli.types import Score


@dataclass(frozen=True)
class NonSaturating(Minimax):
    """The critic of `Minimax` with a generator that maximises E_Q[ln D] instead of minimising E_Q[ln(1-D)].

    At the best critic the generator's gradient is that of KL(Q‖P) - 2·JSD(P, Q), not of the bound.

    Source: Goodfellow et al. (2014), section 3; Arjovsky and Bottou (2017), theorem 2.5, for the gradient.

    >>> import torch
    >>> NonSaturating().on_generated(torch.tensor([-40.0]))
    tensor([40.])
    """

    @property
    def zero_sum(self) -> bool:
        return False

    def on_generated(self, score: Score) -> Tensor:
        return F.softplus(-score)
