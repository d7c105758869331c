"""Spectral normalisation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from gan_cli.checks import at_least_one, positive
from gan_cli.terms.base import Side

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_WARM_UP = 15
"""Power iterations before the first pass, so that a network that was never trained is normalised, too."""


@dataclass(frozen=True)
class SpectralNorm:
    """W ← W/σ(W) for each linear map and convolution of one player (Miyato et al. 2018, §2.1, algorithm 1).

    σ(W) = uᵀWv is the largest singular value of W as a matrix [outputs, …], so each layer is 1-Lipschitz up
    to how a convolution overlaps. Each pass in training mode goes on with n_power_iterations power
    iterations, u ← Wv/‖Wv‖, v ← Wᵀu/‖Wᵀu‖, and counts u and v as constants in every gradient; evaluation
    uses those that training left. n_power_iterations ≥ 1, eps > 0 (least norm to divide by). Raises
    ValueError otherwise, for a network without such layers, and for one of whose weights start at 0.
    """

    n_power_iterations: int = 1
    eps: float = 1e-12
    side: Side = "critic"

    def __post_init__(self) -> None:
        at_least_one(n_power_iterations=self.n_power_iterations)
        positive(eps=self.eps)

    def into(self, network: nn.Module) -> nn.Module:
        kinds = (nn.Linear, nn.modules.conv._ConvNd)
        found = {name: m for name, m in network.named_modules() if isinstance(m, kinds)}
        if not found:
            raise ValueError(f"the {self.side} has no linear map and no convolution to normalise")
        for name, module in found.items():
            weight = module.weight
            if not weight.any():
                raise ValueError(
                    f"the {self.side}'s layer {name} starts at 0, and 0/σ(0) is no weight; "
                    "use a model whose weights do not, such as dcgan, resnet or mlp"
                )
            outputs = 1 if isinstance(module, _TRANSPOSED) else 0
            scaling = _Normalised(weight.detach(), outputs, self.n_power_iterations, self.eps)
            parametrize.register_parametrization(module, "weight", scaling)
        return network


class _Normalised(nn.Module):
    """W -> W/uᵀWv, with u and v as buffers that passes in training mode put new tensors into."""

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor, outputs: int, iterations: int, eps: float):
        super().__init__()
        self._outputs, self._iterations, self._eps = outputs, iterations, eps
        matrix = self._matrix(weight)
        for name, size in (("u", len(matrix)), ("v", matrix.shape[1])):
            self.register_buffer(name, F.normalize(matrix.new_empty(size).normal_(), dim=0, eps=eps))
        self._iterate(matrix, _WARM_UP)

    def forward(self, weight: Tensor) -> Tensor:
        # Autocast would compute in half precision, and hand u and v on in it.
        with torch.autocast(weight.device.type, enabled=False):
            matrix = self._matrix(weight)
            if self.training:
                self._iterate(matrix, self._iterations)
            return weight / torch.dot(self.u, matrix @ self.v)

    def _iterate(self, matrix: Tensor, times: int) -> None:
        u, v = self.u, self.v
        with torch.no_grad():
            for _ in range(times):
                u = F.normalize(matrix @ v, dim=0, eps=self._eps)
                v = F.normalize(matrix.mT @ u, dim=0, eps=self._eps)
        self.u, self.v = u, v

    def _matrix(self, weight: Tensor) -> Tensor:
        """[outputs, everything else]."""
        return weight.transpose(0, self._outputs).flatten(1)
