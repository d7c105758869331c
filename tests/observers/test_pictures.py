from __future__ import annotations

import dataclasses
import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from gan_cli.data.base import Dataset, Table
from gan_cli.data.synthetic import Mixture1D, Ring
from gan_cli.observers.base import Run
from gan_cli.observers.canvas import grid_side, image_grid, to_pixels
from gan_cli.observers.examples import generate, latent_examples, real_examples
from gan_cli.observers.image_pictures import ImagePictures
from gan_cli.observers.plots import Field, Frame
from gan_cli.observers.png_files import PngFiles
from gan_cli.observers.point_pictures import PointPictures
from gan_cli.observers.recorder import Picture, Recorder
from tests.observers.toy import Noise, RawLoss, Toy, advance, begin, make_run


def opened(picture: Picture | Path) -> np.ndarray:
    source = io.BytesIO(picture.png) if isinstance(picture, Picture) else picture
    return np.asarray(Image.open(source))


@pytest.mark.parametrize(("size", "tile"), [(8, 64), (28, 56), (32, 64), (64, 64), (96, 96)])
def test_tiles_are_square_enlarged_by_a_whole_factor_and_apart(size: int, tile: int) -> None:
    images = torch.linspace(-1, 1, 5)[:, None, None, None].expand(5, 1, size, size)
    picture = image_grid(images, 3, (-1.0, 1.0))
    page = opened(picture)
    assert page.shape == (2 * tile + 6, 3 * tile + 8, 3) == (picture.height, picture.width, 3)
    for index, value in enumerate([0, 64, 128, 191, 255]):
        top, left = 2 + index // 3 * (tile + 2), 2 + index % 3 * (tile + 2)
        assert (page[top : top + tile, left : left + tile] == value).all()
    assert (page[:2] == 255).all()
    assert (page[2 + tile : 4 + tile] == 255).all()


def test_pixels_are_enlarged_without_smoothing() -> None:
    image = torch.rand(1, 3, 8, 8)
    page = opened(image_grid(image, 1, (0.0, 1.0)))[2:-2, 2:-2]
    assert np.array_equal(page[::8, ::8], to_pixels(image, (0.0, 1.0))[0].numpy())
    assert np.array_equal(page[::8, ::8].repeat(8, 0).repeat(8, 1), page)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_any_number_of_channels_is_shown_and_bad_values_are_clipped(channels: int) -> None:
    image = torch.full((1, channels, 1, 3), 0.5)
    image[..., 0], image[..., 1] = 7.0, float("nan")
    pixels = to_pixels(image, (0.0, 1.0))[0, 0]
    shown = 3 if channels == 1 else min(channels, 3)
    assert pixels[:, :shown].T.tolist() == [[255, 0, 128]] * shown
    assert (pixels[:, shown:] == 0).all()


def test_a_grid_of_large_images_has_fewer_tiles() -> None:
    assert [grid_side((3, s, s)) for s in (8, 64, 128, 256, 1024)] == [8, 8, 8, 4, 2]


def draw(folder: Path, dataset: Dataset, learner: Toy | None = None, steps: int = 20) -> Run:
    run = make_run(folder, dataset, learner, steps=steps)
    recorder = Recorder([PngFiles()])
    pictures = ImagePictures(recorder) if dataset.kind == "image" else PointPictures(recorder)
    advance(run, begin(run)[1], [recorder, pictures], steps)
    return run


def test_images_are_drawn_from_the_same_latents_each_time(tmp_path: Path) -> None:
    still = Toy((1, 8, 8))
    play = still.play
    object.__setattr__(still, "play", lambda state, batches: (state, play(state, batches)[1]))
    run = draw(tmp_path, Noise(), still)
    names = {path.name for path in (tmp_path / "samples").iterdir()}
    steps = {f"{name}_{step:06d}.png" for name in ("step", "interpolation") for step in (10, 20)}
    assert names == steps | {"real.png"}
    pages = [opened(tmp_path / "samples" / f"step_{step:06d}.png") for step in (10, 20)]
    assert np.array_equal(pages[0], pages[1])
    images = generate(run, still.init(run.seed), latent_examples(run, 64, "samples"))
    assert np.array_equal(pages[0], opened(image_grid(images, 8, (-1.0, 1.0))))
    assert np.array_equal(
        opened(tmp_path / "samples" / "real.png"),
        opened(image_grid(real_examples(run, 64, "samples/real"), 8, (-1.0, 1.0))),
    )


