"""The floats of a game as tensors, so that runs which differ in them can share one graph.

A game is a tree of plain objects: dataclasses, chains, tuples. `lifted` takes every float out of it and says
what is left, its form; `rebuilt` puts tensors in their places. Two games of one form, with equal networks and
data, are one function of their floats.

A float that code branches on in Python, or rounds to a whole number, is no such argument: its class names it
in `structural`, and it stays part of the form.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import MethodType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gan_cli.network import Network

FLOAT = "a float"
"""Stands in a form where a float was."""
_WHOLE = (Network, nn.Module, type, torch.dtype, torch.device)
"""What is not looked into: networks are made by the config's `model`, which is compared by itself."""
_PLAIN = (bool, int, str, bytes, type(None))


class Lifted(NamedTuple):
    """form: all of an object but its floats, to be compared by ==; values: the floats, by their path."""

    form: Any
    values: dict[str, float]


def lifted(tree: Any) -> Lifted:
    """Take an object apart.

    >>> from gan_cli.transforms.sgd import SGD
    >>> lifted(SGD(lr=0.5)).values
    {'lr': 0.5, 'momentum': 0.0, 'dampening': 0.0, 'weight_decay': 0.0}
    >>> lifted(SGD(lr=0.5)).form == lifted(SGD(lr=0.1)).form
    True
    """
    values: dict[str, float] = {}

    def take(path: str, value: float) -> float:
        values[path] = value
        return value

    _, form = _walk(tree, "", take)
    return Lifted(form, values)


def rebuilt(tree: Any, values: Sequence[Any]) -> Any:
    """The object with these in the place of its floats, in the order of `lifted(tree).values`.

    >>> from gan_cli.transforms.sgd import SGD
    >>> rebuilt(SGD(), [torch.tensor(0.5), 0.9, 0.0, 0.0])
    SGD(lr=tensor(0.5000), momentum=0.9, dampening=0.0, nesterov=False, weight_decay=0.0)
    """
    left = iter(values)
    again, _ = _walk(tree, "", lambda path, value: next(left))
    return again


def _walk(node: Any, path: str, put: Callable[[str, float], Any]) -> tuple[Any, Any]:
    """The node with `put` in the place of each float, and its form."""
    if type(node) is float:
        return put(path, node), FLOAT
    if isinstance(node, _PLAIN):
        return node, (type(node), node)
    if isinstance(node, Tensor):  # a part of what the object is, unlike a float
        return node, (Tensor, node.shape, node.dtype, tuple(node.flatten().tolist()))
    if isinstance(node, _WHOLE):
        return node, node if isinstance(node, type | torch.dtype) else type(node)
    return _inside(node, path, put)


def _inside(node: Any, path: str, put: Callable[[str, float], Any]) -> tuple[Any, Any]:
    def walk(name: object, inner: Any) -> tuple[Any, Any]:
        return _walk(inner, f"{path}.{name}" if path else str(name), put)

    if isinstance(node, tuple | list):
        parts = [walk(i, inner) for i, inner in enumerate(node)]
        made, forms = [p[0] for p in parts], [p[1] for p in parts]
        fields = isinstance(node, tuple) and hasattr(node, "_fields")
        return type(node)(*made) if fields else type(node)(made), (type(node), forms)
    if isinstance(node, Mapping):
        items = {key: walk(key, inner) for key, inner in node.items()}
        return {k: p[0] for k, p in items.items()}, (dict, {k: p[1] for k, p in items.items()})
    if isinstance(node, MethodType):  # of the data, which are compared by themselves
        return node, (node.__func__, type(node.__self__))
    if not hasattr(node, "__dict__") or callable(node):
        return node, node
    structural = getattr(node, "structural", ())
    again, kept = copy.copy(node), {}
    for name, inner in vars(node).items():
        if isinstance(getattr(type(node), name, None), cached_property):
            del again.__dict__[name]  # made of the floats that were
        elif name in structural:
            kept[name] = inner
        else:
            value, kept[name] = walk(name, inner)
            object.__setattr__(again, name, value)  # frozen dataclasses, too, and without their checks
    return again, (type(node), kept)
