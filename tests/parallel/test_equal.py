"""Several processes with the rows of one batch play what one process plays with the batch."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from torch import Tensor

from gan_cli.game import Game
from gan_cli.parallel.game import SharedGame
from gan_cli.parallel.ranks import Ranks
from tests.parallel.cases import CASES, GHOST, IMAGE_CASES, STEPS, played
from tests.parallel.launches import ROOT, torchrun
from tests.test_combinations import built

Ends = list[dict[str, dict[str, Tensor]]]
PROCESSES = [2, pytest.param(3, marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=PROCESSES)
def ends(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ends:
    """Each process's end of each case."""
    folder, count = tmp_path_factory.mktemp("ends"), request.param
    launch = torchrun(folder, ROOT / "tests" / "parallel" / "worker.py", folder, processes=count)
    _, errors = launch.communicate(timeout=500)
    assert launch.returncode == 0, errors
    return [torch.load(folder / f"{rank}.pt") for rank in range(count)]


def distance(one: Tensor, other: Tensor) -> float:
    """The largest difference, in units of the largest entry where that is not tiny."""
    one, other = one.double(), other.double()
    return float((one - other).abs().max() / one.abs().max().clamp(min=1e-3))


@pytest.mark.parametrize("case", CASES)
def test_processes_play_what_one_plays(case: str, ends: Ends) -> None:
    made = built(*CASES[case])
    alone = played(made, made.plain, Ranks(), STEPS[case])
    together = ends[0][case]
    assert alone.keys() == together.keys()
    # DCGANs amplify rounding more; a wrong gradient shows in the optimiser's memory at 1e-2.
    bound = 1e-11 if case in IMAGE_CASES else 1e-12
    worst = max(alone, key=lambda name: distance(alone[name], together[name]))
    assert distance(alone[worst], together[worst]) < bound, worst


def test_all_processes_have_the_same_state_to_the_last_bit(ends: Ends) -> None:
    for case, first in ends[0].items():
        for other in ends[1:]:
            assert all(torch.equal(tensor, other[case][name]) for name, tensor in first.items()), case


def test_a_ghost_round_is_the_mean_of_rounds_on_each_process_s_rows(ends: Ends) -> None:
    made, count = built(*GHOST), len(ends)
    parts = [played(made, OwnRows.of(made.game, Ranks(r, count)), Ranks(r, count), 1) for r in range(count)]
    together = ends[0]["ghost"]
    names = [name for name in together if "/params/" in name or "running_" in name]
    assert any("running_var" in name for name in names)
    for name in names:
        mean = torch.stack([part[name] for part in parts]).mean(0)
        assert distance(mean, together[name]) < 1e-12, name
    assert any(distance(parts[0][name], together[name]) > 1e-6 for name in names)


class OwnRows(SharedGame):
    """One process's rows, played as if there were no other process."""

    @staticmethod
    def of(game: Game, ranks: Ranks) -> Game:
        return OwnRows(**{one.name: getattr(game, one.name) for one in fields(Game)}, ranks=ranks)
