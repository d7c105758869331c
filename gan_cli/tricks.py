"""A list of tricks, sorted by mathematical type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from hydra.utils import get_object
from omegaconf import DictConfig

from gan_cli.dynamics import Alternating, Extragradient, Order, Simultaneous, Unrolled
from gan_cli.errors import InputError
from gan_cli.instantiation import make, refusing
from gan_cli.layers.base import Layer
from gan_cli.layers.spectral_norm import SpectralNorm
from gan_cli.losses.base import Loss
from gan_cli.terms.base import Side, Term
from gan_cli.transforms.base import Transform, chain, placed
from gan_cli.views.base import View
from gan_cli.views.packing import Packing


@dataclass
class Tricks:
    """What is added to a game, by type, under the name of its trick; empty collections are the units."""

    wrappers: list[tuple[str, Callable[[Loss], Loss]]] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    terms: list[Term] = field(default_factory=list)
    transforms: list[Transform] = field(default_factory=list)
    layers: list[tuple[str, Layer]] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    unrolled: dict[str, Unrolled] = field(default_factory=dict)
    packing: dict[str, Packing] = field(default_factory=dict)

    def add(self, name: str, made: Any) -> None:
        """Sort in what a trick's `_target_` gave: one ingredient, or a tuple of them.

        Raises InputError for an object of no type that a game is made of.
        """
        if isinstance(made, tuple) and not hasattr(made, "_fields"):
            for one in made:
                self.add(name, one)
        elif isinstance(made, Unrolled):
            self.unrolled[name] = made
        elif isinstance(made, Simultaneous | Extragradient):
            self.orders[name] = made
        elif isinstance(made, Packing):
            self.packing[name] = made
        elif isinstance(made, Layer):
            self.layers.append((name, made))
            # A layer that puts weights in comes before the one that normalises them all.
            self.layers.sort(key=lambda named: isinstance(named[1], SpectralNorm))
        elif isinstance(made, Term):
            self.terms.append(made)
        elif isinstance(made, View):
            self.views.append(made)
        elif isinstance(made, Transform):
            self.transforms.append(made)
        else:
            raise InputError(
                f"trick.{name}: a {type(made).__name__} is no loss wrapper, view, term, transform, layer "
                "or dynamics"
            )

    def chained(self, optimiser: Transform, side: Side) -> Transform:
        """A player's transforms around its optimiser, each in its place."""
        mine = [t for t in self.transforms if side in placed(t).sides]
        return chain(*sorted([*mine, optimiser], key=lambda t: placed(t).stage if t is not optimiser else 0))

    @property
    def order(self) -> Order:
        """The order of the moves; alternating where no trick says otherwise. Raises InputError for two."""
        return _only(self.orders, "in which order the players move") or Alternating()

    @property
    def unroll(self) -> Unrolled:
        """How far the generator looks ahead. Raises InputError for two."""
        return _only(self.unrolled, "how far the generator looks ahead") or Unrolled(0)

    @property
    def samples(self) -> int:
        """How many examples the critic judges at a time. Raises InputError for two."""
        found = _only(self.packing, "how many examples the critic judges at a time")
        return found.samples if found else 1


T = TypeVar("T")


def _only(found: dict[str, T], what: str) -> T | None:
    if len(found) > 1:
        first, second = list(found)[:2]
        raise InputError(f"trick=[{first},{second}]: both say {what}; keep one of the two")
    return next(iter(found.values()), None)


def sorted_tricks(cfg: DictConfig, names: Sequence[str] | None = None) -> Tricks:
    """The tricks of the config's list, or those of these names. Raises InputError for what cannot be made."""
    tricks = Tricks()
    for name in names if names is not None else map(str, cfg or {}):
        node = cfg[name]
        target = get_object(node._target_)
        if isinstance(target, type) and issubclass(target, Loss):  # it wraps a loss, which build fills in
            tricks.wrappers.append((name, partial(_wrap, f"trick.{name}", node)))
        else:
            tricks.add(name, make(f"trick.{name}", node, object))
    return tricks


def _wrap(key: str, node: DictConfig, loss: Loss) -> Loss:
    # Not as an argument of instantiate, which would take a dataclass for a config.
    wrapped: Loss = refusing(key, node, make(key, node, object, _partial_=True), loss)
    return wrapped
