"""What the critic sees: augmentation against a loop over images, packs against examples side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_cli.build import Experiment
from gan_cli.errors import InputError
from gan_cli.run import run
from gan_cli.streams import Streams
from gan_cli.terms.r1 import R1
from gan_cli.views.diffaugment import DiffAugment, Draws
from gan_cli.views.packing import pack
from tests.games import CPU, scene_of
from tests.laws.rounds import (
    IMAGES,
    POINTS,
    assert_an_ensemble_is_its_runs,
    assert_same,
    assert_the_generators_gradient_is_a_slope,
    feed,
    game,
    trained,
)
from tests.test_combinations import built

CASES = {
    "instance_noise": [*POINTS, "trick=[instance_noise]"],
    "diffaugment": [*IMAGES, "trick=[diffaugment]"],
    "diffaugment_noise": [*IMAGES, "trick=[diffaugment,instance_noise]"],
    "packing": [*POINTS, "trick=[packing]"],
    "packed_images": [*IMAGES, "trick=[packing,diffaugment]"],
}
START = torch.tensor(0)


@pytest.mark.parametrize("case", CASES)
def test_an_ensemble_is_its_runs(case: str) -> None:
    assert_an_ensemble_is_its_runs(game(CASES[case]))


@pytest.mark.parametrize("case", CASES)
def test_the_generators_gradient_is_a_slope(case: str) -> None:
    assert_the_generators_gradient_is_a_slope(game(CASES[case]))


@pytest.mark.parametrize(
    ("base", "unit"),
    [
        (IMAGES, ["trick=[diffaugment]", "trick.diffaugment.policy=[]"]),
        (IMAGES, ["trick=[packing]", "trick.packing.samples=1"]),
        (POINTS, ["trick=[instance_noise]", "trick.instance_noise.start=0"]),
    ],
)
def test_the_unit_changes_nothing(base: list[str], unit: list[str]) -> None:
    assert_same(trained(game(base), 2), trained(game(base, *unit), 2), rtol=0.0)


# --- DiffAugment ------------------------------------------------------------------------------------------


def drawn(view: DiffAugment, x: Tensor, seed: int = 0) -> Draws:
    return view.draw(torch.Generator().manual_seed(seed), x.shape, x.dtype)


def by_hand(view: DiffAugment, image: np.ndarray[Any, Any], color: Any, shift: Any, hole: Any) -> Any:
    """One image [C, H, W], the paper's three operations written out."""
    _, height, width = image.shape
    image = image + view.brightness * color[0]
    grey = image.mean(axis=0)
    image = np.stack([grey + (plane - grey) * (1 + view.saturation * color[1]) for plane in image])
    image = image.mean() + (image - image.mean()) * (1 + view.contrast * color[2])
    moved = np.zeros_like(image)
    for i in range(height):
        for j in range(width):
            a, b = i - shift[0], j - shift[1]
            if 0 <= a < height and 0 <= b < width:
                moved[:, i, j] = image[:, a, b]
    for i in range(hole[0], hole[0] + round(height * view.cutout)):
        for j in range(hole[1], hole[1] + round(width * view.cutout)):
            if 0 <= i < height and 0 <= j < width:
                moved[:, i, j] = 0
    return moved


@pytest.mark.parametrize("shape", [(16, 3, 8, 8), (16, 1, 16, 12)])
def test_diffaugment_equals_a_loop_over_images(shape: tuple[int, ...]) -> None:
    view, x = DiffAugment(), torch.randn(shape, dtype=torch.float64)
    noise = drawn(view, x)
    expected = [by_hand(view, *(t[i].numpy() for t in (x, *noise))) for i in range(len(x))]
    torch.testing.assert_close(view.apply(x, noise, START), torch.from_numpy(np.stack(expected)))


@pytest.mark.parametrize("kind", ["color", "translation", "cutout"])
def test_each_kind_alone_is_the_loop_without_the_others(kind: Any) -> None:
    strengths = {
        "color": ["brightness", "saturation", "contrast"],
        "translation": ["translation"],
        "cutout": ["cutout"],
    }
    others: Any = {name: 0.0 for other, names in strengths.items() if other != kind for name in names}
    x = torch.randn(16, 3, 8, 8, dtype=torch.float64)
    noise = drawn(DiffAugment(), x)
    still = noise._replace(shift=torch.zeros_like(noise.shift)) if kind != "translation" else noise
    alone = DiffAugment(policy=[kind]).apply(x, noise, START)
    torch.testing.assert_close(alone, DiffAugment(**others).apply(x, still, START))


