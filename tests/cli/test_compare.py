"""`gan-compare` as a user calls it: what it prints, what it writes, and what it refuses in a line."""

from __future__ import annotations

import csv
import io
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from gan_cli.cli import compare
from gan_cli.comparison import papers
from tests.cli.conftest import Command, called
from tests.comparison.planted import entry, plant, sweep


@pytest.fixture
def gan_compare(folder: Path, restored: None, capsys: pytest.CaptureFixture[str]) -> Command:
    """`gan_compare("outputs", …)`: the command's outcome."""
    return called(compare.main, capsys)


@pytest.fixture
def runs(folder: Path) -> Path:
    """Ten runs below ./runs."""
    return sweep(folder / "runs", 10, points=5, picture=None)


def test_the_terminal_shows_a_row_a_setting(runs: Path, gan_compare: Command) -> None:
    shown = gan_compare("runs")
    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert lines[0].split() == ["loss", "runs", "outcome", "spread", "modes_covered", "kde"]
    assert [line.split()[:3] for line in lines[1:6]] == [
        [loss, "2", "done"] for loss in ("fgan_js", "fgan_kl", "gan_ns", "hinge", "wgan")
    ]
    assert "· ±: standard error over runs" in lines
    assert "· kde: kde, 100 samples" in lines


def test_words_come_in_any_order(runs: Path, gan_compare: Command) -> None:
    first = gan_compare("runs", "metrics=[kde]", "by=run", "best=best").out
    assert gan_compare("best=best", "by=run", "runs", "metrics=kde").out == first
    assert first.splitlines()[0].split() == ["run", "loss", "seed", "outcome", "best", "kde"]


