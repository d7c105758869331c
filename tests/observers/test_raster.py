"""Plots as pixels: each thing lies where its numbers say."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c as tensorboards

from gan_cli.observers.crc import masked_crc32c
from gan_cli.observers.raster import Box, Page, ticks

BOX = Box(10, 20, 100, 100, (0.0, 1.0), (-1.0, 1.0))


def pixels(page: Page) -> NDArray[np.int64]:
    image = np.asarray(Image.open(io.BytesIO(page.png().png)), dtype=np.int64)
    return image[BOX.top : BOX.top + BOX.height, BOX.left : BOX.left + BOX.width]


def test_a_point_is_a_disc_about_its_place() -> None:
    page = Page(150, 150)
    page.points(BOX, np.array([[0.255, 0.51]]), "black", 4.0)  # the middle of pixel (25, 24)
    ink = (255 - pixels(page)).sum(-1) / 3 / 255 / 0.85
    assert ink.sum() == pytest.approx(math.pi * 3.75**2, rel=0.05), "without its white edge"
    rows, columns = np.indices(ink.shape)
    assert (ink * columns).sum() / ink.sum() == pytest.approx(25, abs=0.02)
    assert (ink * rows).sum() / ink.sum() == pytest.approx(24, abs=0.02)


def test_each_point_of_a_crowd_is_seen() -> None:
    page, x = Page(150, 150), np.random.default_rng(0).uniform((0.1, -0.8), (0.9, 0.8), (60, 2))
    page.points(BOX, x, "black", 3.0)
    seen = pixels(page)
    rows, columns = BOX.rows(x[:, 1]).astype(int), BOX.columns(x[:, 0]).astype(int)
    assert (seen[rows, columns].max(-1) < 80).all()


def test_later_points_lie_over_earlier_ones_and_far_ones_nowhere() -> None:
    page = Page(150, 150)
    page.points(BOX, np.array([[0.505, 0.0], [math.nan, 0], [1e30, 0], [-5, 0], [0.5, math.inf]]), "red", 6)
    page.points(BOX, np.array([[0.505, 0.0]]), "blue", 3.0)
    seen = pixels(page)
    assert seen[50, 50, 2] > 200 > 60 > seen[50, 50, 0], "blue in the middle"
    assert seen[50, 55, 0] > 200 > 60 > seen[50, 55, 2], "red around"
    assert (seen.sum(-1) < 700).sum() < 130, "one disc of radius 6"


def test_a_field_has_its_first_row_at_the_bottom() -> None:
    page = Page(150, 150)
    values = np.array([[-5.0, 5.0], [5.0, np.nan]])
    page.field(BOX, values, (-5.0, 5.0))
    seen = pixels(page)
    red, blue = seen[99, 0], seen[99, 99]
    assert red[0] > red[2]
    assert blue[2] > blue[0]
    assert np.array_equal(seen[0, 0], blue)
    assert np.ptp(seen[0, 99]) < 10, "no value is neither"


def test_a_curve_goes_through_its_values_and_a_fill_ends_there() -> None:
    page = Page(150, 150)
    page.curve(BOX, np.full(100, 0.5), "black", 2.0)
    ink = 255 - pixels(page)[:, 50, 0]
    assert np.nonzero(ink > 200)[0].tolist() == [24, 25], "a quarter below the top, two pixels wide"
    page = Page(150, 150)
    page.fill(BOX, np.full(100, 0.5), "black", 1.0)
    ink = 255 - pixels(page)[:, 50, 0]
    assert ink[:25].max() == 0
    assert ink[25:].min() == 255


@pytest.mark.parametrize(("low", "high"), [(-2.6, 2.6), (0, 1e-3), (100, 103), (-1e6, 5e6), (0.1, 0.7)])
def test_ticks_are_round_inside_and_neither_few_nor_many(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 3 <= len(found) <= 9
    assert low <= found[0] < found[-1] <= high
    steps = np.diff(found)
    assert steps == pytest.approx(steps[0])
    assert f"{steps[0]:.0e}"[0] in "125"


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 8, 100, 1023, 1024, 1025, 1027, 2048, 5000])
def test_the_checksum_is_tensorboards(length: int) -> None:
    data = np.random.default_rng(length).bytes(length)
    assert masked_crc32c(data) == tensorboards(data)
