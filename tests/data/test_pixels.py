"""Images of every size and mode become uint8 of the size and channels asked for."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gan_cli.data.pixels import from_grey, to_pixels


def noise(height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_an_image_of_the_right_size_is_not_touched() -> None:
    pixels = noise(16, 16)
    assert np.array_equal(to_pixels(Image.fromarray(pixels), 16, 3), pixels.transpose(2, 0, 1))
    grey = noise(16, 16, 1)
    assert np.array_equal(to_pixels(Image.fromarray(grey), 16, 1), grey[None])
    assert np.array_equal(to_pixels(Image.fromarray(grey), 16, 3), np.stack([grey] * 3))


@pytest.mark.parametrize(("height", "width"), [(16, 40), (40, 16)])
def test_crop_keeps_the_central_square(height: int, width: int) -> None:
    pixels = noise(height, width)
    top, left = (height - 16) // 2, (width - 16) // 2
    expected = pixels[top : top + 16, left : left + 16].transpose(2, 0, 1)
    assert np.array_equal(to_pixels(Image.fromarray(pixels), 16, 3, "crop"), expected)


def test_squash_keeps_all_of_the_image() -> None:
    pixels = np.zeros((16, 64), np.uint8)
    pixels[:, 48:] = 255
    assert to_pixels(Image.fromarray(pixels), 16, 1, "squash")[0, 8, 13] == 255
    assert to_pixels(Image.fromarray(pixels), 16, 1, "crop").max() == 0


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "I;16", "F"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_is_read(mode: str, channels: int) -> None:
    if mode in ("I", "I;16"):
        image = Image.fromarray(np.full((9, 9), 0x8040, np.int32 if mode == "I" else np.uint16))
        assert image.mode == mode
        assert set(to_pixels(image, 5, channels).flatten()) == {0x80}
        return
    pixels = to_pixels(Image.new("RGB", (9, 9), "white").convert(mode), 5, channels)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (channels, 5, 5)
    assert pixels.min() >= 254


def test_what_is_transparent_becomes_white() -> None:
    image = Image.new("RGBA", (4, 4), (10, 20, 30, 0))
    image.putpixel((0, 0), (10, 20, 30, 255))
    pixels = to_pixels(image, 4, 3)
    assert pixels[:, 0, 0].tolist() == [10, 20, 30]
    assert pixels[:, 1, 1].tolist() == [255, 255, 255]


def test_the_orientation_of_a_photograph_is_obeyed() -> None:
    upright = Image.fromarray(noise(8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    buffer = io.BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).save(buffer, "PNG", exif=exif)
    assert np.array_equal(to_pixels(Image.open(buffer), 8, 3), noise(8, 8).transpose(2, 0, 1))


def test_a_large_jpeg_is_close_to_its_full_decoding() -> None:
    smooth = Image.fromarray(noise(8, 8)).resize((512, 384), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    smooth.save(buffer, "JPEG", quality=95)
    seen = to_pixels(Image.open(buffer), 32, 3).astype(int)
    whole = to_pixels(Image.open(buffer).convert("RGB"), 32, 3).astype(int)
    assert np.abs(seen - whole).mean() < 2


def test_grey_arrays_are_stacked_and_resized() -> None:
    images = noise(5, 8 * 8, 1).reshape(5, 8, 8)
    assert np.array_equal(from_grey(images, 8, 1), images[:, None])
    assert from_grey(images, 12, 3).shape == (5, 3, 12, 12)
    assert from_grey(np.full((2, 8, 8), 77, np.uint8), 13, 1).min() == 77
