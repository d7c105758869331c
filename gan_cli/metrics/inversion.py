"""Reconstructing examples with a generator: for each the latent whose image is nearest to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gan_cli.checks import at_least_one, nonnegative

Function = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(points [A, Z], the row of each [A]) -> values [A], gradients [A, Z]; each row's are a function of its
point."""

_DECREASE, _CURVATURE = 1e-4, 0.9
"""The constants of the Wolfe conditions that are usual for quasi-Newton steps."""
_TRIALS = 25
"""Steps that one line search tries before its row is given up."""


class Minimum(NamedTuple):
    """point: [N, Z], the best of all that were evaluated; value: [N], theirs."""

    point: Tensor
    value: Tensor


class Inverted(NamedTuple):
    """latents: [B, Z]; images: G(latents), [B, …]; errors: [B], the mean square error over an image's pixels;
    restarts: [B, R], that of each restart."""

    latents: Tensor
    images: Tensor
    errors: Tensor
    restarts: Tensor


class _Rows(NamedTuple):
    """The A rows under way. row: [A]; point, gradient, direction: [A, Z]; value, slope (gradient ·
    direction), step (under trial), low and high (the bracket round a good one), trials (so far): [A];
    moves, turns: [A, m, Z], the last differences of points and gradients, the newest first; weights: [A,
    m], 1/(move · turn), 0 where there is none."""

    row: Tensor
    point: Tensor
    value: Tensor
    gradient: Tensor
    direction: Tensor
    slope: Tensor
    step: Tensor
    low: Tensor
    high: Tensor
    trials: Tensor
    moves: Tensor
    turns: Tensor
    weights: Tensor


