"""Every configs/data/*.yaml against the class that it names."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf

from gan_cli.data.base import Dataset, Distribution, ImageSet, Table
from gan_cli.data.fake import Fake

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "data").glob("*.yaml"))
POINTS = ("ring", "grid", "mixture1d", "mixture", "gaussian")
OFFLINE = ("digits", "fake", *POINTS, "mnist", "fashion_mnist", "kmnist")
NAMES = (*OFFLINE, "cifar10", "stl10", "celeba", "torchvision", "image_folder", "stacked_mnist")


def config(name: str, **extra: Any) -> dict[str, Any]:
    path = CONFIGS[0].with_name(f"{name}.yaml")
    resolved = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    assert isinstance(resolved, dict)
    return {**resolved, **extra}


def make(name: str, **extra: Any) -> Dataset:
    dataset = instantiate(config(name, **extra), _convert_="all")
    assert isinstance(dataset, Dataset)
    return dataset


def test_every_set_has_its_config() -> None:
    # A run's generator needs a run; the JPEG files are an image folder at another place.
    assert sorted(path.stem for path in CONFIGS) == sorted([*NAMES, "run", "cifar10_jpeg75"])


@pytest.mark.parametrize("name", NAMES)
def test_a_config_holds_every_argument_with_its_default(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GAN_DATA", raising=False)
    held = config(name)
    cls = get_class(held.pop("_target_"))
    parameters = inspect.signature(cls).parameters
    assert held.keys() == parameters.keys()
    chosen = {"name", "split", "size", "default_steps"} if "args" in held else set()
    for key, value in held.items():
        default = parameters[key].default
        plain = list(default) if isinstance(default, tuple) else default
        if key not in chosen:
            nested = isinstance(value, list) and isinstance(value[0], list)
            expected = tuple(map(tuple, value)) if nested else value
            plain = tuple(plain) if nested else plain
            near = isinstance(value, list) and not nested
            assert plain == (pytest.approx(value) if near else expected), key


@pytest.mark.parametrize("name", NAMES)
def test_the_root_is_gan_data_or_data(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GAN_DATA", str(tmp_path))
    assert config(name).get("root", str(tmp_path)) == str(tmp_path)
    monkeypatch.delenv("GAN_DATA")
    monkeypatch.chdir(tmp_path)
    assert getattr(make(name), "root", str(tmp_path / "data")) == str(tmp_path / "data")


@pytest.mark.parametrize("name", NAMES)
def test_a_set_knows_its_shape_and_range_before_it_is_read(name: str) -> None:
    dataset = make(name)
    assert dataset.default_steps >= 1
    if dataset.kind == "points":
        assert len(dataset.shape) == 1
        assert dataset.pixel_range is None
    else:
        channels, height, width = dataset.shape
        assert channels in (1, 3)
        assert height == width
        assert dataset.pixel_range == (-1.0, 1.0)


@pytest.mark.parametrize("name", OFFLINE)
def test_the_shape_holds_after_reading(name: str, idx_root: Path) -> None:
    root = {"root": str(idx_root)} if "root" in config(name) else {}
    dataset = make(name, **root)
    dataset.preflight()
    data = dataset.load()
    if isinstance(data, Distribution):
        assert data.sample(torch.Generator(), 3).shape == (3, *dataset.shape)
        return
    assert isinstance(data, Table)
    assert tuple(data.images.shape[1:]) == dataset.shape
    assert data.images.dtype == np.uint8
    assert data.labels is not None
    assert data.labels.shape == (len(data),)
    assert data.labels.dtype == np.int64
    assert 0 <= data.labels.min() <= data.labels.max() < len(data.class_names)


@pytest.mark.parametrize("name", ["digits", "mnist", "fake"])
@pytest.mark.parametrize(("size", "channels"), [(8, 1), (20, 3)])
def test_size_and_channels_are_options(name: str, size: int, channels: int, idx_root: Path) -> None:
    root = {"root": str(idx_root)} if "root" in config(name) else {}
    data = make(name, size=size, channels=channels, **root).load()
    assert isinstance(data, Table)
    images = np.asarray(data.images)
    assert images.shape[1:] == (channels, size, size)
    if channels == 3 and name != "fake":
        assert np.array_equal(images[:, 0], images[:, 2])


def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    source, data = load_digits(), make("digits", size=8).load()
    assert isinstance(data, Table)
    assert data.labels is not None
    assert np.array_equal(data.labels, source.target)
    assert np.abs(np.asarray(data.images)[:, 0] - source.images * 255 / 16).max() <= 0.5
    assert data.images.max() == 255


@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (0.0, 1.0), (0.1, 0.9), (-0.5, 2.0)])
def test_prepare_maps_0_to_low_and_255_to_high(bounds: tuple[float, float]) -> None:
    raw = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    low, high = bounds
    seen = Fake(pixel_range=bounds).prepare(raw)
    assert seen.dtype == torch.float32
    expected = low + (high - low) * torch.arange(256, dtype=torch.float64).reshape(raw.shape) / 255
    torch.testing.assert_close(seen.double(), expected, rtol=0, atol=2e-7)
    assert math.isclose(seen.min(), low, abs_tol=1e-7)
    assert math.isclose(seen.max(), high, abs_tol=1e-7)
    assert raw.flatten().tolist() == list(range(256)), "prepare is pure"
    assert torch.equal(torch.vmap(Fake(pixel_range=bounds).prepare)(raw.expand(3, -1, -1, -1))[1], seen[0])


def test_the_usual_ranges_are_hit_exactly() -> None:
    raw = torch.tensor([0, 255], dtype=torch.uint8)
    assert Fake(pixel_range=(-1.0, 1.0)).prepare(raw).tolist() == [-1.0, 1.0]
    assert Fake(pixel_range=(0.0, 1.0)).prepare(raw).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("name", [n for n in NAMES if n not in POINTS])
@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"size": 0}, "size must be at least 1, got 0"),
        ({"channels": 2}, "channels must be one of 1, 3, got 2"),
        ({"pixel_range": [1, 0]}, r"pixel_range must be two numbers, low < high, got \[1, 0\]"),
        ({"pixel_range": [0, 1, 2]}, "pixel_range must be two numbers"),
        ({"pixel_range": [0, float("nan")]}, "pixel_range must be two numbers"),
        ({"default_steps": 0}, "default_steps must be at least 1, got 0"),
    ],
)
def test_images_refuse_what_is_out_of_range(name: str, extra: dict[str, Any], message: str) -> None:
    held = config(name, **extra)
    cls: Any = get_class(held.pop("_target_"))
    with pytest.raises(ValueError, match=message):
        cls(**held)


def test_fake_images_are_a_function_of_the_seed() -> None:
    a, b, c = (np.asarray(Fake(count=9, seed=seed).load().images) for seed in (1, 1, 2))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    assert {field.name for field in fields(ImageSet)} <= {field.name for field in fields(Fake)}
    with pytest.raises(ValueError, match="seed must be at least 0"):
        Fake(seed=-1)


def test_the_set_of_ones_own_in_the_docs_works() -> None:
    page = (CONFIGS[0].parents[2] / "docs" / "data.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    names = {"dataclass": dataclass, "ImageSet": ImageSet, "Table": Table, "np": np}
    exec(code, names)
    checkers: Any = names["Checkers"]
    data = checkers(size=16, channels=1).load()
    assert data.images.shape[1:] == checkers(size=16, channels=1).shape
    assert set(np.unique(data.images)) == {0, 255}
