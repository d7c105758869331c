"""The learner with one player: a density, what it minimises, and its optimiser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gan_cli.calculus import Calculus, eager
from gan_cli.criteria.base import Criterion
from gan_cli.densities.base import Density
from gan_cli.dynamics import advance
from gan_cli.learner import Source, plain
from gan_cli.network import Network
from gan_cli.objectives import Side, averaged, drawn_terms, started, summed
from gan_cli.prior import CLASS_COLUMNS
from gan_cli.streams import Streams
from gan_cli.terms.base import Scene
from gan_cli.types import Buffers, LogDensity, Noise, Params, Play, Player, Sheet, Trace, Tree
from gan_cli.walks import Kind


class LikelihoodState(NamedTuple):
    """A model between two steps. memory: the criterion's; `step` counts updates, a 0-d int64 tensor."""

    model: Player
    memory: Tree
    step: Tensor


class LikelihoodRound(NamedTuple):
    """All that one step consumes: real: raw examples, [B, …]; label: int64 [B] alone in a tuple, or nothing;
    noise: what the criterion drew; terms: what each term drew, or Rest."""

    real: Tensor
    label: tuple[Tensor, ...]
    noise: Noise
    terms: tuple[Noise, ...] = ()


@dataclass(frozen=True)
class Likelihood:
    """A learner with one player, which holds no tensor that training changes: those are in LikelihoodState.

    model: the network, a Density, with its optimiser and terms; prepare: raw examples to the data's range,
    pixel_range: the values of black and white there, None for points. See `Game` for the rest.
    """

    model: Side
    criterion: Criterion
    prepare: Callable[[Tensor], Tensor]
    batch_size: int
    pixel_range: tuple[float, float] | None = None
    calculus: Calculus = eager
    dtype: torch.dtype = torch.float32
    driver: Callable[[Likelihood], Play] = plain

    # --- the Learner protocol -------------------------------------------------------------------------

    batches_a_round = 1
    moves = 1
    headline = ("model/loss",)

    @property
    def networks(self) -> tuple[Network, ...]:
        """The model's."""
        return (self.model.network,)

    @property  # not cached: a compiled round cannot enter the lock of a cached one
    def density(self) -> Density:
        """The model as a module, for what it says of itself."""
        module = self.model.network.module
        assert isinstance(module, Density)
        return module

    @property
    def smooth(self) -> bool:
        """Whether samples are differentiable in the latent."""
        return self.density.smooth

    @property
    def latent_kind(self) -> Kind:
        """The prior's kind."""
        return self.density.prior.kind

    @property
    def condition(self) -> int:
        """The classes that it is told of."""
        return self.density.prior.classes

    def init(self, seed: int, device: torch.device | str = "cpu") -> LikelihoodState:
        """The state before the first step, a function of the seed."""
        player = started("model", self.model, seed, device)
        generator = Streams(seed, torch.device(device)).at("init/memory", 0)
        memory = self.criterion.init(self.density, self.batch_size, generator, self.dtype)
        return LikelihoodState(player, memory, torch.zeros((), dtype=torch.int64, device=device))

    def draw(self, step: int, feed: Source, streams: Streams) -> LikelihoodRound:
        """All randomness and data of step `step`."""
        real = feed.batch(step)
        label = (feed.labels(step),) if self.density.prior.classes else ()
        noise = self.criterion.draw(self.density, len(real), streams.at("criterion", step), self.dtype)
        terms = drawn_terms(self.model, step, streams.at("term", step), real.shape, self.dtype)
        return LikelihoodRound(real, label, noise, terms)

    @torch.no_grad()
    def round(
        self, state: LikelihoodState, batches: LikelihoodRound
    ) -> tuple[LikelihoodState, dict[str, Trace]]:
        """One step of the optimiser down the criterion and the player's terms."""
        player, x = state.model, self.unit(self.prepare(batches.real).to(self.dtype))
        label = tuple(one_hot(y, self.density.prior.classes).to(x.dtype) for y in batches.label)

        def objective(params: Params) -> tuple[Tensor, Any]:
            call = _Call(self.model, params, player.buffers)
            value = self.criterion.value(call, x, label, state.memory, batches.noise)
            scene = self._scene(params, x, state)
            total, parts = summed({"main": value.loss}, self.model, scene, player, batches.terms)
            none = total.new_zeros(0)
            trace = Trace(total, {**parts, **value.shown}, total.new_zeros(()), none, none)
            return total, (trace, call.buffers, value.memory)

        gradients, _, (trace, buffers, memory) = self.calculus.gradient(objective, player.params)
        moved, trace = advance(
            self.model, player, gradients, buffers, self.calculus.whole(trace), player.params
        )
        return LikelihoodState(moved, memory, state.step + 1), {"model": trace}

    def play(
        self, state: LikelihoodState, batches: LikelihoodRound
    ) -> tuple[LikelihoodState, dict[str, Trace]]:
        """One step, as it is driven."""
        return self._played(state, batches)

    @cached_property
    def _played(self) -> Play:
        return self.driver(self)

    def beginnings(self, batches: LikelihoodRound) -> list[LikelihoodRound]:
        """The one move."""
        return [batches]

    def under(self, calculus: Calculus) -> Self:
        """The same learner, with another way to differentiate."""
        return replace(self, calculus=calculus)

    def driven(self, driver: Callable[[Any], Play]) -> Self:
        """The same learner, whose rounds are played by what the driver makes of it."""
        return replace(self, driver=driver)

    def measure(self, traces: dict[str, Trace]) -> dict[str, Tensor]:
        """The scalars of one step by name."""
        trace = traces["model"]
        alone = {} if self.model.terms else {"main"}
        parts = {f"model/{name}": value for name, value in trace.parts.items() if name not in alone}
        return {"model/loss": trace.loss, "model/gradient_norm": trace.gradient_norm} | parts

    def latents(self, generator: torch.Generator, n: int) -> Tensor:
        """n draws from the prior, [n, Z]."""
        return self.density.prior.draw(generator, n, self.dtype)

    def sample(self, state: LikelihoodState, latent: Tensor) -> Tensor:
        """What the model makes of latents, in the data's range, [B, …]; of its average, if one is kept."""
        made: Tensor = self._call(state, "generate", latent.to(self.dtype))
        return self.ranged(made)

    def critique(self, state: LikelihoodState, x: Tensor) -> None:
        """None: there is no critic."""

    def likelihood(self, state: LikelihoodState, generator: torch.Generator, samples: int) -> LogDensity:
        """ln p in nats of what the model sees, pixels in [0, 1]; in whole precision, whatever rounds use:
        else ln p and the ln Z in it would be rounded in different ways."""
        settled = self._call(state, "settle", generator, samples, autocast=False)

        def values(x: Tensor) -> Tensor:
            x = self.unit(x.to(self.dtype))
            arguments = x, settled, generator, samples
            found: Tensor = self._call(state, "log_likelihood", *arguments, autocast=False)
            return found

        return LogDensity(values, self.density.shared_error(settled))

    def exhibits(self, state: LikelihoodState, x: Tensor, generator: torch.Generator) -> Mapping[str, Sheet]:
        """The model's own pictures; with classes, a row of samples of each, from the same latents."""
        found: Mapping[str, Sheet] = self._call(state, "exhibits", self.unit(x.to(self.dtype)), generator)
        sheets = {name: Sheet(self.ranged(sheet.images), sheet.columns) for name, sheet in found.items()}
        prior = self.density.prior
        if prior.classes:
            latents = prior.of_each_class(generator, CLASS_COLUMNS, self.dtype)
            sheets["classes"] = Sheet(self.sample(state, latents), CLASS_COLUMNS)
        return sheets

    # --- between the data's range and the model's -----------------------------------------------------

    def unit(self, x: Tensor) -> Tensor:
        """Prepared examples as the model sees them: pixels in [0, 1]."""
        if self.pixel_range is None:
            return x
        low, high = self.pixel_range
        return (x - low) / (high - low)

    def ranged(self, x: Tensor) -> Tensor:
        """The model's examples in the data's range."""
        if self.pixel_range is None:
            return x
        low, high = self.pixel_range
        return low + (high - low) * x

    def _call(self, state: LikelihoodState, method: str, *arguments: Any, autocast: bool = True) -> Any:
        """A method of the model in evaluation mode."""
        player, network = state.model, self.model.network
        params = averaged(self.model, player)
        given = params, player.buffers, *arguments
        return network(*given, training=False, method=method, autocast=autocast)[0]

    def _scene(self, params: Params, x: Tensor, state: LikelihoodState) -> Scene:
        """What a term may look at here, where there is no critic: see `legality`."""
        none = x.new_zeros(0)
        return Scene(params, x, x[:0], none, none, _none, _none, _none, self.calculus, state.step)


class _Call:
    """The model's methods at the parameters that are being moved, one after the other."""

    def __init__(self, side: Side, params: Params, buffers: Buffers):
        self._network, self._params, self.buffers = side.network, params, buffers

    def __call__(self, method: str, *arguments: Tensor) -> Any:
        result, self.buffers = self._network(self._params, self.buffers, *arguments, method=method)
        return result


def _none(*_: Any) -> Any:
    raise TypeError("there is no critic")
