"""A headless Chromium driven over W3C WebDriver, with the standard library alone."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1280,900",
)


class Browser:
    """One window. What is found by a CSS selector is used at once, so that nothing goes stale."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, path: str, content: dict[str, Any] | None = None, method: str = "POST") -> Any:
        """One WebDriver command's value."""
        body = None if method != "POST" else json.dumps(content or {}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, page: Path) -> None:
        """Load the file as a user would by a double click."""
        self.ask("/url", {"url": page.absolute().as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        """What the JavaScript returns."""
        return self.ask("/execute/sync", {"script": script, "args": list(arguments)})

    def click(self, selector: str) -> None:
        """A real click in the middle of it, scrolled into view."""
        self.ask(f"/element/{self._element(selector)}/click")

    def type(self, selector: str, text: str) -> None:
        """Keys pressed while it has the focus."""
        self.ask(f"/element/{self._element(selector)}/value", {"text": text})

    def hover(self, selector: str, x: int = 0, y: int = 0) -> None:
        """Move the pointer to a place off the element's middle."""
        origin = {_ELEMENT: self._element(selector)}
        move = {"type": "pointerMove", "duration": 0, "origin": origin, "x": x, "y": y}
        self.ask("/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": [move]}]})

    def texts(self, selector: str) -> list[str]:
        """The visible text of all that match."""
        found: list[str] = self.run(
            "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText.trim())", selector
        )
        return found

    def console(self) -> list[str]:
        """The messages since the last call, of every level."""
        return [entry["message"] for entry in self.ask("/se/log", {"type": "browser"})]

    def dark(self, on: bool) -> None:
        """Have the page believe that the user prefers dark colours."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if on else "light"}]
        order = {"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}}
        self.ask("/goog/cdp/execute", order)

    def size(self, width: int, height: int) -> None:
        """The window's size in pixels."""
        self.ask("/window/rect", {"width": width, "height": height})

    def screenshot(self, path: Path) -> None:
        """What the window shows, as PNG."""
        path.write_bytes(base64.b64decode(self.ask("/screenshot", method="GET")))

    def _element(self, selector: str) -> str:
        found: str = self.ask("/element", {"using": "css selector", "value": selector})[_ELEMENT]
        return found


def needed() -> tuple[str, str]:
    """The paths of Chromium and its driver. Where there are none the test is skipped, under CI it fails."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if browser is not None and driver is not None:
        return browser, driver
    reason = "Chromium and its driver are not installed (Debian: apt install chromium chromium-driver)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A new browser with its own empty profile in `folder`, ended with the block."""
    browser, driver = needed()
    log = folder / "driver.log"
    with log.open("wb") as out:
        process = subprocess.Popen([driver, "--port=0"], stdout=out, stderr=subprocess.STDOUT)
    try:
        root = f"http://127.0.0.1:{_port(log, process)}"
        options = {"binary": browser, "args": [*_FLAGS, f"--user-data-dir={folder / 'profile'}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        content = {"capabilities": {"alwaysMatch": {"browserName": "chrome", **wanted}}}
        session = Browser(root).ask("/session", content)["sessionId"]
        window = Browser(f"{root}/session/{session}")
        try:
            yield window
        finally:
            window.ask("", method="DELETE")
    finally:
        process.terminate()
        process.wait(timeout=30)


def _port(log: Path, process: subprocess.Popen[bytes]) -> int:
    """The port that the driver chose, which it tells."""
    for _ in range(600):
        for line in log.read_text(errors="replace").splitlines():
            if "started successfully on port" in line:
                return int(line.rsplit(" ", 1)[1].rstrip("."))
        assert process.poll() is None, log.read_text(errors="replace")
        time.sleep(0.05)
    raise AssertionError(f"the driver did not start: {log.read_text(errors='replace')}")