def test_a_narrow_terminal_has_all_numbers(
    runs: Path, gan_compare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = gan_compare("runs").out.split()
    monkeypatch.setenv("COLUMNS", "48")
    narrow = gan_compare("runs").out
    table = narrow.split("·")[0]
    assert max(map(len, table.splitlines())) <= 48
    assert set(wide) <= set(narrow.split())


@pytest.mark.parametrize(
    ("words", "name", "begins"),
    [
        (["format=markdown", "out=table.txt"], "table.txt", "| loss |"),
        (["out=table.md"], "table.md", "| loss |"),
        (["out=deep/table.csv"], "deep/table.csv", "run,loss,runs,"),
        (["out=page.html"], "page.html", "<!doctype html>"),
        (["format=html"], "comparison.html", "<!doctype html>"),
        (["out=table.txt"], "table.txt", "| loss |"),
    ],
)
def test_a_file_is_written_and_named(
    words: list[str], name: str, begins: str, runs: Path, gan_compare: Command
) -> None:
    done = gan_compare("runs", *words)
    assert (done.code, done.out, done.err) == (0, f"10 runs: {name}\n", "")
    assert Path(name).read_text().startswith(begins)


@pytest.mark.parametrize("what", ["markdown", "csv"])
def test_without_a_file_text_goes_to_standard_output(what: str, runs: Path, gan_compare: Command) -> None:
    shown = gan_compare("runs", f"format={what}")
    assert shown.code == 0
    assert len(shown.out.splitlines()) >= 6
    assert {path.name for path in Path().iterdir()} == {"runs"}


def test_csv_has_a_row_a_group_or_a_run(runs: Path, gan_compare: Command) -> None:
    for by, count in (("group", 5), ("run", 10), ("loss", 5), ("[latent]", 1)):
        shown = gan_compare("runs", "format=csv", f"by={by}").out
        assert len(list(csv.DictReader(io.StringIO(shown)))) == count


def test_the_papers_table_comes_first(
    folder: Path, gan_compare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")  # a narrow terminal gets the columns in several parts
    plant(folder / "runs/a", evaluations=[entry(1000, "kde", {"kde": 300.0})])
    shown = gan_compare("paper=fgan_table4", "runs")
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert "Table 4" in lines[0]
    (line,) = [line for line in lines if line.startswith("KL")]
    assert " ".join(line.split()) == "KL 416.0 ± 5.6 474.9 241.1 ± 5.6 300.0 1"
    assert "All runs" in lines
    assert "Nowozin" in shown.out
    assert gan_compare("runs", "format=markdown", "paper=fgan_table4").out.startswith("f-GAN, Table 4")


def test_runs_of_the_runner_are_compared(folder: Path, gan_train: Command, gan_compare: Command) -> None:
    tiny = ("data=ring", "model=mlp", "batch_size=8", "device=cpu", "steps=4", "evaluate_every=2")
    swept = gan_train(*tiny, "-m", "hydra.sweep.dir=all", "loss=wgan,fgan_kl", "seed=0,1", "log_every=1")
    assert swept.code == 0, swept.err
    shown = gan_compare("all", "format=csv")
    rows = list(csv.DictReader(io.StringIO(shown.out)))
    assert [(row["loss"], row["runs"], row["counted"]) for row in rows] == [
        ("fgan_kl", "2", "2"),
        ("wgan", "2", "2"),
    ]
    assert all(float(row["modes_covered"]) >= 0 and row["modes_covered_best"] for row in rows)
    assert gan_compare("all", "out=page.html").code == 0
    assert Path("page.html").read_text().count("data:image/png;base64,") == 4


def test_torn_and_failed_and_empty_runs_are_shown(folder: Path, gan_compare: Command) -> None:
    plant(folder / "runs/a", outcome="failed", step=7)
    (plant(folder / "runs/b") / "summary.json").write_text('{"outco')
    (folder / "runs/c/.hydra").mkdir(parents=True)
    plant(folder / "runs/d", outcome="running", step=50, metrics={"evaluation/kde": [(50, 1.0)]})
    for words in (["by=run"], ["by=run", "format=csv"], ["format=html"]):
        assert gan_compare("runs", *words).code == 0
    shown = gan_compare("runs", "by=run").out
    for word in ("failed at 7/1000", "torn", "empty", "running at 50/1000"):
        assert word in shown


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "name a folder with runs, such as gan-compare outputs"),
        (["rusn"], "rusn: there is no such folder (did you mean 'runs'?)"),
        (["file"], "file is a file; name the run's folder, or one above it"),
        (["empty"], "empty: there are no runs of gan-train at or below it"),
        (["studies"], "there are no runs of gan-train at or below it, but 1 folder(s) with a study"),
        (
            ["runs", "format=htm"],
            "format=htm: must be one of terminal, markdown, csv, html (did you mean 'html'?)",
        ),
        (["runs", "fromat=html"], "there is no key fromat (did you mean 'format'?)"),
        (["runs", "paper=fgan_tabel"], "paper=fgan_tabel: there is none (did you mean 'fgan_table4'?)"),
        (["runs", "metrics=[kdd]"], "metrics=kdd: no run has it (did you mean 'kde'?)"),
        (["runs", "by=los"], "by=los: no run has such a setting (did you mean 'loss'?)"),
        (["runs", "best=frist"], "best=frist: must be one of last, best"),
        (["runs", "out="], "out= has no value"),
        (["runs", "out=empty"], "out=empty is a folder: name a file in it"),
        (["runs", "out=file/x.html"], "out=file/x.html: cannot write to file"),
        (["runs", "--hepl"], "there is no flag --hepl (did you mean '--help'?)"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    words: list[str], told: str, runs: Path, gan_compare: Command
) -> None:
    Path("file").write_text("")
    Path("empty").mkdir()
    plant(Path("studies/a"), {"study": {"_target_": "gan_cli.studies.unrolled.Unrolled"}})
    refused = gan_compare(*words)
    assert (refused.code, refused.out) == (2, "")
    assert refused.line.startswith("gan-compare: ")
    assert told in refused.line


def test_a_folder_whose_name_holds_an_equals_sign(folder: Path, gan_compare: Command) -> None:
    plant(folder / "lr=1/a", metrics={"evaluation/kde": [(1, 2.0)]})
    assert "kde" in gan_compare("lr=1").out


def test_help_and_version(gan_compare: Command) -> None:
    shown = gan_compare("outputs", "--help").out
    assert all(name in shown for name in papers.names())
    assert max(map(len, shown.splitlines())) <= 110
    assert gan_compare("--version").out.startswith("gan-compare ")


@pytest.mark.parametrize("words", [["--help"], ["nowhere"], ["runs", "out=report.html"]])
def test_it_answers_at_once_and_without_torch(
    words: list[str], runs: Path, subprocess_environment: dict[str, str]
) -> None:
    code = (
        "import sys; from gan_cli.cli import compare\n"
        f"try: compare.command({words!r})\nexcept Exception as error: print(error)\n"
        "assert not {'torch', 'numpy', 'matplotlib', 'hydra'} & set(sys.modules)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | subprocess_environment
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=False, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5