def test_draws_are_uniform_over_all_they_may_be() -> None:
    view, x = DiffAugment(), torch.zeros(20_000, 3, 16, 16)
    color, shift, hole = drawn(view, x)
    assert color.aminmax().min.item() == pytest.approx(-1, abs=1e-3)
    assert color.aminmax().max.item() == pytest.approx(1, abs=1e-3)
    for pixels, low, high in ((shift, -2, 2), (hole, -4, 12)):  # the hole's centre from 0 to 16
        values, counts = pixels.unique(return_counts=True)
        assert values.tolist() == list(range(low, high + 1))
        assert (counts / counts.float().mean() - 1).abs().max() < 0.1


def test_real_and_generated_images_are_augmented_apart() -> None:
    made = game(IMAGES, "trick=[diffaugment]")
    batch = made.draw(0, feed(made), Streams(0, CPU)).critic[0]
    ((real,), (fake,)) = batch.view_real, batch.view_fake
    assert not torch.equal(real.color, fake.color)


def test_the_gradient_passes_through_every_operation() -> None:
    view, x = DiffAugment(), torch.randn(2, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    noise = drawn(view, x)
    assert torch.autograd.gradcheck(lambda x: view.apply(x, noise, START), (x,))


def test_samples_and_scores_see_no_augmentation() -> None:
    plain, augmented = game(IMAGES), game(IMAGES, "trick=[diffaugment]")
    state, x = plain.init(0), torch.randn(4, 3, 8, 8, dtype=torch.float64)
    assert torch.equal(plain.score(state, x), augmented.score(state, x))


def test_points_are_not_augmented() -> None:
    with pytest.raises(InputError, match="trick.diffaugment: it is for images"):
        DiffAugment().draw(torch.Generator(), torch.Size([4, 2]), torch.float32)


@pytest.mark.parametrize(
    "wrong", [{"policy": ["colour"]}, {"policy": ["color", "color"]}, {"cutout": 1.0}, {"contrast": -1.0}]
)
def test_values_out_of_range_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        DiffAugment(**wrong)


# --- packing ----------------------------------------------------------------------------------------------


def packed(*overrides: str) -> Experiment:
    return built(*POINTS, "trick=[packing]", *overrides)


def test_a_score_is_that_of_examples_side_by_side() -> None:
    made = packed("trick.packing.samples=4").game
    state, batch = made.init(0), made.draw(0, feed(made), Streams(0, CPU)).critic[0]
    _, traces = made.play(state, made.draw(0, feed(made), Streams(0, CPU)))
    assert traces["critic"].real.shape == (1,)  # 4 examples are one pack
    beside = torch.cat(list(made.prepared(batch)))[None]
    critic = state.critic
    torch.testing.assert_close(
        traces["critic"].real, made.critic.network(critic.params, critic.buffers, beside)[0]
    )


def test_the_critique_of_a_point_is_that_of_a_pack_of_its_copies() -> None:
    made = packed().game
    state, x = made.init(0), torch.randn(5, 2, dtype=torch.float64)
    score = made.critic.network(state.critic.params, state.critic.buffers, torch.cat([x, x], 1))[0]
    critique = made.critique(state, x)
    assert critique is not None
    assert critique.is_log_ratio  # ln (p/q)² is twice ln p/q
    torch.testing.assert_close(critique.values, score / 2)


def test_a_batch_of_no_whole_packs_is_refused() -> None:
    with pytest.raises(InputError, match=r"no multiple of trick\.packing\.samples=3; use"):
        packed("trick.packing.samples=3")


def test_r1_takes_the_gradient_of_whole_packs() -> None:
    """V(x, y) = x·y has ∇V = (y, x)."""
    real = torch.randn(8, 2, dtype=torch.float64)
    scene = scene_of(lambda x: (x[:, :2] * x[:, 2:]).sum(1), pack(real, 2), pack(real, 2))
    torch.testing.assert_close(R1(2.0).value(scene, (), ()), real.square().sum() / 4)


def test_a_convolutional_critic_has_the_channels_of_a_pack() -> None:
    made = game(IMAGES, "trick=[packing]")
    first = next(m for m in made.critic.network.module.modules() if isinstance(m, torch.nn.Conv2d))
    assert first.in_channels == 6
    assert made.score(made.init(0), torch.randn(4, 3, 8, 8)).shape == (4,)


def test_pictures_of_a_packed_critic_are_made(tmp_path: Path) -> None:
    assert run(packed("steps=2", "sample_every=1"), tmp_path) == (2, "done")
    assert len(list(tmp_path.glob("samples/*.png"))) >= 2
