"""Ways between latents."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from gan_cli.checks import at_least_one

Kind = Literal["normal", "uniform"]
Path = Literal["auto", "slerp", "lerp", "circle"]


def walk(start: Tensor, end: Tensor, steps: int, path: Path, kind: Kind, condition: int = 0) -> Tensor:
    """`steps` latents on the way from each start to its end: [R, Z], [R, Z] -> [R, steps, Z].

    lerp: the straight line, slerp: the great circle (see `slerp`), both ends included; from a uniform prior's
    cube slerp bulges out. auto: slerp for a normal prior, lerp for a uniform one. circle: see `circle`.
    The last `condition` entries, a class, are the start's all the way: nothing lies between two classes.
    Raises ValueError for fewer than 1 step.
    """
    at_least_one(columns=steps)
    if condition:
        way = walk(start[:, :-condition], end[:, :-condition], steps, path, kind)
        return torch.cat([way, start[:, None, -condition:].expand(-1, steps, -1)], -1)
    if path == "circle":
        return circle(start, end, steps, kind)
    straight = path == "lerp" or (path == "auto" and kind == "uniform")
    return lerp(start, end, steps) if straight else slerp(start, end, steps)


def lerp(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """The straight line, (1−t)·a + t·b for t = 0 … 1: [R, Z], [R, Z] -> [R, steps, Z]."""
    t = torch.linspace(0, 1, steps, dtype=start.dtype, device=start.device)[:, None]
    return (1 - t) * start[:, None] + t * end[:, None]


def slerp(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """The great circle, (sin((1−t)ω)·a + sin(tω)·b)/sin ω with ω the angle between a and b (White 2016,
    Sampling Generative Networks, §2.1): the middle of a straight line between two normal draws would be much
    shorter than any draw. [R, Z], [R, Z] -> [R, steps, Z].
    """
    t = torch.linspace(0, 1, steps, dtype=start.dtype, device=start.device)[:, None]
    a, b = start[:, None], end[:, None]
    omega = torch.acos(torch.cosine_similarity(a, b, dim=-1).clamp(-1, 1))[..., None]
    # Where both point the same way, or the opposite, there is no great circle to choose: the straight line.
    straight = omega.sin() < 1e-4
    safe = torch.where(straight, torch.ones_like(omega), omega)
    arc = (((1 - t) * safe).sin() * a + (t * safe).sin() * b) / safe.sin()
    return torch.where(straight, lerp(start, end, steps), arc)


def circle(start: Tensor, end: Tensor, steps: int, kind: Kind) -> Tensor:
    """A round trip through two latents, whose every point is a draw from the prior if these two are.

    z(t) = cos t·a + sin t·b for t = 0, 2π/steps, …: from a by b, −a and −b towards a again. Of independent
    standard normal a and b it is standard normal for each t. A uniform prior is taken to a normal one by its
    quantiles, √2·erf⁻¹(z), and back. [R, Z], [R, Z] -> [R, steps, Z].
    """
    t = torch.arange(steps, dtype=torch.float64, device=start.device)[:, None] * (2 * math.pi / steps)
    a, b = start[:, None].double(), end[:, None].double()
    if kind == "normal":
        return (t.cos() * a + t.sin() * b).to(start.dtype)
    a, b = (math.sqrt(2) * torch.erfinv(z.clamp(-1 + 1e-12, 1 - 1e-12)) for z in (a, b))
    return torch.erf((t.cos() * a + t.sin() * b) / math.sqrt(2)).to(start.dtype)
