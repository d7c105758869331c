"""Every loss of configs/loss in every option, and the marks that run a law over them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor

from gan_cli.divergences.base import Divergence
from gan_cli.losses.base import Loss, SeparableLoss
from gan_cli.losses.fgan import FGAN
from tests.kinds import GAME_LOSSES

FOLDER = Path(__file__).parents[2] / "configs" / "loss"
YAMLS = [FOLDER / f"{name}.yaml" for name in GAME_LOSSES]

# Keys of a loss's yaml, with the values that the laws try beyond its own. A yaml without a key ignores it.
Options = dict[tuple[str, ...], tuple[tuple[Any, ...], ...]]
OPTIONS: Options = {
    ("divergence.alpha",): ((-1.0,), (0.5,), (0.9,), (2.0,), (3.0,)),
    ("divergence.pi",): ((0.1,), (0.5,), (0.9,)),
    ("a", "b", "c"): ((0.0, 1.0, 1.0), (-1.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
    ("activation",): (("paper",), ("log_ratio",)),
}
GENERATORS: Options = {("generator",): (("variational",), ("heuristic",))}


class Case(NamedTuple):
    name: str
    loss: Loss


def load(name: str, **overrides: Any) -> Loss:
    """configs/loss/<name>.yaml with some keys replaced; dots in a key are written as __."""
    config = OmegaConf.load(FOLDER / f"{name}.yaml")
    for key, value in overrides.items():
        OmegaConf.update(config, key.replace("__", "."), value)
    loss = instantiate(config)
    assert isinstance(loss, Loss)
    return loss


def cases(generators: bool = False) -> list[Case]:
    """Every yaml in every option; the f-GAN generator's two objectives only on demand."""
    options = OPTIONS | GENERATORS if generators else OPTIONS
    return [case for yaml in YAMLS for case in _variants(yaml, options)]


def _variants(yaml: Path, options: Options) -> Iterator[Case]:
    config = OmegaConf.load(yaml)
    present = [keys for keys in options if all(OmegaConf.select(config, key) is not None for key in keys)]
    for choice in itertools.product(*(options[keys] for keys in present)):
        values = dict(zip(itertools.chain(*present), itertools.chain(*choice), strict=True))
        if (
            values.get("activation") == "log_ratio"
            and not instantiate(OmegaConf.select(config, "divergence")).smooth
        ):
            continue  # refused at construction, which has a test of its own
        loss = load(yaml.stem, **{key.replace(".", "__"): value for key, value in values.items()})
        yield Case("-".join([yaml.stem, *map(str, values.values())]), loss)


def params(found: list[Case]) -> list[Any]:
    return [pytest.param(case.loss, id=case.name) for case in found]


def divergences() -> list[Any]:
    """The divergences of all f-GAN yamls, one of each."""
    seen: dict[Divergence, str] = {}
    for name, loss in cases():
        if isinstance(loss, FGAN) and loss.activation == "paper":
            seen[loss.divergence] = name.removesuffix("-paper")
    return [pytest.param(divergence, id=name) for divergence, name in seen.items()]


def double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def slope(values: Tensor, at: Tensor) -> Tensor:
    """The derivative of an elementwise function, with the graph kept."""
    if not values.requires_grad:
        return torch.zeros_like(at)
    return torch.autograd.grad(values.sum(), at, create_graph=True)[0]


every = pytest.mark.parametrize("loss", params(cases(generators=True)))
every_critic = pytest.mark.parametrize("loss", params(cases()))
separable = pytest.mark.parametrize("loss", params([c for c in cases() if isinstance(c.loss, SeparableLoss)]))
optimal = pytest.mark.parametrize(
    "loss", params([c for c in cases() if c.loss.optimal_score(double(0.0)) is not None])
)

# Scores to try: no kink of any loss lies on one of them.
REAL, FAKE = double(-2.7, -0.4, 0.3, 2.9), double(1.6, -1.35, 0.2, -2.2)


def players(loss: Loss) -> list[Callable[[Tensor, Tensor], Tensor]]:
    return [loss.critic, loss.generator]


def parts(loss: Loss) -> list[Callable[[Tensor], Tensor]]:
    """The loss's functions of one score; one side of a pair at a time where it compares pairs."""
    if isinstance(loss, SeparableLoss):
        return [loss.on_real, loss.on_fake, loss.on_generated]
    return [partial(_one_sided, player, side) for player in players(loss) for side in (0, 1)]


def _one_sided(player: Callable[[Tensor, Tensor], Tensor], side: int, v: Tensor) -> Tensor:
    zero = torch.zeros_like(v)
    return player(v, zero) if side == 0 else player(zero, v)


def best(loss: Loss) -> Callable[[Tensor], Tensor]:
    """The optimal score of a loss that has one."""

    def score(log_ratio: Tensor) -> Tensor:
        found = loss.optimal_score(log_ratio)
        assert found is not None
        return found

    return score


def assert_pointwise_best(loss: SeparableLoss) -> None:
    """V* minimises p·on_real(V) + q·on_fake(V) at every p/q."""
    rho = torch.linspace(-4, 4, 33, dtype=torch.float64)
    p, q = rho.sigmoid(), (-rho).sigmoid()
    v = loss.optimal_score(rho)
    if v is None:
        return
    least = p * loss.on_real(v) + q * loss.on_fake(v)
    tolerance = 1e-12 * (1 + loss.on_real(v).abs() + loss.on_fake(v).abs())
    finite = torch.where(v.isfinite(), v, 3 * v.sign())
    for step in (-3.0, -0.5, -1e-2, -1e-4, 1e-4, 1e-2, 0.5, 3.0):
        other = finite + step
        assert (p * loss.on_real(other) + q * loss.on_fake(other) >= least - tolerance).all()
