"""Training a critic alone: Adam, a falling rate, averaged parameters, and the best of them on other
examples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gan_cli.calculus import Calculus, eager
from gan_cli.checks import at_least_one, fraction
from gan_cli.errors import RunError
from gan_cli.estimation.parts import Parts, parts
from gan_cli.estimation.samples import Part, Source
from gan_cli.losses.base import Loss
from gan_cli.losses.gan import Minimax
from gan_cli.network import Network
from gan_cli.transforms.adam import Adam
from gan_cli.transforms.base import Transform, apply
from gan_cli.types import Buffers, Params, Score


@dataclass(frozen=True)
class Settings:
    """How a critic is trained and judged.

    steps updates on batch_size examples of either side; the bound is that of `samples` held-out examples a
    side, or of all that a table holds out. The rate falls along half a cosine to 0; the parameters are
    averaged over the last `average` of the steps so far; `checks` times their bound is taken on validation
    examples, and the last of them are the critic, unless others are better by more than chance.
    """

    steps: int = 3000
    batch_size: int = 512
    samples: int = 200_000
    checks: int = 20
    average: float = 0.1
    optimizer: Transform = field(default_factory=lambda: Adam(lr=2e-3, betas=(0.9, 0.999)))

    def __post_init__(self) -> None:
        at_least_one(steps=self.steps, batch_size=self.batch_size, samples=self.samples, checks=self.checks)
        fraction(average=self.average)

    @property
    def few(self) -> int:
        """How many examples a side the validation and the calibration take at most."""
        return min(self.samples, 50_000)


@dataclass(frozen=True)
class Critic:
    """A trained critic: scores of examples x, of which it sees (x − shift)/scale. shift, scale: [*shape] or
    []."""

    network: Network
    params: Params
    buffers: Buffers
    shift: Tensor
    scale: Tensor

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Score:
        """V(x) in evaluation mode, [B, *shape] -> [B] float64."""
        seen = (x - self.shift) / self.scale
        score: Tensor = self.network(self.params, self.buffers, seen, training=False)[0]
        return score.double()


@dataclass(frozen=True)
class Check:
    """The averaged critic after `step` updates on validation examples."""

    step: int
    bound: float
    standard_error: float


@dataclass(frozen=True)
class _Candidate:
    critic: Critic
    parts: Parts

    def beats(self, later: _Candidate) -> bool:
        """Whether the later one is worse by more than two standard errors of the difference on each example.

        Of bounds with heavy tails the largest is often that of a critic which misses the tail.
        """
        apart = Parts(self.parts.real - later.parts.real, self.parts.fake - later.parts.fake)
        return not apart.mean <= 2 * apart.standard_error


@torch.no_grad()  # else every step's graph would hang on the next one's
def train(
    loss: Loss,
    network: Network,
    p: Source,
    q: Source,
    settings: Settings,
    seed: int,
    told: Callable[[int, Check | None], None] = lambda step, check: None,
    calculus: Calculus = eager,
) -> tuple[Critic, list[Check]]:
    """The critic that bounds best on validation examples, and the checks on the way.

    Where a score tells on which side of 1 the ratio p/q lies and not its size (total variation, hinge), the
    loss is flat but for the border, and a critic that starts there stays at a poor one: the first fifth of
    the steps trains a classifier, whose border is the same. told: called after every update, with the
    check that was made there. Raises RunError where no check was finite.
    """
    shift, scale = _level(p, q)
    params, buffers = network.init(seed, shift.device)
    memory, averaged, settled = settings.optimizer.init(params), params, buffers
    best: _Candidate | None = None
    curve: list[Check] = []
    first = settings.steps // 5 if _only_sides(loss) else 0
    due = {round(settings.steps * (i + 1) / settings.checks) for i in range(settings.checks)}
    for step in range(1, settings.steps + 1):
        real, fake = ((side.batch(step - 1, settings.batch_size) - shift) / scale for side in (p, q))
        trained = Minimax() if step <= first else loss
        gradients, buffers = _gradient(trained, network, params, buffers, real, fake, calculus)
        updates, memory = settings.optimizer.update(gradients, memory, params)
        rate = (1 + math.cos(math.pi * (step - 1) / settings.steps)) / 2
        params = apply(params, {name: rate * update for name, update in updates.items()})
        weight = 1 / max(1.0, settings.average * step)
        averaged, settled = _moved(averaged, params, weight), _moved(settled, buffers, weight)
        check = None
        if step in due:
            critic = Critic(network, averaged, settled, shift, scale)
            found = held(loss, critic, p, q, "validation", settings.few)
            check = Check(step, found.mean, found.standard_error)
            curve.append(check)
            last = _Candidate(critic, found)
            if math.isfinite(check.bound) and (best is None or check.bound > best.parts.mean):
                best = last
        told(step, check)
    if best is None:
        raise RunError("the critic diverged: no bound on validation examples is finite; try a smaller rate")
    return (best if best.beats(last) else last).critic, curve


def _moved(mean: Params, new: Params, weight: float) -> Params:
    """The running means a step further; of a count, which has none, the last one."""
    return {k: m.lerp(new[k], weight) if m.is_floating_point() else new[k] for k, m in mean.items()}


def scores(critic: Critic, chunks: Iterator[Tensor]) -> Score:
    """V of every example of the chunks, [n]."""
    return torch.cat([critic(chunk) for chunk in chunks])


def held(loss: Loss, critic: Critic, p: Source, q: Source, part: Part, most: int) -> Parts:
    """The parts of the critic's bound on a part that it was not trained on."""
    return parts(loss, scores(critic, p.part(part, most)), scores(critic, q.part(part, most)))


def _only_sides(loss: Loss) -> bool:
    zero = torch.zeros(1)
    return not loss.paired and loss.log_ratio(zero) is None and loss.optimal_score(zero) is not None


def _level(p: Source, q: Source, size: int = 4096) -> tuple[Tensor, Tensor]:
    """Mean and deviation of both sides' training examples: of each coordinate of a point, of all pixels at
    once.

    The critic is a free function either way; the scale only makes it quick to train.
    """
    both = torch.cat([chunk for side in (p, q) for chunk in side.part("train", size)])
    if both.dim() > 2:
        return both.mean(), both.std().clamp(min=1e-6)
    return both.mean(0), both.std(0).clamp(min=1e-6)


def _gradient(
    loss: Loss,
    network: Network,
    params: Params,
    buffers: Buffers,
    real: Tensor,
    fake: Tensor,
    calculus: Calculus,
) -> tuple[Params, Buffers]:
    def objective(at: Params) -> tuple[Tensor, Buffers]:
        # Together, so that a critic with BatchNorm sees both sides by the statistics that it will be held by.
        both, after = network(at, buffers, torch.cat([real, fake]))
        on_real, on_fake = both.split([len(real), len(fake)])
        return loss.critic(on_real, on_fake).mean(), after

    gradients, _, after = calculus.gradient(objective, params)
    return gradients, after
