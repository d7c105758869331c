"""How a game is run: on which device, in which precision, and whether rounds are compiled or captured.

What `auto` decides rests on what was measured: docs/performance.md.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import torch
from torch import nn

from gan_cli.calculus import Calculus, functional
from gan_cli.captured import Captured
from gan_cli.compiled import CompiledMoves, Rehearsed, compiled
from gan_cli.data.places import user_cache, writable
from gan_cli.errors import InputError
from gan_cli.game import Game
from gan_cli.learner import Learner
from gan_cli.learner import plain as plain_rounds
from gan_cli.likelihood import Likelihood
from gan_cli.parallel.game import shared
from gan_cli.parallel.likelihood import shared_likelihood
from gan_cli.parallel.ranks import Ranks
from gan_cli.pyramid import Pyramid
from gan_cli.types import Play

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "fp64": torch.float64, "bf16": torch.float32}
WORTH = 20_000
"""So many moves of small networks save what compiling them takes."""


@cache
def _usual_threads() -> int:
    """torch's own choice, as it was when first asked for."""
    return torch.get_num_threads()


def prepare(runtime: Mapping[str, Any], device: torch.device) -> None:
    """Set what torch keeps for a whole process: threads, rounding, determinism, the compiler's cache."""
    torch.set_num_threads(runtime["threads"] or _usual_threads())
    torch.set_float32_matmul_precision("high" if runtime["precision"] == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = runtime["precision"] == "tf32"
    exact = bool(runtime["deterministic"])
    torch.use_deterministic_algorithms(exact)
    torch.backends.cudnn.deterministic = exact
    torch.backends.cudnn.benchmark = not exact and device.type == "cuda"
    if exact and device.type == "cuda":  # for programs of one's own: the commands set it as they start
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else matrix products may differ
    if device.type != "cuda":  # else the compiler warns that a CUDA toolkit finds no GPU
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    if writable(place := user_cache() / "compiled"):  # else where torch puts it, which a reboot may empty
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(place))


def device(name: str) -> torch.device:
    """The device of that name; `auto` is a GPU if there is one. Raises InputError where `cuda` has none."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device=cuda: no GPU that PyTorch can use is there; use device=cpu or device=auto")
    return torch.device(name)


def learner(
    plain: Learner, runtime: Mapping[str, Any], ranks: Ranks, device: torch.device, steps: int
) -> Learner:
    """The learner as this process plays it: among others, or alone and as fast as the runtime asks.

    Raises InputError where several processes cannot share it.
    """
    if isinstance(plain, Pyramid):
        return plain.each(partial(learner, runtime=runtime, ranks=ranks, device=device, steps=steps))
    if ranks.count == 1:
        return driven(plain, runtime, device, steps)
    if isinstance(plain, Likelihood):
        return shared_likelihood(plain, ranks, runtime)
    assert isinstance(plain, Game)
    return shared(plain, ranks, runtime)


def driven(plain: Learner, runtime: Mapping[str, Any], device: torch.device, steps: int) -> Learner:
    """The same learner, its rounds played the way that the runtime asks for.

    Raises InputError for channels innermost in compiled moves of convolutions.
    """
    driver: Callable[[Any], Play] = plain_rounds
    calculus = plain.calculus
    if compiles(plain, runtime["compile"], steps):
        if getattr(plain, "unroll", 0):  # whose moves ahead are nearly all of it
            if runtime["channels_last"] and _convolves(plain):
                raise InputError(
                    "runtime.compile=on: a derivative through compiled moves ahead is wrong for images with "
                    "their channels innermost; use runtime.channels_last=false"
                )
            calculus = CompiledMoves()
        else:
            calculus, driver = functional, compiled
        driver = partial(_rehearsed, driver, plain.calculus, runtime["compile"] == "on")
    if captures(runtime, device):
        driver = partial(_captured, driver)
    return plain.under(calculus).driven(driver)


def captures(runtime: Mapping[str, Any], device: torch.device) -> bool:
    """Whether rounds are to be captured as CUDA graphs."""
    return device.type == "cuda" and runtime["cuda_graph"] == "auto"


def compiles(plain: Learner, choice: str, steps: int) -> bool:
    """Whether a run of so many steps is to be compiled: by `auto` where that takes less than it saves."""
    return choice == "on" or (choice == "auto" and _pays(plain, steps))


def _rehearsed(driver: Callable[[Learner], Play], usual: Calculus, strict: bool, learner: Learner) -> Play:
    return Rehearsed(driver(learner), plain_rounds(learner.under(usual)), strict)


def _captured(driver: Callable[[Learner], Play], plain: Learner) -> Play:
    return Captured(driver(plain))


def _convolves(plain: Learner) -> bool:
    return any(
        isinstance(part, nn.modules.conv._ConvNd)
        for network in plain.networks
        for part in network.module.modules()
    )


def _pays(plain: Learner, steps: int) -> bool:
    return not _convolves(plain) and steps * plain.moves >= WORTH and _compiler() is not None


def _compiler() -> str | None:
    return next(filter(None, map(shutil.which, (os.environ.get("CXX", "g++"), "g++", "clang++"))), None)
