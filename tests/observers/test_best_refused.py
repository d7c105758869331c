"""`keep_best` of a number that nobody measures, or of which neither way is better, is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_cli.errors import InputError
from gan_cli.metrics.base import Direction
from gan_cli.observers.base import Settings
from gan_cli.observers.checkpoints import BestCheckpoint, best_direction
from gan_cli.observers.recorder import Recorder
from tests.observers.scripted import Scripted
from tests.observers.toy import Noise, begin, make_run


@pytest.mark.parametrize(
    ("name", "every", "modes", "words"),
    [
        ("scoer", 3, False, ["no such number", "did you mean 'score'?"]),
        ("other", 3, False, ["neither more nor less", "there are score"]),
        ("spread", 3, True, ["neither more nor less", "modes_covered"]),
        ("score_error", 3, True, ["neither more nor less"]),
        ("evaluation/score", 3, False, ["did you mean 'score'?"]),
        ("reverse_kl", 3, False, ["no such number", "there are score"]),
        ("score", 0, False, ["evaluate_every"]),
    ],
)
def test_refused(name: str, every: int, modes: bool, words: list[str]) -> None:
    asked = Settings(evaluate_every=every, keep_best=name)
    with pytest.raises(InputError, match=f"keep_best={name}") as refused:
        best_direction(asked, {"scripted": Scripted([])}, modes)
    assert not [word for word in words if word not in str(refused.value)], refused.value


def test_which_way_is_better() -> None:
    def way(name: str | None) -> Direction | None:
        return best_direction(Settings(keep_best=name), {"scripted": Scripted([], "lower")}, modes=True)

    assert [way(name) for name in ("score", "reverse_kl", "high_quality", None)] == [
        "lower",
        "lower",
        "higher",
        None,
    ]
    with pytest.raises(InputError, match=r"metric=\[…\] adds some"):
        best_direction(Settings(keep_best="modes_covered"), {}, modes=False)


def test_modes_that_turn_out_unknown_are_refused_before_the_first_step(tmp_path: Path) -> None:
    run = make_run(tmp_path, Noise(), settings=Settings(keep_best="modes_covered"))
    with pytest.raises(InputError, match="no such number"):
        BestCheckpoint(Recorder([])).start(run, begin(run)[1])
