"""The page is one file that loads nothing, holds what runs hold, and stays small."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gan_cli.comparison import images, report
from gan_cli.comparison.report import thinned
from tests.comparison.conftest import Tabled
from tests.comparison.planted import plant, sweep


class Parts(HTMLParser):
    """Every element with its attributes, and the text of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append((self.elements[-1][0] if self.elements else "", data))


def content(page: str) -> Any:
    """The data that the page draws."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_what_the_page_is_made_of_is_in_the_wheel() -> None:
    root = Path(__file__).parents[2]
    patterns = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    folder = root / "gan_cli/comparison"
    held = {path for pattern in patterns["gan_cli.comparison"] for path in folder.glob(pattern)}
    files = {path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert held == files


def test_nothing_is_loaded_from_anywhere(tmp_path: Path, tabled: Tabled) -> None:
    sweep(tmp_path, 3)
    page = report.page(tabled(), None, [])
    parts = Parts(page)
    addresses = [
        value
        for _, attributes in parts.elements
        for name, value in attributes.items()
        if name in ("src", "href", "action", "srcset", "data")
    ]
    assert addresses == ["data:,"]
    style = "".join(text for tag, text in parts.texts if tag == "style")
    assert "url(" not in style
    assert "@import" not in style
    script = page.rsplit("<script>", 1)[1]
    assert not re.search(r"fetch\(|XMLHttpRequest|WebSocket|import\(|innerHTML|eval\(", script)
    assert not any(name.startswith("on") for _, attributes in parts.elements for name in attributes)


def test_the_policy_admits_the_pages_own_script_and_style_alone(tmp_path: Path, tabled: Tabled) -> None:
    plant(tmp_path / "a")
    page = report.page(tabled(), None, [])
    (policy,) = [a["content"] or "" for _, a in Parts(page).elements if "http-equiv" in a]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag in ("style", "script"):
        text = page.split(f"<{tag}>", 1)[1].split(f"</{tag}>", 1)[0]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_what_settings_hold_stays_text(tmp_path: Path, tabled: Tabled) -> None:
    evil = "</script><script>alert(1)</script><!--SCRIPT--><img src=x onerror=alert(2)>"
    plant(tmp_path / "<b>x", {"model.activation": evil})
    plant(tmp_path / "y")
    page = report.page(tabled(), None, [evil])
    assert "<img" not in page
    assert page.count("<script") == page.count("</script>") == 2
    assert content(page)["notes"] == [evil]


def test_the_data_are_the_runs(tmp_path: Path, tabled: Tabled) -> None:
    sweep(tmp_path, 12, points=20)
    data = content(report.page(tabled(), None, [], "best", "run"))
    assert [run["name"] for run in data["runs"]] == [str(n) for n in range(12)]
    assert sorted(n for group in data["groups"] for n in group["runs"]) == list(range(12))
    assert (data["which"], data["by"]) == ("best", "run")
    shared, own = dict(data["common"]), [dict(run["config"]) for run in data["runs"]]
    assert shared["model.width"] == "64"
    assert [one["seed"] for one in own] == [str(n // 5) for n in range(12)]
    assert set(data["curves"]["values"]) == {
        "spread",
        "modes_covered",
        "generator/loss",
        "critic/loss",
        "divergence/bound",
    }
    assert data["curves"]["steps"] == [[20 * (k + 1) for k in range(20)]]
    for run in data["runs"]:
        address, width, height = run["picture"]
        shown = Image.open(io.BytesIO(base64.b64decode(address.split(",")[1])))
        assert shown.size == (width, height) == (200, 200)


def test_damaged_pictures_and_infinite_numbers_are_left_out(tmp_path: Path, tabled: Tabled) -> None:
    curve = [(1, 1.0), (2, "NaN"), (3, "Infinity")]
    folder = plant(tmp_path / "a", metrics={"evaluation/kde": curve, "x": [(1, "NaN")]}, picture=20)
    picture = folder / "samples/step_001000.png"
    picture.write_bytes(picture.read_bytes()[:80])
    data = content(report.page(tabled(), None, []))
    assert data["runs"][0]["picture"] is None
    assert data["runs"][0]["last"]["kde"][0] == "∞"
    assert data["curves"]["values"] == {"kde": {"0": [0, [1.0, None, None]]}}


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=200), st.integers(6, 60))
def test_a_thinned_curve_keeps_its_ends_and_extremes(values: list[float], most: int) -> None:
    steps, kept = thinned((list(range(len(values))), values), most)
    assert len(steps) <= most
    assert [values[step] for step in steps] == kept
    assert (steps[0], steps[-1]) == (0, len(values) - 1)
    assert (min(kept), max(kept)) == (min(values), max(values))
    assert sorted(set(steps)) == steps


def noise(path: Path, side: int, mode: str = "RGB", kind: str = "PNG") -> Path:
    """A picture that compresses badly."""
    draw = np.random.default_rng(side)
    shape = (side, side, len(Image.new(mode, (1, 1)).getbands()))
    Image.fromarray(draw.integers(0, 256, shape, dtype=np.uint8).squeeze(), mode).save(path, kind)
    return path


def test_small_pictures_travel_unchanged_and_large_ones_are_shrunk(tmp_path: Path) -> None:
    small, large = noise(tmp_path / "small.png", 16), noise(tmp_path / "large.png", 900)
    first, second, nothing = images.embed([small, large, None], budget=200_000)
    assert first is not None
    assert second is not None
    assert nothing is None
    assert base64.b64decode(first.address.split(",")[1]) == small.read_bytes()
    coded = base64.b64decode(second.address.split(",")[1])
    assert len(coded) <= 100_000
    assert 128 <= second.width < 900
    assert Image.open(io.BytesIO(coded)).size == (second.width, second.height)


@pytest.mark.parametrize("mode", ["L", "RGBA", "RGB"])
def test_pictures_of_every_kind_are_shrunk(mode: str, tmp_path: Path) -> None:
    (found,) = images.embed([noise(tmp_path / "x.png", 300, mode)], budget=9_000)
    assert found is not None
    assert found.address.startswith("data:image/jpeg;base64,")
    assert found.width < 300


def test_what_is_no_picture_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"no picture")
    assert images.embed([tmp_path / "x.png", tmp_path / "gone.png"]) == [None, None]
