"""Derivatives of pure functions, in two interchangeable styles.

Both nest: a gradient taken while another one is being taken is itself differentiable. `eager` records on
torch's tape and is fastest one run at a time; `functional` uses torch.func and works under vmap and compile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils._pytree import TreeSpec, tree_flatten, tree_map_only, tree_unflatten

from gan_cli.types import Params, Trace, Tree

Objective = Callable[[Params], tuple[Tensor, Any]]


class Calculus(Protocol):
    """What a game needs of automatic differentiation, and of the processes that may share its batches."""

    def gradient(self, function: Objective, at: Params) -> tuple[Params, Tensor, Any]:
        """∇f(at), f(at) and what else f returned; f returns a 0-d value and anything else.

        A parameter that f does not depend on has gradient zero. All of it is differentiable inside another
        derivative, and cut off from the tape outside one.
        """
        ...

    def recomputed(self, function: Callable[[Tree], Tree], at: Tree) -> Tree:
        """f(at), of which only `at` is kept for the derivative: f is computed again for it."""
        ...

    def repeated(self, move: Callable[[Tree, Tree], Tree], at: Tree, given: Tree, times: int) -> Tree:
        """move(… move(move(at, given), given) …, given), `times` times; differentiable."""
        ...

    def input_gradient(self, function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
        """∇ₓ Σᵢ f(x)ᵢ at a batch x [B, …], for f that gives one number an example, [B]."""
        ...

    def mean(self, x: Tensor) -> Tensor:
        """E x over the whole batch, of whose rows x [B, …] may be one process's share: [B, …] -> […]."""
        ...

    def whole(self, trace: Trace) -> Trace:
        """What the move of the whole batch leaves behind, of which `trace` may be one process's share."""
        ...


class _Plain:
    """The batch is whole as it is, and what is repeated is simply done again."""

    def repeated(self, move: Callable[[Tree, Tree], Tree], at: Tree, given: Tree, times: int) -> Tree:
        for _ in range(times):
            at = move(at, given)
        return at

    def mean(self, x: Tensor) -> Tensor:
        return x.mean(0)

    def whole(self, trace: Trace) -> Trace:
        return trace


class Eager(_Plain):
    """torch.autograd on the tape; differentiable itself exactly where gradients are enabled around it."""

    def gradient(self, function: Objective, at: Params) -> tuple[Params, Tensor, Any]:
        nested = torch.is_grad_enabled()
        with torch.enable_grad():
            leaves = {k: _variable(v, nested) for k, v in at.items()}
            value, rest = function(leaves)
            gradients = _grad(value, tuple(leaves.values()), nested)
        if not nested:  # whatever still hung on the tape would keep it alive
            value, rest = tree_map_only(Tensor, Tensor.detach, (value, rest))
        return dict(zip(leaves, gradients, strict=True)), value, rest

    def recomputed(self, function: Callable[[Tree], Tree], at: Tree) -> Tree:
        leaves, inner = tree_flatten(at)
        shapes: list[TreeSpec] = []

        def flat(*tensors: Tensor) -> tuple[Tensor, ...]:
            outputs, outer = tree_flatten(function(tree_unflatten(tensors, inner)))
            shapes[:] = [outer]
            return tuple(outputs)

        outputs = _Recomputed.apply(flat, *leaves)
        return tree_unflatten(outputs, shapes[0])

    def input_gradient(self, function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
        nested = torch.is_grad_enabled()
        with torch.enable_grad():
            point = _variable(at, nested)
            return _grad(function(point).sum(), (point,), nested)[0]


class Functional(_Plain):
    """torch.func: the same derivatives, under vmap and compile."""

    def gradient(self, function: Objective, at: Params) -> tuple[Params, Tensor, Any]:
        gradients, (value, rest) = torch.func.grad_and_value(function, has_aux=True)(at)
        return gradients, value, rest

    def recomputed(self, function: Callable[[Tree], Tree], at: Tree) -> Tree:
        """f(at), kept whole: under torch.func and compile it is not ours to say what is kept."""
        return function(at)

    def input_gradient(self, function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
        gradient: Tensor = torch.func.grad(lambda x: function(x).sum())(at)
        return gradient


class _Recomputed(torch.autograd.Function):
    """torch.utils.checkpoint for functions that differentiate inside, which its hooks do not survive."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., tuple[Tensor, ...]], *inputs: Tensor) -> Any:
        ctx.function = function
        ctx.save_for_backward(*inputs)
        return function(*inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        wanted = ctx.needs_input_grad[1:]
        inputs = [x.detach().requires_grad_(w) for x, w in zip(ctx.saved_tensors, wanted, strict=True)]
        with torch.enable_grad():
            outputs = ctx.function(*inputs)
        pairs = [(y, c) for y, c in zip(outputs, cotangents, strict=True) if y.requires_grad]
        ys, cs = zip(*pairs, strict=True)
        of = [x for x in inputs if x.requires_grad]
        found = iter(torch.autograd.grad(ys, of, cs, allow_unused=True))
        return None, *(next(found) if w else None for w in wanted)


def _variable(at: Tensor, nested: bool) -> Tensor:
    """A tensor with the value of `at`, to differentiate by.

    Inside another derivative it hangs on that one's tape. Even there it is not `at` itself: whatever else
    the function reads that depends on `at`, such as a mean of past parameters, is a constant to the partial
    derivative.
    """
    return at.view_as(at) if nested and at.requires_grad else at.detach().requires_grad_()


def _grad(value: Tensor, inputs: tuple[Tensor, ...], differentiable: bool) -> tuple[Tensor, ...]:
    if not value.requires_grad:  # a constant, as the identity network's parameters make it
        return tuple(torch.zeros_like(x) for x in inputs)
    return torch.autograd.grad(
        value, inputs, create_graph=differentiable, allow_unused=True, materialize_grads=True
    )


eager: Calculus = Eager()
functional: Calculus = Functional()


def norm(tree: Params) -> Tensor:
    """‖(x₁, x₂, …)‖₂ over all tensors of a dict, []."""
    whole: Tensor = torch.linalg.vector_norm(
        torch.stack([torch.linalg.vector_norm(x) for x in tree.values()])
    )
    return whole


def sqrt(x: Tensor) -> Tensor:
    """√x for x ≥ 0, whose derivative at 0 is 0 instead of infinite.

    An unrolled optimiser differentiates √v, and v is exactly 0 for a parameter without gradient.
    """
    if not torch.is_grad_enabled():
        return x.sqrt()
    positive = x > 0
    return torch.where(positive, torch.where(positive, x, 1.0).sqrt(), 0.0)
