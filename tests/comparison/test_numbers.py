"""Last and best numbers, means and their errors."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from gan_cli.comparison import numbers, runs
from gan_cli.errors import InputError
from tests.comparison.planted import entry, plant

FLOATS = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20)


@given(FLOATS)
def test_mean_and_standard_error_are_scipys(values: list[float]) -> None:
    assert numbers.mean(values) == pytest.approx(np.mean(values), rel=1e-9, abs=1e-9)
    assert numbers.deviation(values) == pytest.approx(np.std(values, ddof=1), rel=1e-6, abs=1e-6)
    assert numbers.standard_error(values) == pytest.approx(scipy.stats.sem(values), rel=1e-6, abs=1e-6)


def test_means_of_nothing_of_one_and_of_what_is_not_finite() -> None:
    assert numbers.mean([]) is None
    assert numbers.mean([3.0]) == 3.0
    assert numbers.standard_error([3.0]) is None
    assert numbers.mean([1.0, math.inf]) == math.inf
    assert math.isnan(numbers.mean([1.0, math.nan]) or 0)
    assert numbers.deviation([1.0, math.inf]) is None


def of(folder: Path) -> numbers.Measured:
    return numbers.measured(runs.read([folder]).runs[0])


def test_last_and_best_over_training_and_evaluation(tmp_path: Path) -> None:
    logged = {"evaluation/kde": [(10, 5.0), (20, 9.0), (30, 7.0)], "evaluation/kde_error": [(20, 0.5)]}
    later = entry(40, "kde", {"kde": 6.0, "kde_error": 0.25}, about="many samples")
    found = of(plant(tmp_path / "a", metrics=logged, evaluations=[later]))
    assert found.last("kde") == numbers.Point(6.0, 40, 0.25, "many samples")
    assert found.best("kde", {"kde": "higher"}) == numbers.Point(9.0, 20, 0.5)
    assert found.best("kde", {"kde": "lower"}) == numbers.Point(5.0, 10)
    assert found.best("kde", {}) is None
    assert found.last("nothing") is None


def test_at_one_step_the_newest_evaluation_counts(tmp_path: Path) -> None:
    first = entry(30, "kde", {"kde": 1.0}, time="2026-01-01T00:00:00+00:00")
    second = entry(30, "kde", {"kde": 2.0}, time="2026-01-02T00:00:00+00:00")
    logged = {"evaluation/kde": [(30, 7.0)]}
    last = of(plant(tmp_path / "a", metrics=logged, evaluations=[second, first])).last("kde")
    assert last is not None
    assert last.value == 2.0


def test_the_summary_speaks_where_the_log_is_gone(tmp_path: Path) -> None:
    folder = plant(tmp_path / "a", metrics={"evaluation/kde": [(10, 5.0)]})
    (folder / "metrics.jsonl").unlink()
    assert of(folder).last("kde") == numbers.Point(5.0, 1000)


def test_nan_is_never_the_best(tmp_path: Path) -> None:
    logged = {"evaluation/reverse_kl": [(10, "NaN"), (20, 2.0), (30, "Infinity")]}
    best = of(plant(tmp_path / "a", metrics=logged)).best("reverse_kl", {"reverse_kl": "lower"})
    assert best == numbers.Point(2.0, 20)


def test_directions_are_what_evaluations_say(tmp_path: Path) -> None:
    said = entry(1, "odd", {"odd": 1.0}, better={"odd": "lower", "other": "sideways"})
    plant(tmp_path / "a", evaluations=[said])
    found = numbers.directions(runs.read([tmp_path]).runs)
    assert found["odd"] == "lower"
    assert found["modes_covered"] == "higher"
    assert "other" not in found


def test_metrics_are_chosen(tmp_path: Path) -> None:
    logged = {
        "generator/loss": [(1, 1.0)],
        "evaluation/spread": [(1, 1.0)],
        "evaluation/kde": [(1, 1.0)],
        "evaluation/kde_error": [(1, 0.1)],
    }
    plant(tmp_path / "a", metrics=logged)
    found = runs.read([tmp_path]).runs
    several = [numbers.measured(run) for run in found]
    assert numbers.chosen([], several, found) == ["spread", "kde"]
    assert numbers.chosen(["generator/loss", "evaluation/kde"], several, found) == ["generator/loss", "kde"]
    assert numbers.chosen(["kde_error"], several, found) == ["kde_error"]
    with pytest.raises(InputError, match=r"metrics=kdd: no run has it \(did you mean 'kde'\?\)"):
        numbers.chosen(["kdd"], several, found)


def test_a_metric_stands_for_all_that_it_gave(tmp_path: Path) -> None:
    given = {"prdc_recall": 1.0, "prdc_recall_error": 0.1, "prdc_density": 2.0}
    plant(
        tmp_path / "a", evaluations=[entry(1, "prdc", given), entry(1, "kde", {"kde": 1.0, "kde_unit": 2.0})]
    )
    found = runs.read([tmp_path]).runs
    several = [numbers.measured(run) for run in found]
    assert numbers.chosen(["prdc"], several, found) == ["prdc_recall", "prdc_density"]
    assert numbers.chosen(["kde"], several, found) == ["kde"]  # a number's own name comes first


def test_runs_that_measured_nothing_show_their_losses(tmp_path: Path) -> None:
    plant(tmp_path / "a", metrics={"generator/loss": [(1, 1.0)], "critic/accuracy": [(1, 1.0)]})
    found = runs.read([tmp_path]).runs
    assert numbers.chosen([], [numbers.measured(run) for run in found], found) == ["generator/loss"]
