"""A long run is at its end as quick and as large as in its first half."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.observers import quarters, steady
from tests.test_combinations import built


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no count of resident pages")
def test_memory_is_flat_and_the_rate_steady_over_20000_steps() -> None:
    """The rate is that of the processor's time: what else the machine does is not this run's fault."""
    gauge = steady(built("data=ring", "model=mlp", "model.width=16", "device=cpu"), 20_000)
    # What pictures and evaluations take comes and goes, so that medians jump; what leaks, stays.
    _, second, _, last = (min(gauge.memory[at : at + 10]) for at in range(0, 40, 10))
    assert last - second < 4, "MiB"
    _, second, _, last = quarters(gauge.seconds)
    assert last == pytest.approx(second, rel=0.1)
