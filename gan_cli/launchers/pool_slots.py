"""How many workers a pool has, which GPU each sees, and how many threads it computes with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

_VISIBLE, _THREADS = "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Slot:
    """A place for one job at a time. name: what a user reads; environment: what its worker starts with."""

    name: str
    environment: Mapping[str, str]


def slots(workers: int | None, gpus: list[str], cores: int, given: Mapping[str, str]) -> list[Slot]:
    """One slot a GPU or, without any, one a core; `workers` of them where that many are asked for.

    More workers than GPUs share these in turn. Each has cores/workers threads, at least one, or as many as
    OMP_NUM_THREADS in `given`, the environment of the sweep, says; runtime.threads counts before both.

    >>> [slot.environment for slot in slots(2, [], 5, {})]
    [{'OMP_NUM_THREADS': '2'}, {'OMP_NUM_THREADS': '2'}]
    >>> [slot.name for slot in slots(None, ["0", "3"], 8, {})]
    ['GPU 0', 'GPU 3']
    """
    count = workers or len(gpus) or cores
    threads = given.get(_THREADS) or str(max(1, cores // count))
    if not gpus:
        return [Slot(f"worker {n}", {_THREADS: threads}) for n in range(count)]
    pins = [gpus[n % len(gpus)] for n in range(count)]
    return [Slot(f"GPU {pin}", {_THREADS: threads, _VISIBLE: pin}) for pin in pins]


def visible_gpus(given: Mapping[str, str]) -> list[str]:
    """The names by which CUDA knows the GPUs that this process may use. Imports torch."""
    import torch

    if not torch.cuda.is_available():
        return []
    count = torch.cuda.device_count()
    named = [name.strip() for name in given.get(_VISIBLE, "").split(",") if name.strip()]
    return named[:count] if named else [str(n) for n in range(count)]


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
