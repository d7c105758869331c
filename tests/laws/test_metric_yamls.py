"""Every metric of configs/metric on every sort of data: the promises of `gan_cli.metrics.base`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hydra.utils import get_class
from omegaconf import OmegaConf
from torch import Tensor
from torch.utils._pytree import tree_leaves

from gan_cli.build import Experiment
from gan_cli.cli.compose import plan
from gan_cli.cli.job import experiment
from gan_cli.cli.request import parse
from gan_cli.configuration import FILLED
from gan_cli.data.base import Table
from gan_cli.errors import InputError, RunError
from gan_cli.metrics.base import Measured, Metric, Subject
from gan_cli.metrics.modes import ModeCoverage
from gan_cli.observers.base import Run
from gan_cli.observers.examples import subject
from gan_cli.streams import Streams
from gan_cli.types import State

YAMLS = sorted((Path(__file__).parents[2] / "configs" / "metric").glob("*.yaml"))
NAMES = [path.stem for path in YAMLS]
DATA = {
    "line": ["data=mixture1d"],
    "ring": ["data=ring"],
    "digits": ["data=digits", "data.size=8", "data.split=train"],
    "all digits": ["data=digits", "data.size=8"],
    "colour": ["data=fake", "data.size=8", "data.channels=3", "data.count=60"],
}
GAME = ["model=mlp", "model.generator.width=16", "model.critic.width=16"]
DENSITY = ["model=vae", "model.density.hidden=[16]", "model.density.decoder=gaussian"]
OF_DENSITIES = {"nll"}
"""Metrics of models of one player."""
ELSEWHERE = {"stacked_modes"}
"""Metrics of one data set that is none of these."""
TRAINING = {"critic_refit"}
"""Metrics that train a network on the samples, and say so where it diverges."""
MOST = 128
CPU = torch.device("cpu")
DEVICES = [CPU, *(torch.device("cuda", k) for k in range(torch.cuda.device_count()))]
every = pytest.mark.parametrize("name", NAMES)


class Case(NamedTuple):
    metric: Metric
    subject: Subject
    run: Run
    state: State


def small(name: str) -> list[str]:
    """Overrides that make a metric quick: no number of examples or steps above MOST."""
    config = OmegaConf.load(YAMLS[NAMES.index(name)])
    long = {
        str(k): v for k, v in config.items() if isinstance(v, int) and not isinstance(v, bool) and v > MOST
    }
    return [f"metric.{name}.{key}={MOST}" for key in long]


@cache
def case(name: str, data: str, device: torch.device = CPU) -> Case | InputError:
    """A metric and an untrained generator, or what is said of that pair."""
    line = [*DATA[data], *(DENSITY if name in OF_DENSITIES else GAME), f"device={device}"]
    try:
        made: Experiment = experiment(plan(parse([*line, f"metric=[{name}]", *small(name)])).jobs[0].config)
        metric = made.metrics[name]
        metric.preflight()
    except InputError as refusal:
        return refusal
    run = Run(
        folder=Path("nowhere"),
        learner=made.plain,
        dataset=made.dataset,
        data=made.dataset.load(),
        streams=Streams(0, device),
        seed=0,
        steps=10,
        settings=made.settings,
        device=device,
        metrics=made.metrics,
    )
    state = made.plain.init(0, device)
    return Case(metric, subject(run, state, 4), run, state)


@cache
def measured(name: str, data: str) -> Measured:
    found = case(name, data)
    assert isinstance(found, Case)
    return found.metric.measure(found.subject)


def legal(name: str) -> dict[str, Case]:
    found = {data: case(name, data) for data in DATA}
    return {data: one for data, one in found.items() if isinstance(one, Case)}


@every
def test_a_yaml_names_every_argument_with_its_default(name: str) -> None:
    text = YAMLS[NAMES.index(name)].read_text()
    assert text.startswith(f"# @package metric.{name}\n# ")
    held: dict[Any, Any] = OmegaConf.to_container(OmegaConf.load(YAMLS[NAMES.index(name)]))  # type: ignore[assignment]
    parameters = dict(inspect.signature(get_class(held.pop("_target_"))).parameters)
    for filled in FILLED["metric"]:
        parameters.pop(filled, None)
    assert held.keys() == parameters.keys()
    for key, value in held.items():
        default = parameters[key].default
        assert value == (list(default) if isinstance(default, tuple) else default), key
        assert type(value) is type(default) or isinstance(default, tuple), key


@every
def test_a_metric_measures_some_data_and_refuses_others_in_one_line(name: str) -> None:
    if name not in ELSEWHERE:
        assert legal(name), [case(name, data) for data in DATA]
    for data in set(DATA) - set(legal(name)):
        refusal = str(case(name, data))
        assert "\n" not in refusal
        assert f"metric.{name}" in refusal, refusal


@every
def test_it_gives_the_finite_numbers_that_it_promises(name: str) -> None:
    for data, one in legal(name).items():
        found = measured(name, data)
        assert tuple(found.values) == one.metric.names
        for key, value in found.values.items():
            assert value.shape == (), key
            assert value.isfinite(), (data, key)
            if key.endswith("_error"):
                assert key.removesuffix("_error") in one.metric.names
                assert value >= 0
        assert all(value.ndim == 1 for value in found.per_example.values())


@every
@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_its_numbers_are_on_the_device_of_the_run(name: str, device: torch.device) -> None:
    """Whatever device torch makes tensors on by default, but for networks, which are moved."""
    for one in (case(name, data, device) for data in ("ring", "digits")):
        if isinstance(one, InputError):
            continue
        with torch.device(device if name in TRAINING else "meta"):
            found = one.metric.measure(one.subject)
        for key, value in (*found.values.items(), *found.per_example.items()):
            assert value.device == one.subject.streams.device, key


@every
def test_its_pictures_are_whole_rows_of_the_datas_shape(name: str) -> None:
    for data, one in legal(name).items():
        for sheet in measured(name, data).sheets.values():
            assert sheet.images.shape[1:] == one.subject.shape
            assert len(sheet.images) % sheet.columns == 0


@every
def test_it_says_what_it_does(name: str) -> None:
    for one in legal(name).values():
        about = one.metric.about
        assert about
        assert about == about.strip()
        assert "\n" not in about
        assert set(one.metric.better) <= set(one.metric.names)
        assert set(one.metric.better.values()) <= {"higher", "lower"}
        assert not any(key.endswith("_error") for key in one.metric.better)


def test_no_two_metrics_measure_under_one_name() -> None:
    taken = [*ModeCoverage._fields, "spread"]
    for name in NAMES:
        if found := legal(name):
            taken += next(iter(found.values())).metric.names
    assert len(taken) == len(set(taken))


@every
def test_it_measures_the_same_again_and_changes_nothing(name: str) -> None:
    for data, one in legal(name).items():
        first = measured(name, data)
        before = [leaf.clone() for leaf in tree_leaves(one.state)]
        table = np.array(one.run.data.images) if isinstance(one.run.data, Table) else None
        chance, other = torch.get_rng_state(), str(np.random.get_state())  # noqa: NPY002
        again = one.metric.measure(one.subject)
        assert torch.equal(chance, torch.get_rng_state()), "it drew from torch's global generator"
        assert other == str(np.random.get_state()), "it drew from numpy's"  # noqa: NPY002
        assert list(map(float, again.values.values())) == list(map(float, first.values.values()))
        assert all(map(torch.equal, before, tree_leaves(one.state)))
        assert all(not leaf.requires_grad and leaf.grad is None for leaf in tree_leaves(one.state))
        if table is not None:
            assert isinstance(one.run.data, Table)
            assert np.array_equal(table, one.run.data.images)
        assert all(not value.requires_grad for value in again.values.values())


def spoilt(draw: Callable[..., Tensor], value: float) -> Callable[..., Tensor]:
    """The same draws, all at one value."""
    return lambda *arguments: 0 * draw(*arguments) + value


@every
def test_a_collapsed_generator_has_numbers(name: str) -> None:
    for data, one in legal(name).items():
        case = one.subject
        found = one.metric.measure(
            replace(case, fake=spoilt(case.fake, 0.0), generate=spoilt(case.generate, 0.0))
        )
        assert tuple(found.values) == one.metric.names
        assert not any(value.isnan() for value in found.values.values()), (data, found)


@every
def test_a_generator_without_finite_samples_gives_no_traceback(name: str) -> None:
    for one in legal(name).values():
        case = one.subject
        broken = replace(case, fake=spoilt(case.fake, torch.nan), generate=spoilt(case.generate, torch.nan))
        if name in TRAINING:
            with pytest.raises(RunError, match=r"^[^\n]*$"):
                one.metric.measure(broken)
        else:
            assert tuple(one.metric.measure(broken).values) == one.metric.names
