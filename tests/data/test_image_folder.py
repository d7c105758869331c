"""Folders and archives of images: decoded once, in order, labelled, and refused in one line when damaged."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gan_cli.data.celeba import CelebA
from gan_cli.data.image_folder import ImageFolder
from gan_cli.data.pixels import to_pixels
from gan_cli.errors import InputError

Files = dict[str, bytes]
Pack = Callable[[str, Files], Path]
FORMS = ("x", "x.tar", "x.tar.gz", "x.tar.xz", "x.tar.bz2", "x.zip")


def expected(images: Files, size: int = 8, channels: int = 3) -> NDArray[np.uint8]:
    named = [data for name, data in images.items() if name.lower().endswith((".png", ".jpg")) and data]
    return np.stack([to_pixels(Image.open(io.BytesIO(data)), size, channels) for data in named])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_form_holds_the_same_images(
    form: str, channels: Literal[1, 3], images: Files, pack: Pack
) -> None:
    dataset = ImageFolder(root=str(pack(form, images)), size=8, channels=channels)
    dataset.preflight()
    data = dataset.load()
    assert data.images.shape[1:] == dataset.shape
    assert np.array_equal(data.images, expected(images, 8, channels))
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert data.class_names == ("ant", "bee")


def test_a_cache_is_made_once_and_mapped(images: Files, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    root = pack("x.zip", images)
    first = ImageFolder(root=str(root), size=8).load()

    def not_again(*_: object) -> None:
        raise AssertionError("decoded twice")

    monkeypatch.setattr("gan_cli.data.decoded.to_pixels", not_again)
    again = ImageFolder(root=str(root), size=8).load()
    assert isinstance(again.images, np.memmap)
    assert np.array_equal(first.images, again.images)
    assert [path.name for path in root.parent.iterdir() if path.is_dir()] == [".gan-train-cache"]
    monkeypatch.undo()
    for other in ({"size": 9}, {"channels": 1}, {"fit": "squash"}, {"subfolder": "set/ant"}):
        changed = ImageFolder(**{"root": str(root), "size": 8, **other}).load()  # type: ignore[arg-type]
        assert not np.array_equal(changed.images, first.images)


@pytest.mark.parametrize("form", ["x", "x.tar"])
def test_changed_images_are_read_anew(form: str, images: Files, pack: Pack) -> None:
    root = pack(form, images)
    before = len(ImageFolder(root=str(root), size=8).load())
    pack(form, {**images, "set/bee/new.png": images["set/ant/deep/1.png"]})
    assert len(ImageFolder(root=str(root), size=8).load()) == before + 1


def test_where_the_cache_lies(images: Files, pack: Pack, own_cache: Path, tmp_path: Path) -> None:
    root = pack("x.tar", images)
    ImageFolder(root=str(root), size=8, cache=str(tmp_path / "chosen")).load()
    assert len(list((tmp_path / "chosen").iterdir())) == 1
    root.parent.chmod(0o555)
    ImageFolder(root=str(root), size=8).load()
    assert len(list(own_cache.iterdir())) == 1
    assert list(root.parent.iterdir()) == [root]
    own_cache.chmod(0o555)
    with pytest.raises(InputError, match=r"cannot write the decoded images to .*: set data.cache=<folder>"):
        ImageFolder(root=str(root), size=9).load()
    root.parent.chmod(0o755)


@pytest.mark.parametrize("form", ["x", "x.tar.gz", "x.zip"])
def test_an_unreadable_image_is_named_or_left_out(
    form: str, images: Files, pack: Pack, caplog: pytest.LogCaptureFixture
) -> None:
    bad, cut = "set/bee/broken.png", "set/ant/cut.jpg"
    damaged = dict(sorted({**images, bad: b"no image", cut: images["set/ant/deep/0.JPG"][:200]}.items()))
    root = str(pack(form, damaged))
    with pytest.raises(InputError, match=r"cannot read set/ant/cut\.jpg in data\.root=.*on_bad_image=skip"):
        ImageFolder(root=root, size=8).load()
    with pytest.raises(InputError, match=r"cannot read set/ant/cut\.jpg"):
        ImageFolder(root=root, size=8).preflight()
    skipping = ImageFolder(root=root, size=8, on_bad_image="skip")
    skipping.preflight()
    with caplog.at_level(logging.WARNING):
        data = skipping.load()
    assert np.array_equal(data.images, expected(images))
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert "left out 2 images" in caplog.text
    assert cut in caplog.text


@pytest.mark.parametrize("form", FORMS)
def test_no_image_is_one_line(form: str, pack: Pack) -> None:
    for files in ({"README.txt": b"words"}, {".hidden/x.png": b"", "__MACOSX/x.png": b""}):
        with pytest.raises(InputError, match=r"no images in data\.root="):
            ImageFolder(root=str(pack(form, files))).preflight()
    root = str(pack(form, {"a/x.png": b"no image", "a/y.png": b"nor this"}))
    with pytest.raises(
        InputError, match=r"no readable image in data\.root=.*2 cannot be read, the first a/x\.png"
    ):
        ImageFolder(root=root, on_bad_image="skip").load()


@pytest.mark.parametrize("form", FORMS[1:])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.9])
def test_a_cut_archive_is_one_line(form: str, part: float, images: Files, pack: Pack) -> None:
    path = pack(form, images)
    whole = path.read_bytes()
    # A plain archive ends in zeros that it could do without, and is cut at a block, where entries end, too.
    block, length = (512, len(whole.rstrip(b"\0"))) if form == "x.tar" else (1, len(whole))
    path.write_bytes(whole[: int(length * part) // block * block])
    with pytest.raises(InputError, match=r"data\.root=.* cannot be read as an archive") as raised:
        ImageFolder(root=str(path), size=8).load()
    assert "\n" not in str(raised.value)
    left = [p for p in path.parent.rglob("*") if p.is_file() and p != path]
    assert left == [], "nothing half-made stays"


@pytest.mark.parametrize("form", ["x.tar.gz", "x.tar.xz", "x.zip"])
def test_flipped_bytes_are_noticed(form: str, images: Files, pack: Pack) -> None:
    path = pack(form, images)
    data = bytearray(path.read_bytes())
    middle = data.index(b"set/ant/deep/3.png") + 60 if form == "x.zip" else len(data) // 2
    data[middle : middle + 8] = bytes(255 - b for b in data[middle : middle + 8])
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"cannot be read"):
        ImageFolder(root=str(path), size=8).load()


def test_what_is_not_there_or_no_archive_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"data\.root={tmp_path}/none does not exist"):
        ImageFolder(root=str(tmp_path / "none")).preflight()
    (tmp_path / "text.tar").write_text("words")
    with pytest.raises(InputError, match="cannot be read as an archive"):
        ImageFolder(root=str(tmp_path / "text.tar")).preflight()


def test_a_subfolder_is_a_set_of_its_own(images: Files, pack: Pack) -> None:
    root = str(pack("x.tar", images))
    bees = ImageFolder(root=root, size=8, subfolder="set/bee/").load()
    assert np.array_equal(bees.images, expected(images)[4:])
    assert bees.labels is None
    with pytest.raises(InputError, match=r"no images in data\.root=.* below data\.subfolder=set/be"):
        ImageFolder(root=root, size=8, subfolder="set/be").preflight()


def test_links_are_followed_once_and_may_dangle(images: Files, pack: Pack, tmp_path: Path) -> None:
    root = pack("x", images)
    (root / "set" / "loop").symlink_to(root)
    (root / "set" / "ant" / "gone.png").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match=r"cannot read set/ant/gone\.png"):
        ImageFolder(root=str(root), size=8).load()
    assert len(ImageFolder(root=str(root), size=8, on_bad_image="skip").load()) == 7


def test_a_folder_that_cannot_be_read_is_named(
    images: Files, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, scan = pack("x", images), os.scandir

    def forbid(path: str) -> Any:
        if str(path).endswith("bee"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", forbid)
    with pytest.raises(InputError, match=rf"cannot read the folder {root}/set/bee: Permission denied"):
        ImageFolder(root=str(root), size=8).load()


def test_a_relative_root_is_taken_from_the_current_folder(
    images: Files, pack: Pack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = pack("x", images)
    monkeypatch.chdir(root.parent)
    dataset = ImageFolder(root="x", size=8)
    monkeypatch.chdir(tmp_path)
    assert len(dataset.load()) == 7


@pytest.mark.parametrize("form", ["celeba/img_align_celeba", "celeba/img_align_celeba.zip"])
def test_celeba_is_split_by_number(form: str, images: Files, tmp_path: Path, pack: Pack) -> None:
    faces = [data for name, data in images.items() if name.endswith((".png", ".JPG")) and data]
    numbers = (1, 162770, 162771, 182637, 182638, 202599)
    inside = {f"img_align_celeba/{n:06}.jpg": faces[k] for k, n in enumerate(numbers)}
    (tmp_path / "packed").mkdir()
    if form.endswith(".zip"):
        pack(form, inside)
    else:
        pack("celeba", inside)
    root = str(tmp_path / "packed")
    for split, rows in (("train", [0, 1]), ("valid", [2, 3]), ("test", [4, 5]), ("all", range(6))):
        dataset = CelebA(root=root, split=split, size=8)  # type: ignore[arg-type]
        dataset.preflight()
        assert np.array_equal(dataset.load().images, expected({f"{k}.png": faces[k] for k in rows}))


def test_celeba_that_is_not_there_is_one_line(tmp_path: Path, no_network: None) -> None:
    with pytest.raises(
        InputError, match=r"expected .*celeba/img_align_celeba\[\.zip\].*download failed"
    ) as raised:
        CelebA(root=str(tmp_path / "none")).preflight()
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "none").exists()
