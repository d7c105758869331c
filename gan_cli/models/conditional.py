"""How a critic is told of an example's class: beside its pixels, or by projection."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from gan_cli.checks import one_of

Condition = Literal["concat", "projection"]


class Told(nn.Module):
    """Scores of a critic's layers, [B], for examples and, with classes, their labels as rows of the identity.

    concat: the label stands beside the example, as planes of zeros and ones beside an image's channels (Mirza
    & Osindero 2014, section 3; Radford et al. 2016's code). projection: V(x, y) = ψ(φ(x)) + yᵀEφ(x) with φ
    all layers but the last, ψ (Miyato & Koyama 2018, equation 3). width: the size of φ(x). A pack of examples
    has their labels one after the other, each with planes or an embedding of its own. Raises ValueError for
    another word.
    """

    def __init__(self, classes: int, condition: Condition, width: int):
        super().__init__()
        one_of("condition", condition, ("concat", "projection"))
        self.planes = classes if condition == "concat" else 0
        self.embedding = nn.Linear(classes, width, bias=False) if classes and not self.planes else None

    def forward(self, body: nn.Sequential, x: Tensor, *label: Tensor) -> Tensor:
        if self.embedding is not None:
            features = body[:-1](x)
            score: Tensor = body[-1](features).squeeze(1)
            projected: Tensor = (self.embedding(*label) * features).sum(1)
            return score + projected
        scored: Tensor = body(beside(x, *label)).squeeze(1)
        return scored


def beside(x: Tensor, *label: Tensor) -> Tensor:
    """x with its label beside it: [B, D] and [B, K] -> [B, D + K], [B, C, H, W] -> [B, C + K, H, W]."""
    if not label:
        return x
    y = label[0].to(x.dtype)
    return torch.cat([x, y if x.ndim == 2 else y[:, :, None, None].expand(-1, -1, *x.shape[2:])], 1)
