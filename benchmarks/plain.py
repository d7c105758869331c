"""The opponent: a GAN as tutorials write it, with modules, a DataLoader, loss.backward(), torch.optim.Adam.

The order of a step is that of the DCGAN tutorial: the critic on real, the critic on generated (detached)
examples, one critic update; then the generator through the critic, on the same generated examples. Faster
than most: the whole set lies in memory, already normalised, and no step reads a number back to the host.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


@dataclass(frozen=True)
class AdamSettings:
    """What torch.optim.Adam is given for one player."""

    lr: float
    betas: tuple[float, float]


class PlainLoop:
    """A GAN in training: `run(n)` does the next n steps. The loss is the non-saturating one."""

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
    ):
        self.generator, self.critic = generator.to(device).train(), critic.to(device).train()
        self.latent, self.prior, self.batch_size, self.device = latent, prior, batch_size, device
        self.criterion = nn.BCEWithLogitsLoss()
        self.optimizer_g = torch.optim.Adam(generator.parameters(), lr=adam[0].lr, betas=adam[0].betas)
        self.optimizer_d = torch.optim.Adam(critic.parameters(), lr=adam[1].lr, betas=adam[1].betas)
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
        for _ in range(steps):
            self.step(next(self._batches).to(self.device, non_blocking=True))

    def step(self, real: Tensor) -> None:
        """One update of the critic, then one of the generator."""
        ones = torch.ones(len(real), device=self.device)
        zeros = torch.zeros(len(real), device=self.device)

        self.critic.zero_grad()
        self.criterion(self.critic(real), ones).backward()
        fake = self.generator(self._latents(len(real)))
        self.criterion(self.critic(fake.detach()), zeros).backward()
        self.optimizer_d.step()

        self.generator.zero_grad()
        self.criterion(self.critic(fake), ones).backward()
        self.optimizer_g.step()

    def _latents(self, n: int) -> Tensor:
        if self.prior == "normal":
            return torch.randn(n, self.latent, device=self.device)
        return 2 * torch.rand(n, self.latent, device=self.device) - 1

    def _forever(self) -> Iterator[Tensor]:
        while True:
            for (batch,) in self.loader:
                yield batch
