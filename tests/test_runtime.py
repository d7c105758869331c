"""What the runtime's keys decide."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves

from gan_cli import runtime
from gan_cli.calculus import eager, functional
from gan_cli.captured import Captured
from gan_cli.compiled import CompiledMoves, compiled
from gan_cli.data.feed import Feed
from gan_cli.errors import InputError, RunError
from gan_cli.game import Game
from gan_cli.learner import plain
from gan_cli.pyramid import Pyramid
from gan_cli.runtime import WORTH, driven, prepare
from gan_cli.streams import Streams
from tests.test_combinations import built

usual = torch.compile
CPU, CUDA = torch.device("cpu"), torch.device("cuda")
POINTS = ["data=ring", "model=mlp", "model.width=8", "batch_size=8", "device=cpu"]
IMAGES = ["data=fake", "data.size=16", "data.count=40", "model=dcgan", "model.width=4", "device=cpu"]


def settings(**changed: Any) -> dict[str, Any]:
    return {**built(*POINTS).runtime, **changed}


@pytest.fixture
def torch_as_it_was() -> Iterator[None]:
    yield
    prepare(settings(), CPU)


def how(line: list[str], steps: int, **changed: Any) -> tuple[object, object]:
    game = driven(built(*line).game, settings(**changed), CPU, steps)
    assert isinstance(game, Game)
    driver = game.driver
    return driver.args[0] if isinstance(driver, partial) else driver, type(game.calculus)


def test_the_games_of_a_pyramid_are_driven_one_by_one() -> None:
    line = ["data=fake", "data.size=16", "data.count=40", "model=lapgan", "model.width=4", "device=cpu"]
    ahead = ["+trick@model.levels.16.trick.unrolled=unrolled", "runtime.compile=on"]
    made = built(*line, *ahead).learner
    assert isinstance(made, Pyramid)
    assert [type(game.calculus) for game in made.levels] == [type(functional), CompiledMoves]
    with pytest.raises(InputError, match="channels_last=false"):
        built(*line, *ahead, "runtime.channels_last=true")


@pytest.mark.parametrize(
    ("line", "steps", "compiles"),
    [
        (POINTS, WORTH, True),
        (POINTS, WORTH - 1, False),
        ([*POINTS, "critic_steps=5"], WORTH // 5, True),
        (IMAGES, 10 * WORTH, False),
    ],
)
def test_auto_compiles_small_networks_that_train_for_long(
    line: list[str], steps: int, compiles: bool
) -> None:
    expected = (compiled, type(functional)) if compiles else (plain, type(eager))
    assert how(line, steps, compile="auto") == expected
    assert how(line, steps, compile="off") == (plain, type(eager))
    assert how(line, 1, compile="on") == (compiled, type(functional))


def test_of_an_unrolled_round_the_moves_ahead_are_compiled() -> None:
    line = [*POINTS, "trick=[unrolled]", "trick.unrolled.steps=9"]
    assert how(line, WORTH // 10, compile="auto") == (plain, CompiledMoves)
    assert how(line, WORTH // 10 - 1, compile="auto") == (plain, type(eager))


def test_auto_needs_a_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert how(POINTS, WORTH, compile="auto") == (plain, type(eager))


@pytest.mark.parametrize("more", [[], ["trick=[unrolled]", "trick.unrolled.steps=2"]], ids=["whole", "moves"])
def test_a_compiler_that_fails_is_told_in_a_line(
    more: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise OSError("g++ failed\nand more")

    monkeypatch.setattr(torch, "compile", lambda f, **_: usual(f, backend=broken, fullgraph=True))
    plainly, streams = built(*POINTS, *more).game, Streams(0, CPU)
    strict, lenient = (
        driven(plainly, settings(compile=choice), CPU, 10 * WORTH) for choice in ("on", "auto")
    )
    state = plainly.init(0)
    with Feed(built(*POINTS).dataset, 8, streams, CPU) as feed, caplog.at_level(logging.WARNING):
        batches = plainly.draw(0, feed, streams)
        with pytest.raises(RunError, match=r"runtime.compile=on: .*g\+\+ failed and more"):
            strict.play(state, batches)
        found = [lenient.play(state, batches) for _ in range(2)]
    for after in found:
        for x, y in zip(tree_leaves(after), tree_leaves(plainly.play(state, batches)), strict=True):
            assert torch.equal(x, y)
    (told,) = (record.getMessage() for record in caplog.records if record.name.startswith("gan_cli"))
    assert told.startswith("runtime.compile=auto: rounds are not compiled: ")
    assert "\n" not in told


def test_the_command_settles_cublas_before_torch_is_there() -> None:
    code = "import os, sys, gan_cli.cli; print(os.environ['CUBLAS_WORKSPACE_CONFIG'], 'torch' in sys.modules)"
    environment = {k: v for k, v in os.environ.items() if k != "CUBLAS_WORKSPACE_CONFIG"}
    line = [sys.executable, "-c", code]
    ended = subprocess.run(line, env=environment, check=True, capture_output=True, text=True)
    assert ended.stdout.split() == [":4096:8", "False"]


def test_rounds_are_captured_on_a_gpu_alone() -> None:
    game = built(*POINTS).game

    def played(device: torch.device, **changed: Any) -> object:
        faster = driven(game, settings(**changed), device, 1)
        assert isinstance(faster, Game)
        return faster.driver(game)

    assert isinstance(played(CUDA), Captured)
    assert isinstance(played(CUDA, compile="on"), Captured)
    assert not isinstance(played(CUDA, cuda_graph="off"), Captured)
    assert not isinstance(played(CPU), Captured)


@pytest.mark.usefixtures("torch_as_it_was")
def test_the_process_is_prepared_anew_for_each_run() -> None:
    prepare(settings(), CPU)
    usual = torch.get_num_threads()
    prepare(settings(precision="tf32", deterministic=True, threads=1), CPU)
    assert torch.get_float32_matmul_precision() == "high"
    assert torch.backends.cudnn.allow_tf32
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == 1
    prepare(settings(threads=2), CPU)
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == 2
    prepare(settings(), CPU)
    assert torch.get_num_threads() == usual


def test_a_cuda_toolkit_without_a_gpu_is_no_news(tmp_path: Path) -> None:
    """The compiler imports torch's tools for extensions, which warn of it."""
    code = (
        "import torch; from gan_cli.runtime import prepare\n"
        "prepare({'threads': 1, 'precision': 'fp32', 'deterministic': False}, torch.device('cpu'))\n"
        "import torch.utils.cpp_extension"
    )
    environment = os.environ | {"CUDA_HOME": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    assert "CUDA" not in ended.stderr


def test_the_learner_is_the_game_as_the_runtime_plays_it() -> None:
    made = built(*POINTS, "runtime.compile=on")
    assert isinstance(made.learner, Game)
    assert isinstance(made.learner.driver, partial)
    assert (made.learner.driver.args[0], made.game.driver) == (compiled, plain)
    assert runtime.compiles(made.game, "on", 1)