def invert(
    generate: Callable[[Tensor], Tensor],
    images: Tensor,
    starts: Tensor,
    evaluations: int = 100,
    history: int = 10,
    tolerance: float = 1e-6,
    at_once: int = 1024,
) -> Inverted:
    """argmin_z ‖G(z) − x‖² for every image x by L-BFGS from every start, the best kept (Metz et al. 2017,
    §3.4).

    generate: [A, Z] -> [A, …], differentiable, each image a function of its own latent alone; images: [B,
    …]; starts: [B, R, Z], R restarts an image; at_once: latents in one batch, for memory. Other arguments:
    `minimise`. An image none of whose starts gives a finite error has an error that is not finite.
    """
    at_least_one(at_once=at_once)
    count, restarts = starts.shape[:2]

    def of(rows: Tensor) -> Function:
        def function(latents: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
            with torch.enable_grad():
                latents = latents.detach().requires_grad_()
                away = generate(latents) - images[rows[which] // restarts]
                errors = away.square().flatten(1).mean(1)
                (gradient,) = torch.autograd.grad(errors.sum(), latents)
            return errors.detach(), gradient

        return function

    every = torch.arange(count * restarts, device=starts.device).split(at_once)
    parts = zip(every, starts.flatten(0, 1).split(at_once), strict=True)
    found = [minimise(of(rows), start, evaluations, history, tolerance) for rows, start in parts]
    latents = torch.cat([part.point for part in found]).unflatten(0, (count, restarts))
    errors = torch.cat([part.value for part in found]).unflatten(0, (count, restarts))
    best = errors.nan_to_num(torch.inf).argmin(1)
    chosen = latents[torch.arange(count, device=best.device), best]
    with torch.no_grad():
        shown = torch.cat([generate(part) for part in chosen.split(at_once)])
    return Inverted(chosen, shown, errors.gather(1, best[:, None]).squeeze(1), errors)


def minimise(
    function: Function, start: Tensor, evaluations: int = 100, history: int = 10, tolerance: float = 1e-6
) -> Minimum:
    """Minimise N functions side by side by L-BFGS, each with its own direction, step length and end.

    start: [N, Z]. Each evaluation of the batch is one of every row that is still under way: a row either
    takes the step that it tried, and turns to its next direction, or tries another, until the step
    satisfies the weak Wolfe conditions (bisection and doubling: Lewis & Overton 2013, algorithm 2.6);
    values that are not finite count as too high. The direction is the two-loop recursion of Nocedal &
    Wright 2006, algorithm 7.4, with `history` pairs.

    A row ends after `evaluations`, where a step lowers its value by less than `tolerance` times the value,
    where no step helps, or where its gradient is 0; of all its points the lowest is kept. Raises ValueError
    for numbers below 1, a tolerance below 0.
    """
    at_least_one(evaluations=evaluations, history=history)
    nonnegative(tolerance=tolerance)
    every = torch.arange(len(start), device=start.device)
    value, gradient = function(start, every)
    best = Minimum(start.clone(), value.clone())
    rows = _begun(every, start, value, gradient, history)
    for _ in range(evaluations - 1):
        if not len(rows.row):
            break
        point = rows.point + rows.step[:, None] * rows.direction
        value, gradient = function(point, rows.row)
        lower = value < best.value[rows.row]
        best.value[rows.row] = torch.where(lower, value, best.value[rows.row])
        best.point[rows.row] = torch.where(lower[:, None], point, best.point[rows.row])
        rows, ended = _after(rows, point, value, gradient, tolerance)
        rows = _kept(rows, ~ended)
    return best


def _begun(row: Tensor, point: Tensor, value: Tensor, gradient: Tensor, history: int) -> _Rows:
    """All rows at their start, whose first step is 1 long; those without a finite value or a slope are left
    out."""
    length = gradient.norm(dim=1)
    none = point.new_zeros(len(point), history, point.shape[1])
    rows = _Rows(
        row=row,
        point=point,
        value=value,
        gradient=gradient,
        direction=-gradient,
        slope=-length.square(),
        step=1 / length,
        low=torch.zeros_like(length),
        high=torch.full_like(length, torch.inf),
        trials=torch.zeros_like(row),
        moves=none,
        turns=none,
        weights=none[:, :, 0],
    )
    return _kept(rows, value.isfinite() & length.isfinite() & (length > 0))


def _after(
    rows: _Rows, point: Tensor, value: Tensor, gradient: Tensor, tolerance: float
) -> tuple[_Rows, Tensor]:
    """The rows after a trial of their steps, and which of them have ended."""
    finite = value.isfinite() & gradient.isfinite().all(1)
    descends = finite & (value <= rows.value + _DECREASE * rows.step * rows.slope)
    accepted = descends & ((gradient * rows.direction).sum(1) >= _CURVATURE * rows.slope)
    low = torch.where(descends, rows.step, rows.low)
    high = torch.where(descends, rows.high, rows.step)
    other = torch.where(high.isfinite(), (low + high) / 2, 2 * rows.step)
    tried = rows._replace(low=low, high=high, step=other, trials=rows.trials + 1)
    onward = _onward(rows, point, value, gradient)
    small = rows.value - value <= tolerance * rows.value.abs()
    stuck = ~(onward.slope < 0) | ~onward.slope.isfinite()
    ended = torch.where(accepted, small | stuck, tried.trials >= _TRIALS)
    return _Rows(*(torch.where(_like(accepted, a), a, b) for a, b in zip(onward, tried, strict=True))), ended


def _onward(rows: _Rows, point: Tensor, value: Tensor, gradient: Tensor) -> _Rows:
    """The rows with these steps taken, and their next directions."""
    move, turn = point - rows.point, gradient - rows.gradient
    product = (move * turn).sum(1)  # above 0 under the Wolfe conditions, but for rounding
    moves = torch.cat([move[:, None], rows.moves[:, :-1]], 1)
    turns = torch.cat([turn[:, None], rows.turns[:, :-1]], 1)
    weight = torch.where(product > 0, 1 / product, 0)
    weights = torch.cat([weight[:, None], rows.weights[:, :-1]], 1)
    direction = _direction(gradient, moves, turns, weights)
    return _Rows(
        row=rows.row,
        point=point,
        value=value,
        gradient=gradient,
        direction=direction,
        slope=(gradient * direction).sum(1),
        step=torch.ones_like(rows.step),
        low=torch.zeros_like(rows.low),
        high=torch.full_like(rows.high, torch.inf),
        trials=torch.zeros_like(rows.trials),
        moves=moves,
        turns=turns,
        weights=weights,
    )


def _direction(gradient: Tensor, moves: Tensor, turns: Tensor, weights: Tensor) -> Tensor:
    """−H·gradient [A, Z], H the inverse Hessian that the pairs of differences stand for; a weight of 0 is
    no pair."""
    found, shares = gradient, []
    for i in range(moves.shape[1]):
        share = weights[:, i] * (moves[:, i] * found).sum(1)
        found = found - share[:, None] * turns[:, i]
        shares.append(share)
    scale = 1 / (weights[:, 0] * turns[:, 0].square().sum(1))
    found = found * torch.where(weights[:, 0] > 0, scale, 1)[:, None]
    for i in reversed(range(moves.shape[1])):
        share = shares[i] - weights[:, i] * (turns[:, i] * found).sum(1)
        found = found + share[:, None] * moves[:, i]
    return -found


def _kept(rows: _Rows, which: Tensor) -> _Rows:
    return rows if which.all() else _Rows(*(part[which] for part in rows))


def _like(mask: Tensor, other: Tensor) -> Tensor:
    """The mask [A] with as many dimensions as the other."""
    return mask.reshape(-1, *[1] * (other.dim() - 1))
