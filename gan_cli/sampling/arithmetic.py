"""Sums of latents, as in Radford et al. 2016 (DCGAN), §6.3.2: smiling woman − neutral woman + neutral man."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from gan_cli.checks import nonnegative
from gan_cli.errors import InputError
from gan_cli.sampling.draws import Part

AROUND = 9
"""The result and eight others around it, in three rows of three."""


def combined(coefficients: Mapping[str, float], groups: Mapping[str, Tensor]) -> Tensor:
    """Σ_g c_g·mean(z of group g): the coefficients by group, the groups [M_g, Z] -> [Z].

    Means of m draws each have variance 1/m: a sum of three means of three has again the prior's variance.
    """
    return torch.stack([factor * groups[name].mean(0) for name, factor in coefficients.items()]).sum(0)


def surrounded(z: Tensor, noise: float, generator: torch.Generator, condition: int = 0) -> Tensor:
    """Nine latents, in the middle z, the others z + u with u ~ U(−noise, noise) in each coordinate but the
    last `condition`, a class.

    The paper's noise is 0.25. [Z] -> [9, Z]. Raises ValueError for a negative noise.
    """
    nonnegative(noise=noise)
    u = 2 * torch.rand(AROUND, *z.shape, generator=generator, dtype=z.dtype, device=z.device) - 1
    u[AROUND // 2] = 0
    u[:, len(z) - condition :] = 0
    return z + noise * u


def chosen(parts: Iterable[Part], numbers: Sequence[int]) -> Part:
    """The samples of those numbers, in the order given; the parts are read up to the last of them."""
    found: dict[int, tuple[Tensor, Tensor]] = {}
    wanted, begin = set(numbers), 0
    for z, x in parts:
        for number in wanted & set(range(begin, begin + len(z))):
            found[number] = z[number - begin], x[number - begin]
        begin += len(z)
        if len(found) == len(wanted):
            break
    picked = [found[number] for number in numbers]
    return Part(torch.stack([z for z, _ in picked]), torch.stack([x for _, x in picked]))


def labelled(
    parts: Iterable[Part],
    logits: Callable[[Tensor], Tensor],
    wanted: Mapping[str, int],
    members: int,
    confidence: float,
) -> dict[str, list[int]]:
    """The numbers of the first `members` samples that a classifier takes for each group's class.

    logits: examples [B, *shape] -> [B, classes]; wanted: the class of each group; confidence: the least
    probability that the classifier gives it. Raises InputError where the parts end before as many are found.
    """
    found: dict[str, list[int]] = {name: [] for name in wanted}
    seen = 0
    for part in parts:
        probability, label = logits(part.examples).softmax(-1).max(-1)
        for name, one in wanted.items():
            sure = ((label == one) & (probability >= confidence)).nonzero().flatten().tolist()
            found[name] += [seen + index for index in sure]
        seen += len(part.latents)
        if all(len(numbers) >= members for numbers in found.values()):
            break
    for name, numbers in found.items():
        if len(numbers) < members:
            raise InputError(
                f"{name}=label:{wanted[name]}: of {seen} samples the classifier takes {len(numbers)} for it "
                f"with confidence {confidence:g}, and members={members}: set a larger n or fewer members"
            )
    return {name: numbers[:members] for name, numbers in found.items()}
