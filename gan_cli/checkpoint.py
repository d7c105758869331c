"""Checkpoints: a state as named tensors in one file, whole or not there, checked by its own name.

`checkpoints/step_00000500-3f2a9c0d51e8b7a4.pt` holds the state after step 500. The second part of the name
is the start of the SHA-256 of the bytes, so that one rename publishes file and checksum together, and no
kill can come between them. The bytes are `torch.save` of {step, config, tensors}, on the CPU, and are read
with `weights_only=True`: a checkpoint from elsewhere runs no code.

`best_00000500-….pt` is of the same kind, but no run goes on from it. `best.json` names those that count: it
is written after the file that it names and before one is removed that it does not, so that a kill in between
leaves a file too many and never one too few.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gan_cli.errors import InputError
from gan_cli.files import sweep, write_atomic
from gan_cli.types import State, Tree

FOLDER, BEST = "checkpoints", "best.json"
_NAME = re.compile(r"(?:step|best)_(\d+)-([0-9a-f]{16})\.pt")


class Checkpoint(NamedTuple):
    """What a checkpoint file holds. config: the run's resolved config as yaml; tensors: by name, on CPU."""

    step: int
    config: str
    tensors: dict[str, Tensor]
    path: Path


class Best(NamedTuple):
    """A step at which the number `metric` was better than ever before, and the name of that step's file."""

    metric: str
    value: float
    step: int
    file: str


# --- a tree as named tensors ------------------------------------------------------------------------------


