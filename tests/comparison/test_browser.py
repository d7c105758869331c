"""The page in a real browser: it sorts, filters, draws, shows pictures and settings, without an error."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gan_cli.comparison import papers, report, runs, table
from tests.comparison.browser import Browser, chromium, needed
from tests.comparison.planted import entry, plant, sweep

ROWS = "#table tbody tr"


def written(folder: Path, paper: str | None = None) -> Path:
    """The page of the runs below the folder."""
    made = table.table(runs.read([folder]))
    beside = papers.beside(papers.load(paper), made) if paper is not None else None
    path = folder / "report.html"
    path.write_text(report.page(made, beside, made.notes), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("browser")) as window:
        yield window


@pytest.fixture(scope="module")
def dozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve runs: five losses, up to three seeds."""
    return written(sweep(tmp_path_factory.mktemp("dozen"), 12, points=30))


@pytest.fixture
def page(browser: Browser, dozen: Path) -> Iterator[Browser]:
    """The dozen's page, loaded afresh; nothing may be said on the console, whatever a test does."""
    browser.console()
    browser.open(dozen)
    yield browser
    assert browser.console() == []


def column(browser: Browser, title: str) -> list[str]:
    """The table's cells below a title."""
    titles = [text.split("\n")[0] for text in browser.texts("#table thead th")]
    return browser.texts(f"#table tbody td:nth-child({titles.index(title) + 1})")


def sort(browser: Browser, title: str) -> None:
    titles = [text.split("\n")[0] for text in browser.texts("#table thead th")]
    browser.click(f"#table thead th:nth-child({titles.index(title) + 1}) button")


def choose(browser: Browser, control: str, value: str) -> None:
    browser.run(
        "const e = document.querySelector(arguments[0]); e.value = arguments[1];"
        "e.dispatchEvent(new Event('input')); e.dispatchEvent(new Event('change'))",
        control,
        value,
    )


def test_a_row_stands_for_the_seeds_of_a_setting(page: Browser) -> None:
    assert column(page, "loss") == ["fgan_js", "fgan_kl", "gan_ns", "hinge", "wgan"]
    assert column(page, "runs") == ["3", "3", "2", "2", "2"]
    choose(page, "#rows", "runs")
    assert column(page, "run") == [str(n) for n in range(12)]


def test_a_click_sorts_numbers_by_size_and_a_second_turns_them(page: Browser) -> None:
    choose(page, "#rows", "runs")
    sort(page, "kde")
    values = [float(cell.split(" ")[0]) for cell in column(page, "kde")]
    assert values == sorted(values, reverse=True)
    assert page.run("return document.activeElement.textContent") == "kde"
    sort(page, "kde")
    assert [float(cell.split(" ")[0]) for cell in column(page, "kde")] == sorted(values)
    assert page.run("return document.querySelector('[aria-sort=ascending]').textContent") == "kde"
    sort(page, "run")
    assert column(page, "run") == [str(n) for n in range(12)]  # 2 before 10


def test_words_filter_table_curves_and_samples(page: Browser) -> None:
    choose(page, "#rows", "runs")
    page.type("#filter", "loss=wgan seed=1")
    assert column(page, "run") == ["8"]
    assert page.texts("#count") == ["1 of 12 runs"]
    assert page.run("return document.querySelectorAll('#plot path').length") == 1
    assert page.run("return document.querySelectorAll('#sheet img').length") == 1
    page.type("#filter", " nowhere")
    assert page.texts(f"{ROWS} td") == ["No run has all these words."]
    assert page.texts("#reading") == ["No run that is shown has this number."]


def test_pictures_are_shown(page: Browser) -> None:
    loaded = "return [...document.images].filter(i => i.complete && i.naturalWidth === 200).length"
    for _ in range(100):
        if page.run(loaded) == 12:
            break
        time.sleep(0.05)
    assert page.run(loaded) == 12
    assert page.run("return [...document.images].every(i => i.alt)")


def test_curves_are_drawn_and_read_by_pointer_and_keyboard(page: Browser) -> None:
    assert page.run("return document.querySelectorAll('#plot path').length") == 12
    page.hover("#plot")
    (reading,) = page.texts("#reading")
    assert reading.startswith("run ")
    assert "step " in reading
    page.run("document.querySelector('#plot').focus()")
    page.type("#plot", "\ue014")  # →
    (further,) = page.texts("#reading")
    assert "step " in further
    assert further != reading
    page.type("#plot", "\ue006")  # Enter
    assert page.run("return document.querySelector('#run').open")
    page.click("#run-close")
    choose(page, "#metric", "critic/loss")
    page.click("#log")
    choose(page, "#smooth", "0.9")
    assert page.run("return document.querySelectorAll('#plot path').length") == 12
    assert page.run(
        "return [...document.querySelectorAll('#plot path')].every(p => !/NaN/.test(p.outerHTML))"
    )
    page.click("#legend button")
    assert page.run("return document.querySelectorAll('#plot path').length") < 12


