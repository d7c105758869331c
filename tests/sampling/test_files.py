"""What is written: pages, npz, folders of images, animations."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image

from gan_cli.errors import InputError
from gan_cli.sampling import animation, sheet, writing
from gan_cli.sampling.neighbours import neighbours
from gan_cli.sampling.options import SAMPLE, stem


def images(n: int = 5, channels: int = 1, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (n, 6, 7, channels), dtype=np.uint8)


def test_an_npz_in_parts_is_the_whole(tmp_path: Path) -> None:
    whole, path = images(5, 3), tmp_path / "new folder" / "x.npz"
    writing.write_npz(path, iter([whole[:3], whole[3:]]), whole.shape)
    with np.load(path) as found:
        assert found.files == ["arr_0"]
        np.testing.assert_array_equal(found["arr_0"], whole)
    first = path.read_bytes()
    writing.write_npz(path, [whole], whole.shape)
    assert path.read_bytes() == first
    points = np.arange(6, dtype=np.float32).reshape(3, 2)
    writing.write_npz(path, [points], points.shape)
    np.testing.assert_array_equal(np.load(path)["arr_0"], points)
    assert [file.name for file in path.parent.iterdir()] == ["x.npz"]


def test_a_failed_npz_leaves_the_old_one(tmp_path: Path) -> None:
    path, whole = tmp_path / "x.npz", images()
    writing.write_npz(path, [whole], whole.shape)
    before = path.read_bytes()

    def broken() -> Iterator[writing.Array]:
        yield whole
        raise RuntimeError

    with pytest.raises(RuntimeError):
        writing.write_npz(path, broken(), (10, 6, 7, 1))
    with pytest.raises(ValueError, match="parts must be 10 samples, got 5"):
        writing.write_npz(path, [whole], (10, 6, 7, 1))
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_a_folder_of_images(tmp_path: Path, channels: int) -> None:
    whole, folder = images(5, channels), tmp_path / "x"
    for _ in range(2):  # the same command once more
        writing.write_pngs(folder, [whole[:2], whole[2:]])
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == [f"{n:06d}.png" for n in range(5)]
    found = np.stack([np.asarray(Image.open(file)).reshape(6, 7, channels) for file in files])
    np.testing.assert_array_equal(found, whole)
    assert list(tmp_path.iterdir()) == [folder]


def test_levels_keep_the_channels() -> None:
    x = torch.tensor([-1.0, 0.0, 1.0, 3.0, torch.nan, 0.5]).reshape(1, 2, 1, 3)
    assert sheet.levels(x, (-1.0, 1.0)).tolist() == [[[[0, 255], [128, 0], [255, 191]]]]


def test_a_page_places_every_tile() -> None:
    tiles = torch.from_numpy(images(5, 3))
    paper = np.asarray(sheet.page(tiles, 3))
    assert paper.shape == (2 * 8 + 2, 3 * 9 + 2, 3)
    np.testing.assert_array_equal(paper[10:16, 11:18], tiles[4].numpy())
    assert (paper[10:16, 20:27] == 255).all()  # no sixth
    spaced = np.asarray(sheet.page(tiles[:3], 3, captions=["1", "2", "3"], gaps=[0]))
    assert spaced.shape[1] > paper.shape[1]
    assert (spaced[8:] < 255).any()  # the captions
    with pytest.raises(InputError, match="n=50000: a page holds"):
        sheet.refuse_huge(50000, (3, 32, 32), "n=50000", "set format=npz")


@pytest.mark.parametrize("part", [1, 7, 100])
def test_neighbours_are_those_of_all_pairs(part: int) -> None:
    chance = torch.Generator().manual_seed(0)
    x, y = torch.rand(9, 1, 4, 4, generator=chance), torch.rand(23, 1, 4, 4, generator=chance)
    y[17] = x[2]
    found = neighbours(x, y.split(part), 4)
    distances = torch.cdist(x.flatten(1).double(), y.flatten(1).double())
    expected, index = distances.sort(1)
    torch.testing.assert_close(found.distances, expected[:, :4], atol=1e-6, rtol=1e-6)
    assert torch.equal(found.examples, y[index[:, :4]])
    assert float(found.distances[2, 0]) == 0
    assert neighbours(x, y[:2].split(1), 4).examples.shape == (9, 2, 1, 4, 4)


# --- animations -------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for step in (0, 500, 1000, 20000):
        (tmp_path / "samples").mkdir(exist_ok=True)
        picture = Image.new("RGB", (40, 30), (step % 251, 0, 0))
        picture.save(tmp_path / f"samples/step_{step:06d}.png")
        picture.save(tmp_path / f"samples/interpolation_{step:06d}.png")
    Image.new("RGB", (9, 9)).save(tmp_path / "samples/real.png")
    return tmp_path


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_an_animation_has_every_frame_in_order(run: Path, kind: Literal["gif", "webp"]) -> None:
    frames = animation.saved(run, "step")
    assert [step for step, _ in frames] == [0, 500, 1000, 20000]
    with Image.open(io.BytesIO(animation.animation(frames, kind, 60, numbered=False))) as found:
        assert (found.format, found.size) == (kind.upper(), (40, 30))
        assert found.n_frames == 4  # type: ignore[attr-defined]
        assert found.info["loop"] == 0
        reds, waits = [], []
        for number in range(4):
            found.seek(number)
            found.load()
            reds.append(found.convert("RGB").getpixel((20, 10))[0])  # type: ignore[index]
            waits.append(found.info["duration"])
    assert reds == [0, 500 % 251, 1000 % 251, 20000 % 251]
    if kind == "gif":
        assert waits == [60, 60, 60, 300]


def test_the_step_is_written_below(run: Path) -> None:
    frames = animation.saved(run, "interpolation")
    with Image.open(io.BytesIO(animation.animation(frames, "gif", 60, numbered=True))) as found:
        assert found.size[0] == 40
        assert found.size[1] > 40
        strip = np.asarray(found.convert("L"))[30:]
    assert strip.min() < 100
    assert strip.max() == 255


def test_what_cannot_be_animated(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'step'.*there are interpolation, step"):
        animation.saved(run, "steps")
    with pytest.raises(InputError, match="no pictures of steps"):
        animation.saved(run / "samples", "step")
    Image.new("RGB", (41, 30)).save(run / "samples/step_000500.png")
    with pytest.raises(InputError, match="41×30 pixels, the first picture 40×30"):
        animation.animation(animation.saved(run, "step"), "gif", 60, numbered=True)
    (run / "samples/step_000000.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="no picture that can be read"):
        animation.animation(animation.saved(run, "step"), "gif", 60, numbered=True)


def test_thinning_keeps_both_ends() -> None:
    frames = [(step, Path()) for step in range(100)]
    for most in (2, 3, 7, 99):
        steps = [step for step, _ in animation.thinned(frames, most)]
        assert (steps[0], steps[-1], len(set(steps))) == (0, 99, most)
    assert animation.thinned(frames, None) == frames
    assert animation.thinned(frames, 1) == frames[-1:]


def test_animations_and_options_need_no_torch(subprocess_environment: dict[str, str]) -> None:
    code = (
        "import sys, gan_cli.sampling.animation, gan_cli.sampling.options; sys.exit('torch' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], env=subprocess_environment, check=False).returncode == 0
    )


# --- names ------------------------------------------------------------------------------------------------


def test_different_commands_have_different_names() -> None:
    defaults: dict[str, Any] = dict.fromkeys(SAMPLE.keys) | {"what": "grid", "seed": 0, "method": "plain"}
    more: list[dict[str, Any]] = [
        {},
        {"seed": 1},
        {"n": 65},
        {"method": "drs"},
        {"truncation": 0.5},
        {"numbers": True},
        {"what": "arithmetic", "expression": "a-b"},
        {"what": "arithmetic", "expression": "a+b"},
        {"what": "arithmetic", "expression": "a + b", "a": [1, 23]},
        {"what": "arithmetic", "expression": "a + b", "a": [12, 3]},
        {"what": "arithmetic", "expression": "a + b", "a": "label:3"},
        {"what": "arithmetic", "a": list(range(100))},
        {"what": "arithmetic", "a": list(range(101))},
    ]
    names = [stem(defaults | one | {"format": "png"}, defaults, 500, "") for one in more]
    assert len(set(names)) == len(names)
    assert names[0] == "grid-000500-seed0"
    assert all(len(name) < 180 and not set(name) & set(" /:[]") for name in names)
    assert stem(defaults | {"format": "npz"}, defaults, 5, "ab") == "samples-000005-ab-seed0"
