"""Layer: network -> network; composed by ∘, whose unit is the identity."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import nn

from gan_cli.terms.base import Side


@runtime_checkable
class Layer(Protocol):
    """A change to one player's network, made once when the network is."""

    @property
    def side(self) -> Side:
        """Whose network it changes."""
        ...

    def into(self, network: nn.Module) -> nn.Module:
        """The fresh network with the layer in it, which may be the same object.

        Raises ValueError for a network that has no place for it. Random numbers come from torch's global
        generator, which is seeded for the whole network.
        """
        ...


def replaced(network: nn.Module, name: str, module: nn.Module) -> nn.Module:
    """The network with `module` where its submodule of that dotted name was; "" names the network itself."""
    if not name:
        return module
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, module)
    return network
