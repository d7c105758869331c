"""How a game is run: on which device, in which precision, and whether rounds are compiled or captured.

What `auto` decides rests on what was measured: docs/performance.md.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

import torch
from torch import nn

from gan_cli.calculus import functional
from gan_cli.captured import Captured
from gan_cli.compiled import CompiledMoves, compiled
from gan_cli.data.places import user_cache, writable
from gan_cli.errors import InputError
from gan_cli.game import Game, plain
from gan_cli.parallel.game import shared
from gan_cli.parallel.ranks import Ranks
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
    if exact and device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else matrix products may differ
    if writable(cache := user_cache() / "compiled"):  # else where torch puts it, which a reboot may empty
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache))


def device(name: str) -> torch.device:
    """The device of that name; `auto` is a GPU if there is one. Raises InputError where `cuda` has none."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device=cuda: no GPU that PyTorch can use is there; use device=cpu or device=auto")
    return torch.device(name)


def learner(game: Game, runtime: Mapping[str, Any], ranks: Ranks, device: torch.device, steps: int) -> Game:
    """The game as this process plays it: among others, or alone and as fast as the runtime asks."""
    return shared(game, ranks, runtime) if ranks.count > 1 else driven(game, runtime, device, steps)


def driven(game: Game, runtime: Mapping[str, Any], device: torch.device, steps: int) -> Game:
    """The same game, its rounds played the way that the runtime asks for."""
    driver: Callable[[Game], Play] = plain
    calculus = game.calculus
    if compiles(game, runtime["compile"], steps):
        if game.unroll:  # whose moves ahead are nearly all of it
            calculus = CompiledMoves()
        else:
            calculus, driver = functional, compiled
    if device.type == "cuda" and runtime["cuda_graph"] == "auto":
        driver = partial(_captured, driver)
    return replace(game, calculus=calculus, driver=driver)


def compiles(game: Game, choice: str, steps: int) -> bool:
    """Whether a run of so many steps is to be compiled: by `auto` where that takes less than it saves."""
    return choice == "on" or (choice == "auto" and _pays(game, steps))


def _captured(driver: Callable[[Game], Play], game: Game) -> Play:
    return Captured(driver(game))


def _pays(game: Game, steps: int) -> bool:
    sides = (game.generator, game.critic)
    convolves = any(
        isinstance(part, nn.modules.conv._ConvNd) for side in sides for part in side.network.module.modules()
    )
    moves = steps * (game.critic_steps + game.unroll)
    return not convolves and moves >= WORTH and _compiler() is not None


def _compiler() -> str | None:
    return next(filter(None, map(shutil.which, (os.environ.get("CXX", "g++"), "g++", "clang++"))), None)
