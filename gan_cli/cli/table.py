"""An estimate as a small table on the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from gan_cli.estimation.estimate import Estimate, Value


def show(estimate: Estimate) -> None:
    """Print the table, and a line for each reason not to trust it."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in rows(estimate):
        table.add_row(name, value)
    console = Console(highlight=False)
    console.print(table)
    for warning in estimate.warnings:
        console.print(f"warning: {warning}", soft_wrap=True, markup=False, style="bold red")


def rows(estimate: Estimate) -> Iterator[tuple[str, str]]:
    """The lines of the table: what it is, and its number."""
    yield (
        f"bound on {estimate.divergence}",
        f"{_value(estimate.bound)}   {'' if estimate.reliable else 'UNRELIABLE'}",
    )
    if estimate.at_equality:
        yield "  above its value at P = Q", f"{estimate.bound.value - estimate.at_equality:.5g}"
    if (truth := estimate.truth) is not None:
        yield "exact", f"{truth.exact.value:.5g} (± {truth.exact.error:.1g}, {truth.exact.method})"
        yield "relative error", f"{truth.relative_error:+.2%}"
        apart = f"mean square {truth.squared_error:.3g}, correlation {truth.correlation:.4f}"
        yield f"{truth.compared} against the best", apart
    if (ratio := estimate.ratio) is not None:
        if truth is not None and truth.ratio_error is not None:
            yield "ln p/q against the true", f"root mean square {truth.ratio_error:.3g}"
        yield "JSD by classifier, nats", _value(ratio.jensen_shannon)
        yield "  calibrated", _value(ratio.jensen_shannon_calibrated)
        change = f"temperature {ratio.calibration.temperature:.3f}, bias {ratio.calibration.bias:+.3f}"
        yield "calibration", change
        yield "expected calibration error", f"{ratio.before.error:.4f} → {ratio.after.error:.4f}"
    yield "tails (Pareto k)", f"P {estimate.real.k:.2f}, Q {estimate.fake.k:.2f}"
    yield "held-out examples", f"{estimate.samples[0]:,} of p, {estimate.samples[1]:,} of q"


def _value(value: Value) -> str:
    return f"{value.value:.5g} ± {value.standard_error:.2g}   95 % [{value.low:.5g}, {value.high:.5g}]"