def test_a_runs_settings_are_told_and_what_differs_is_marked(page: Browser) -> None:
    choose(page, "#rows", "runs")
    page.click(f"{ROWS}:nth-child(9) .link")
    assert page.texts("#run-title") == ["Run 8"]
    assert {"1", "wgan"} <= set(page.texts("#run-body mark"))
    body = page.texts("#run-body")[0]
    assert "model.generator.width" in body
    page.click(".siblings .link")
    assert page.texts("#run-title") == ["Run 3"]
    page.click("#run-close")
    assert not page.run("return document.querySelector('#run').open")


def test_best_numbers_are_shown_where_a_way_is_better(page: Browser) -> None:
    choose(page, "#which", "best")
    titles = page.texts("#table thead th")
    assert "best kde" in titles
    assert not any("spread" in title for title in titles)


def test_dark_and_light_have_readable_ink(page: Browser) -> None:
    def brightness(what: str) -> float:
        colour = page.run(f"return getComputedStyle(document.body)['{what}'].match(/[0-9]+/g).map(Number)")
        return float(sum(colour[:3])) / 765

    for dark in (True, False):
        page.dark(dark)
        ink, paper = brightness("color"), brightness("background-color")
        assert abs(ink - paper) > 0.6
        assert (ink > paper) == dark


def test_a_narrow_window_scrolls_the_table_and_not_the_page(page: Browser) -> None:
    page.size(500, 800)
    try:
        assert page.run("return document.documentElement.scrollWidth <= window.innerWidth")
    finally:
        page.size(1280, 900)


def test_markup_in_settings_stays_text(browser: Browser, tmp_path: Path) -> None:
    evil = "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=1'>"
    plant(tmp_path / "<img src=x onerror=window.hacked=1>", {"model.activation": evil})
    plant(tmp_path / "b", metrics={"evaluation/<i>x": [(1, 1.0), (2, 3.0)]})
    browser.console()
    browser.open(written(tmp_path))
    assert evil in column(browser, "activation")
    browser.click(f"{ROWS} .link")
    assert evil in browser.texts("#run-body mark")
    assert browser.run("return window.hacked === undefined")
    assert browser.run("return document.querySelectorAll('img').length") == 0
    assert browser.console() == []


def test_runs_of_every_outcome_and_blanks_go_last(browser: Browser, tmp_path: Path) -> None:
    for number, value in enumerate([2.0, "NaN", None, 10.0, -1.0]):
        logged = {} if value is None else {"evaluation/kde": [(1, value)]}
        outcome = ["done", "failed", "running", "stopped", "done"][number]
        plant(tmp_path / str(number), {"model.width": number}, metrics=logged, outcome=outcome, step=1)
    (tmp_path / "5/.hydra").mkdir(parents=True)
    browser.console()
    browser.open(written(tmp_path))
    sort(browser, "kde")
    assert column(browser, "kde") == ["10", "2", "-1", "NaN", "", ""]
    sort(browser, "kde")
    assert column(browser, "kde") == ["-1", "2", "10", "NaN", "", ""]
    assert "empty" in column(browser, "outcome")
    assert browser.console() == []


def test_the_papers_numbers_stand_beside_ours(browser: Browser, tmp_path: Path) -> None:
    plant(tmp_path / "a", evaluations=[entry(1000, "kde", {"kde": 200.0})])
    browser.console()
    browser.open(written(tmp_path, "fgan_table4"))
    assert browser.texts("#paper-table tbody tr:first-child td")[:3] == ["KL", "416.0 ± 5.6", "374.9"]
    assert len(browser.texts("#paper-table tbody tr")) == 10
    assert browser.console() == []


def test_without_a_browser_it_is_skipped_but_not_where_all_must_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt install chromium chromium-driver"):
        needed()
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="not installed"):
        needed()


def test_two_hundred_runs_stay_usable(browser: Browser, tmp_path: Path) -> None:
    sweep(tmp_path, 200, points=100, picture=160)
    began = time.process_time()  # the machine may have other work, too
    page = written(tmp_path)
    assert time.process_time() - began < 10
    assert page.stat().st_size < 20_000_000
    browser.console()
    began = time.monotonic()
    browser.open(page)
    assert browser.texts("#count") == ["200 runs"]
    assert time.monotonic() - began < 8
    choose(browser, "#rows", "runs")
    assert len(browser.texts(ROWS)) == 200
    took = browser.run(
        "const began = performance.now(); document.querySelector('#table th:last-child button').click();"
        "document.body.offsetHeight; return performance.now() - began"
    )
    assert took < 1000
    took = browser.run(
        "const began = performance.now(); const box = document.querySelector('#filter'); box.value = 'wgan';"
        "box.dispatchEvent(new Event('input')); document.body.offsetHeight; return performance.now() - began"
    )
    assert took < 1000
    assert browser.texts("#count") == ["40 of 200 runs"]
    assert browser.console() == []
