"""The jobs of a sweep in the order of what they reached."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gan_cli.cli import tables
from gan_cli.cli.output import shown
from gan_cli.comparison import runs as finished
from gan_cli.comparison.config import at
from gan_cli.comparison.numbers import Measured, Point, directions, measured
from gan_cli.comparison.text import Sheet, rounded
from gan_cli.launchers.pool_jobs import Job
from gan_cli.metrics.directions import BETTER, Direction

_FALLBACK = "reverse_kl"
"""Of what is measured unasked the one number that knows missing modes as well as wrong shares of them."""


def show(jobs: Sequence[Job]) -> None:
    """Print the table: what is done or pruned, best first, then the others; below, why these did not end."""
    places = [job.folder for job in jobs if job.folder.is_dir()]
    runs = {run.folder: run for run in finished.read(places).runs}
    done = [runs[job.folder] for job in jobs if not job.left and job.folder in runs]
    numbers = {run.folder: measured(run) for run in done}
    better = directions(done)
    name, best = headline(done, better)
    points = {place: _point(found, name, best, better) for place, found in numbers.items()}
    ranked = rank({place: point.value for place, point in points.items() if point}, better.get(name or ""))
    tables.show([("", _sheet(jobs, ranked, points, name, best))], _notes(jobs, name, better))


def headline(runs: Iterable[finished.Run], better: Mapping[str, Direction]) -> tuple[str | None, bool]:
    """The number by which runs are ranked, and whether its best of all steps or its last counts.

    That which all of them keep their best checkpoint by; else the first one of metric=[…] that is better one
    way; else the reverse KL where modes are known; else none.
    """
    there = list(runs)
    kept = {at(run.config.values, "keep_best") for run in there}
    if len(kept) == 1 and (name := kept.pop()) in better:
        return name, True
    entries = [entry for run in there for entry in run.evaluations]
    asked = [str(name) for entry in entries for name in entry["values"] if name not in BETTER]
    logged = any(f"evaluation/{_FALLBACK}" in run.last for run in there)
    found = [name for name in asked if name in better] + [_FALLBACK] * logged
    return (found[0] if found else None), False


def rank(values: Mapping[Path, float], way: Direction | None) -> list[Path]:
    """The places from the best value to the worst, without those whose value is NaN.

    >>> found = rank({Path("a"): 2.0, Path("b"): float("nan"), Path("c"): 1.0}, "lower")
    >>> [place.name for place in found]
    ['c', 'a']
    """
    sign = -1 if way == "higher" else 1
    sound = [place for place, value in values.items() if not math.isnan(value)]
    return sorted(sound, key=lambda place: sign * values[place])


def _point(found: Measured, name: str | None, best: bool, better: Mapping[str, Direction]) -> Point | None:
    if name is None:
        return None
    return found.best(name, better) if best else found.last(name)


def _sheet(
    jobs: Sequence[Job],
    ranked: Sequence[Path],
    points: Mapping[Path, Point | None],
    name: str | None,
    best: bool,
) -> Sheet:
    places = {place: position for position, place in enumerate(ranked, 1)}
    common = set.intersection(*(set(job.overrides) for job in jobs))
    rows = []
    for job in sorted(jobs, key=lambda job: (places.get(job.folder, math.inf), job.outcome, job.number)):
        setting = " ".join(line for line in job.overrides if line not in common)
        point = points.get(job.folder)
        number = [] if name is None else [rounded(point.value, point.error) if point else ""]
        position = str(places.get(job.folder, ""))
        rows.append([position, str(job.number), setting, _outcome(job), *number])
    titles = ["rank", "job", "setting", "outcome"]
    number = [] if name is None else [f"best {name}" if best else name]
    return Sheet([*titles, *number], rows, len(number))


def _outcome(job: Job) -> str:
    """Of what is not done, how far it is, too."""
    if job.outcome == "done" or not job.steps:
        return job.outcome
    return f"{job.outcome} at {job.step()}/{job.steps}"


def _notes(jobs: Sequence[Job], name: str | None, better: Mapping[str, Direction]) -> list[str]:
    if name is not None:
        notes = [f"ranked by {name}: {better[name]} is better"]
    else:
        notes = ["not ranked: nothing was measured that is better one way; metric=[…] adds what is"]
    ended = [job for job in jobs if job.outcome in ("failed", "stopped")]
    return notes + [f"job {job.number} {job.outcome}: {job.line}; {shown(job.console)}" for job in ended]