def named(tree: Tree, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors of a tree with their paths: fields by name, dicts by key, tuples by position.

    >>> [name for name, _ in named({"a": (torch.zeros(1), torch.zeros(2))})]
    ['a/0', 'a/1']

    Raises TypeError where a leaf is no tensor: a state of anything else could not be restored bitwise.
    """
    if isinstance(tree, Tensor):
        yield prefix, tree
    elif (items := _items(tree)) is not None:
        for key, value in items:
            yield from named(value, f"{prefix}/{key}" if prefix else str(key))
    elif tree is not None:
        raise TypeError(f"{prefix or 'the state'} must be a tensor, got {type(tree).__name__}")


def flatten(tree: Tree) -> dict[str, Tensor]:
    """The tensors of a tree by name, each on the CPU, with its strides, owning exactly its own memory."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in named(tree):
        if name in tensors:
            raise ValueError(f"two tensors of the state are both named {name}")
        tensors[name] = tensor.detach()
    devices = {tensor.device for tensor in tensors.values() if tensor.is_cuda}
    streams = {device: torch.cuda.Stream(device) for device in devices}
    # A copy, since torch.save writes the whole storage that a view points into. It keeps the strides
    # (channels-last weights choose other kernels, and those round differently).
    copies = {name: _copied(tensor, streams.get(tensor.device)) for name, tensor in tensors.items()}
    for stream in streams.values():
        stream.synchronize()
    return copies


def _copied(tensor: Tensor, stream: torch.cuda.Stream | None) -> Tensor:
    """A copy on the CPU; from a GPU by a stream of its own, beside whatever else the GPU is doing."""
    if stream is None:
        return tensor.to("cpu", copy=True)
    stream.wait_stream(torch.cuda.current_stream(tensor.device))  # which has made the tensor
    with torch.cuda.stream(stream):
        return torch.empty_like(tensor, device="cpu", pin_memory=True).copy_(tensor, non_blocking=True)


def restore(like: State, tensors: Mapping[str, Tensor]) -> State:
    """A state built as `like`, on its devices, with the values of `tensors`.

    Raises InputError in one line where names, shapes or types are not those of `like`.
    """
    wanted = dict(named(like))
    problems = [f"{name} is missing" for name in wanted if name not in tensors]
    problems += [f"{name} is not part of this run" for name in tensors if name not in wanted]
    problems += [
        f"{name} is {_kind(tensors[name])}, this run has {_kind(tensor)}"
        for name, tensor in wanted.items()
        if name in tensors and _kind(tensors[name]) != _kind(tensor)
    ]
    if problems:
        more = f" (and {len(problems) - 1} more such)" if len(problems) > 1 else ""
        raise InputError(f"the checkpoint does not fit this run: {problems[0]}{more}")
    restored: State = _rebuild(like, "", tensors)
    return restored


def first_nonfinite(tree: Tree) -> str | None:
    """The name of the first tensor that holds NaN or ±inf, or None; the host reads the device once."""
    floats = [(n, t) for n, t in named(tree) if t.is_floating_point() or t.is_complex()]
    if not floats:
        return None
    finite = torch.stack([t.isfinite().all() for _, t in floats]).tolist()
    return next((name for (name, _), good in zip(floats, finite, strict=True) if not good), None)


def _items(tree: Tree) -> Iterator[tuple[Any, Tree]] | None:
    if isinstance(tree, Mapping):
        return iter(tree.items())
    if isinstance(tree, tuple | list):
        return zip(getattr(tree, "_fields", range(len(tree))), tree, strict=True)
    return None


def _rebuild(like: Tree, prefix: str, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(like, Tensor):
        return tensors[prefix].to(like.device)
    items = _items(like)
    if items is None:
        return like
    values = {key: _rebuild(tree, f"{prefix}/{key}" if prefix else str(key), tensors) for key, tree in items}
    if isinstance(like, Mapping):
        return values
    if hasattr(like, "_fields"):
        return type(like)(**values)
    return type(like)(values.values())


def _kind(tensor: Tensor) -> str:
    return f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


# --- files ------------------------------------------------------------------------------------------------


def save(folder: Path, step: int, state: State, config: str, keep: int = 3) -> Path:
    """Write the checkpoint of `state` into the run folder, then remove all but the `keep` ≥ 1 newest.

    A kill at any moment leaves every earlier checkpoint, and this one whole or not at all. Later steps are
    removed too: they belong to a run that this one has gone back behind. Raises RunError if the disk is full.
    """
    path = _write(folder, "step", step, state, config)
    sweep(path.parent)
    others = [(number, other) for number, other in listed(folder) if other != path]
    kept = [other for number, other in others if number < step][-keep + 1 :] if keep > 1 else []
    for _, other in others:
        if other not in kept:
            with suppress(OSError):
                other.unlink()
    return path


def save_best(folder: Path, metric: str, value: float, step: int, state: State, config: str) -> Best:
    """Write the state of a best into the run folder; it counts once `keep_bests` has named it. Raises
    RunError if the disk is full."""
    return Best(metric, value, step, _write(folder, "best", step, state, config).name)


def keep_bests(folder: Path, kept: Sequence[Best]) -> None:
    """Have these bests count and no others, oldest first, the last one being the best of the run."""
    place = folder / FOLDER
    if kept:
        content = kept[-1]._asdict() | {"earlier": [one._asdict() for one in kept[:-1]]}
        write_atomic(place / BEST, json.dumps(content, indent=1, allow_nan=False) + "\n")
    else:
        (place / BEST).unlink(missing_ok=True)
    names = {one.file for one in kept}
    for path in place.glob("best_*.pt"):
        if path.name not in names:
            with suppress(OSError):
                path.unlink()


def bests(folder: Path) -> list[Best]:
    """The bests that count in a run folder, oldest first: the last is the best of the run."""
    try:
        content = json.loads((folder / FOLDER / BEST).read_text(encoding="utf-8"))
        found = [*content["earlier"], content]
        return [Best(str(b["metric"]), float(b["value"]), int(b["step"]), str(b["file"])) for b in found]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def listed(folder: Path) -> list[tuple[int, Path]]:
    """The steps and files of the run folder's checkpoints, oldest first, whole or not."""
    paths = (folder / FOLDER).glob("step_*.pt")
    return sorted((int(match[1]), path) for path in paths if (match := _NAME.fullmatch(path.name)))


def load(path: Path) -> Checkpoint:
    """Read one checkpoint. Raises InputError if the file is torn, altered or no checkpoint."""
    match = _NAME.fullmatch(path.name)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read checkpoint {path}: {error.strerror or error}") from error
    if match and _digest(data) != match[2]:
        raise InputError(f"checkpoint {path} is torn or altered: its checksum is not the one in its name")
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        return Checkpoint(int(content["step"]), str(content["config"]), dict(content["tensors"]), path)
    except Exception as error:  # what torch.load raises has no other base in common
        raise InputError(f"{path} is no checkpoint of gan-train ({type(error).__name__})") from error


def latest_good(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest whole checkpoint of a run folder, or None, and one line for each newer one passed over."""
    skipped: list[str] = []
    for _, path in reversed(listed(folder)):
        try:
            return load(path), skipped
        except InputError as error:
            skipped.append(str(error))
    return None, skipped


def _write(folder: Path, kind: str, step: int, state: State, config: str) -> Path:
    buffer = io.BytesIO()
    torch.save({"step": step, "config": config, "tensors": flatten(state)}, buffer)
    data = buffer.getvalue()
    path = folder / FOLDER / f"{kind}_{step:08d}-{_digest(data)}.pt"
    write_atomic(path, data)
    return path


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
