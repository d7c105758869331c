"""The opponent: a GAN as tutorials write it, with modules, a DataLoader, loss.backward(), torch.optim.Adam.

The order of a step is that of the DCGAN tutorial: the critic on real, the critic on generated (detached)
examples, one critic update; then the generator through the critic, on the same generated examples. Faster
than most: the whole set lies in memory, already normalised, and no step reads a number back to the host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


@dataclass(frozen=True)
class AdamSettings:
    """What torch.optim.Adam is given for one player."""

    lr: float
    betas: tuple[float, float]


@contextmanager
def usual_rounding(search: bool) -> Iterator[None]:
    """A GPU's convolutions in TF32 and its products in float32, which is torch's default, for the block.

    search: whether cuDNN tries its convolutions for the fastest.
    """
    cudnn = torch.backends.cudnn
    before = torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark
    try:
        torch.set_float32_matmul_precision("highest")
        cudnn.allow_tf32, cudnn.benchmark = True, search
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        cudnn.allow_tf32, cudnn.benchmark = before[1:]


class PlainLoop:
    """A GAN in training: `run(n)` does the next n steps. The loss is the non-saturating one.

    It rounds as torch does unasked, whatever the process is set to meanwhile.

    tuned: what a careful user turns on, bfloat16 autocast, channels-last, the fused Adam, and cuDNN's search
    for the fastest convolutions. unroll: how many critic's moves the generator sees ahead, as one writes them
    by hand: torch.func.functional_call, autograd with create_graph, and Adam's arithmetic on the tape.
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        data: Tensor,
        latent: int,
        prior: Literal["normal", "uniform"],
        batch_size: int,
        adam: tuple[AdamSettings, AdamSettings],
        device: torch.device,
        tuned: bool = False,
        unroll: int = 0,
    ):
        self.generator, self.critic = generator.to(device).train(), critic.to(device).train()
        self.tuned, self.unroll, self.adam = tuned, unroll, adam[1]
        if tuned:
            self.generator.to(memory_format=torch.channels_last)
            self.critic.to(memory_format=torch.channels_last)
        self.latent, self.prior, self.batch_size, self.device = latent, prior, batch_size, device
        self.criterion = nn.BCEWithLogitsLoss()
        self.optimizer_g = torch.optim.Adam(
            generator.parameters(), lr=adam[0].lr, betas=adam[0].betas, fused=tuned
        )
        self.optimizer_d = torch.optim.Adam(
            critic.parameters(), lr=adam[1].lr, betas=adam[1].betas, fused=tuned
        )
        self.loader = DataLoader(
            TensorDataset(data),
            batch_size=batch_size,
            shuffle=True,
            drop_last=True,
            pin_memory=device.type == "cuda",
        )
        self._batches = self._forever()

    def run(self, steps: int) -> None:
        """The next `steps` updates of both players."""
        with usual_rounding(search=self.tuned):
            for _ in range(steps):
                self.step(next(self._batches).to(self.device, non_blocking=True))

    def step(self, real: Tensor) -> None:
        """One update of the critic, then one of the generator."""
        if self.tuned and real.ndim == 4:
            real = real.contiguous(memory_format=torch.channels_last)
        ones = torch.ones(len(real), device=self.device)
        zeros = torch.zeros(len(real), device=self.device)

        self.critic.zero_grad()
        with self._cast():
            loss = self.criterion(self.critic(real), ones)
        loss.backward()
        with self._cast():
            fake = self.generator(self._latents(len(real)))
            loss = self.criterion(self.critic(fake.detach()), zeros)
        loss.backward()
        self.optimizer_d.step()

        self.generator.zero_grad()
        rival: Callable[[Tensor], Tensor] = self.critic
        if self.unroll:
            params = self._ahead(real, fake, ones, zeros)
            rival = partial(torch.func.functional_call, self.critic, params)
        with self._cast():
            loss = self.criterion(rival(fake), ones)
        loss.backward()
        self.optimizer_g.step()

    def _cast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.tuned)

    def _ahead(self, real: Tensor, fake: Tensor, ones: Tensor, zeros: Tensor) -> dict[str, Tensor]:
        """The critic's parameters after the moves ahead, on the generator's tape."""
        params: dict[str, Tensor] = dict(self.critic.named_parameters())
        state = {k: self.optimizer_d.state[p] for k, p in params.items()}
        mean = {k: one["exp_avg"] for k, one in state.items()}
        square = {k: one["exp_avg_sq"] for k, one in state.items()}
        count = int(next(iter(state.values()))["step"])
        (b1, b2), lr = self.adam.betas, self.adam.lr
        for t in range(count + 1, count + 1 + self.unroll):
            with self._cast():
                scores = [torch.func.functional_call(self.critic, params, (x,)) for x in (real, fake)]
                loss = self.criterion(scores[0], ones) + self.criterion(scores[1], zeros)
            gradients = torch.autograd.grad(loss, list(params.values()), create_graph=True)
            for (k, p), g in zip(list(params.items()), gradients, strict=True):
                mean[k] = b1 * mean[k] + (1 - b1) * g
                square[k] = b2 * square[k] + (1 - b2) * g * g
                root = (square[k] / (1 - b2**t) + 1e-16).sqrt() + 1e-8
                params[k] = p - lr * mean[k] / (1 - b1**t) / root
        return params

    def _latents(self, n: int) -> Tensor:
        if self.prior == "normal":
            return torch.randn(n, self.latent, device=self.device)
        return 2 * torch.rand(n, self.latent, device=self.device) - 1

    def _forever(self) -> Iterator[Tensor]:
        while True:
            for (batch,) in self.loader:
                yield batch