def test_real_examples_are_prepared_distinct_and_the_same_again(tmp_path: Path) -> None:
    run = make_run(tmp_path, Noise())
    assert isinstance(run.data, Table)
    few = real_examples(run, 10, "a")
    assert few.shape == (10, 1, 8, 8)
    assert few.min() >= -1
    assert len(few.unique(dim=0)) == 10
    assert torch.equal(few, real_examples(run, 10, "a"))
    assert not torch.equal(few, real_examples(run, 10, "b"))
    assert len(real_examples(run, 100, "a")) == 40
    as_tensor = dataclasses.replace(run, data=Table(torch.from_numpy(np.asarray(run.data.images))))
    assert torch.equal(few, real_examples(as_tensor, 10, "a"))


class Cloud(Ring):
    """Points in four dimensions, as a table."""

    @property
    def shape(self) -> tuple[int, ...]:
        return (4,)

    def load(self) -> Table:  # type: ignore[override]
        return Table(torch.randn(300, 4, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(
    ("dataset", "learner"),
    [
        (Ring(), Toy()),
        (Ring(), Toy(loss=RawLoss())),
        (Mixture1D(), Toy((1,))),
        (Mixture1D(), Toy((1,), loss=RawLoss())),
        (Cloud(), Toy((4,))),
    ],
    ids=["2-D", "2-D raw", "1-D", "1-D raw", "4-D"],
)
def test_points_of_every_kind_are_drawn(tmp_path: Path, dataset: Dataset, learner: Toy) -> None:
    draw(tmp_path, dataset, learner, steps=10)
    (path,) = (tmp_path / "samples").iterdir()
    page = opened(path)
    assert path.name == "step_000010.png"
    assert page.shape[:2] == (594, 704)
    assert len(np.unique(page.reshape(-1, page.shape[2]), axis=0)) > 20, "something is on it"


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e30])
@pytest.mark.parametrize(("dataset", "shape"), [(Ring(), (2,)), (Mixture1D(), (1,))])
def test_points_that_are_far_or_not_finite_do_not_stop_a_plot(
    tmp_path: Path, value: float, dataset: Dataset, shape: tuple[int, ...]
) -> None:
    learner = Toy(shape)
    object.__setattr__(learner, "sample", lambda state, latent: torch.full((len(latent), *shape), value))
    draw(tmp_path, dataset, learner, steps=10)
    assert len(list((tmp_path / "samples").iterdir())) == 1


def test_a_frame_is_square_holds_the_data_and_knows_what_it_misses() -> None:
    real = torch.tensor([[0.0, 0.0], [2.0, 1.0]])
    frame = Frame.around(real)
    assert frame.outside(real.double().numpy()) == 0
    assert frame.outside(np.array([[1.0, 0.5], [9.0, 0.5]])) == 0.5
    sides = [high - low for low, high in zip(frame.low, frame.high, strict=True)]
    assert sides[0] == pytest.approx(sides[1])
    mesh: Tensor = frame.mesh(3)
    assert mesh.shape == (9, 2)
    assert mesh[0].tolist() == pytest.approx(frame.low)
    assert mesh[1, 1] == mesh[0, 1], "rows of equal y"
    assert mesh[-1].tolist() == pytest.approx(frame.high)


def test_colours_are_even_about_no_difference() -> None:
    low, high = Field(np.array([-1.0, 9.0]), True).limits
    assert low == -high
    raw = Field(np.linspace(3, 4, 100), False)
    assert raw.limits[0] == pytest.approx(3.02)
    assert (raw.label, Field(raw.values, True).label) == ("the critic's score", "ln p/q by the critic")


class Certain(RawLoss):
    """A loss for which every score is past what any ratio gives, as LSGAN's is below its target for fakes."""

    def log_ratio(self, score: Tensor) -> Tensor | None:
        return torch.full_like(score, -math.inf)


def test_a_certain_critic_is_drawn_as_certain(tmp_path: Path) -> None:
    """−∞ is the far end of the colours, not a hole."""
    dataset = Ring(std=0.2)
    run = make_run(tmp_path, dataset, Toy(dataset.shape, loss=Certain()))
    observer, state = PointPictures(Recorder([])), begin(run)[1]
    observer.start(run, state)
    field = observer._field(state)
    assert field is not None
    assert field.is_log_ratio
    assert np.isfinite(field.values).all()
