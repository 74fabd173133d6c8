"""Opens the report in a headless Chromium and looks whether its pictures and players work."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
    "--window-size=1100,1400",
)
_LOOK = """
const done = arguments[0];
const images = [...document.images];
const players = [...document.querySelectorAll('audio')];
const ready = p => new Promise(r => {
  p.addEventListener('loadedmetadata', () => r(p.duration), {once: true});
  p.addEventListener('error', () => r(0), {once: true});
  p.load();
});
players.forEach(p => { p.preload = 'metadata'; });
Promise.all(players.map(ready)).then(durations => done({
  images: images.length,
  images_shown: images.filter(i => i.complete && i.naturalWidth > 1).length,
  players: players.length,
  players_ready: durations.filter(d => d > 0).length,
  title: document.title,
}));
"""


class BrowserError(RuntimeError):
    """No browser could be started, or it did not answer; the message says what to install."""


@dataclasses.dataclass(frozen=True)
class ReportLook:
    """What a browser made of the report."""

    images: int
    images_shown: int
    players: int
    players_ready: int
    title: str

    @property
    def whole(self) -> bool:
        return 0 < self.images == self.images_shown and self.players == self.players_ready


def look_at(report: Path, screenshot: Path, *, timeout_s: float = 60.0) -> ReportLook:
    """Load ``report``, take a screenshot of the whole page and count what works.

    Raises:
        BrowserError: Chromium or its driver is missing or did not answer.
    """
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.chrome.service import Service

    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        raise BrowserError("chromium or chromedriver is missing: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    with tempfile.TemporaryDirectory(prefix="foley_browser_") as profile:
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        try:
            browser = webdriver.Chrome(options=options, service=Service(executable_path=driver))
        except WebDriverException as error:
            raise BrowserError(f"chromium did not start: {error.msg}") from error
        try:
            browser.set_page_load_timeout(timeout_s)
            browser.set_script_timeout(timeout_s)
            browser.get(report.resolve().as_uri())
            seen = browser.execute_async_script(_LOOK)
            height = int(browser.execute_script("return document.documentElement.scrollHeight"))
            browser.set_window_size(1100, min(height + 150, 8000))
            screenshot.parent.mkdir(parents=True, exist_ok=True)
            browser.save_screenshot(str(screenshot))
        except WebDriverException as error:
            raise BrowserError(f"chromium could not show {report}: {error.msg}") from error
        finally:
            browser.quit()
    return ReportLook(**seen)
