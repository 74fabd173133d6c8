"""The study as people and attackers meet it: the real server in its own process, a real browser, raw requests."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from foley_synthesis.evaluation.listening_test.store import read_answers

pytestmark = pytest.mark.slow


class Served:
    """`foley study serve` on a free port."""

    def __init__(self, folder: Path, *options: str) -> None:
        code = "import sys; from foley_bringup.cli import main; sys.exit(main(sys.argv[1:]))"
        command = [
            sys.executable,
            "-c",
            code,
            "study",
            "serve",
            str(folder),
            "--port",
            "0",
            "--trials",
            "3",
            *options,
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        found = re.search(r":(\d+)/", self.address)
        assert found, self.address + self.process.stdout.read()
        self.port = int(found[1])
        self.folder = folder

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, host: str = ""
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=240)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **(headers or {})}
        if host:
            given["Host"] = host
        connection.request(method, path, data, given)
        response = connection.getresponse()
        answer = response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        connection.close()
        return answer

    def enter(self) -> dict[str, str]:
        """A new participant's cookie."""
        status, headers, _ = self.ask("POST", "/api/consent", {"agree": True})
        assert status == 200
        return {"Cookie": headers["set-cookie"].split(";")[0]}

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        assert self.process.wait(120) is not None


@pytest.fixture
def served(tmp_path: Path, make_study_folder: Callable[..., Path]) -> Iterator[Served]:
    server = Served(make_study_folder(tmp_path / "study", clips=6))
    yield server
    server.stop()


def test_hostile_requests_change_nothing(served: Served) -> None:
    me, other = served.enter(), served.enter()
    status, headers, data = served.ask("GET", "/api/next", headers=me)
    trial = json.loads(data)
    assert status == 200 and not {"real", "model", "clip", "made"} & set(trial)
    assert (
        headers["x-content-type-options"] == "nosniff"
        and "default-src 'self'" in headers["content-security-policy"]
    )
    token = trial["trial"]
    answer = {"trial": token, "choice": "left"}
    for expected, method, path, body, given in (
        (401, "GET", "/api/next", None, {}),
        (401, "GET", "/api/next", None, {"Cookie": "foley_study=guess"}),
        (401, "POST", "/api/answer", answer, {}),
        (404, "POST", "/api/answer", {"trial": "forged", "choice": "left"}, me),
        (404, "POST", "/api/answer", answer, other),
        (422, "POST", "/api/answer", {"trial": token, "choice": "middle"}, me),
        (422, "POST", "/api/answer", {"trial": [token], "choice": {"$ne": 1}}, me),
        (425, "POST", "/api/answer", answer, me),
        (400, "POST", "/api/answer", b"{", me),
        (400, "POST", "/api/answer", b"[" * 4000, me),
        (400, "POST", "/api/answer", [answer], me),
        (413, "POST", "/api/answer", b'{"trial": "' + b"a" * 9000 + b'"}', me),
        (415, "POST", "/api/answer", b"trial=1", {**me, "Content-Type": "application/x-www-form-urlencoded"}),
        (403, "POST", "/api/answer", answer, {**me, "Origin": "http://evil.example"}),
        (422, "POST", "/api/consent", {"agree": "yes"}, {}),
        (404, "POST", "/api/consent", {"code": "' or 1=1 --"}, {}),
        (404, "POST", "/api/consent", {"code": "\0"}, {}),
        (400, "POST", "/api/consent", b'{"code": "\\ud800"}', {}),
        (400, "POST", "/api/consent", b'{"code": "\xed\xa0\x80"}', {}),
        (400, "POST", "/api/consent", b'{"\\udc00": 1, "agree": true}', {}),
        (400, "POST", "/api/consent", b"\xff\xff", {}),
        (422, "POST", "/api/consent", b'{"agree": NaN, "code": 1e999}', {}),
        (400, "POST", "/api/answer", b'{"trial": "\\ud83d", "choice": "left"}', me),
        (400, "POST", "/api/answer", b'{"a":' * 600 + b"[" * 300, me),
        (400, "POST", "/api/answer", b"1" * 4000, me),
        (404, "GET", f"/media/{token}/left/..%2f..%2fstudy.json", None, me),
        (404, "GET", f"/media/{token}/left/sound/../../../study.json", None, me),
        (404, "GET", f"/media/{token}/middle/sound", None, me),
        (404, "GET", f"/media/{token}/left/sound", None, other),
        (404, "GET", "/static/../store.py", None, me),
        (404, "GET", "/static/..%2fstore.py", None, me),
        (405, "GET", "/api/answer", None, me),
        (405, "DELETE", "/api/next", None, me),
    ):  # fmt: skip
        assert served.ask(method, path, body, given)[0] == expected, (method, path, body)
    assert served.ask("GET", "/", host="evil.example")[0] == 400, "a name that was bound anew"
    with socket.create_connection(("127.0.0.1", served.port)) as caller:  # who hangs up in the middle
        caller.sendall(
            b"POST /api/consent HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b'Content-Length: 900\r\n\r\n{"agree": '
        )
    assert read_answers(served.folder / "answers.sqlite") == []
    while (
        status := served.ask("POST", "/api/answer", answer, me)[0]
    ) == 425:  # it has not been heard to its end
        time.sleep(0.05)
    assert status == 200
    assert served.ask("POST", "/api/answer", {**answer, "choice": "right"}, me)[0] == 409, "a replay"
    ((_, kept),) = read_answers(served.folder / "answers.sqlite")
    assert kept.choice == "left"
    served.stop()
    assert served.process.stdout is not None and "Traceback" not in served.process.stdout.read()


def test_media_do_not_tell_which_is_real(served: Served) -> None:
    me = served.enter()
    trial = json.loads(served.ask("GET", "/api/next", headers=me)[2])
    heard = {}
    for side in ("left", "right"):
        status, headers, data = served.ask("GET", f"/media/{trial['trial']}/{side}/sound", headers=me)
        assert status == 200
        heard[side] = (headers, data)
        _, headers, _ = served.ask("GET", f"/media/{trial['trial']}/{side}/pictures", headers=me)
        assert headers["content-type"] == "image/jpeg"
    assert heard["left"][1] != heard["right"][1] and len(heard["left"][1]) == len(heard["right"][1])
    assert heard["left"][0] == heard["right"][0]


def test_beyond_loopback_a_token_is_needed(tmp_path: Path, make_study_folder: Callable[..., Path]) -> None:
    server = Served(make_study_folder(tmp_path / "study", clips=3), "--host", "0.0.0.0")
    try:
        found = re.search(r"token=(\S+)", server.address)
        assert found, server.address
        assert (
            server.ask("GET", "/")[0] == 403 and server.ask("POST", "/api/consent", {"agree": True})[0] == 403
        )
        assert (
            server.ask("GET", "/?token=wrong")[0] == 403 and server.ask("GET", "/static/study.js")[0] == 403
        )
        status, headers, _ = server.ask("GET", f"/?token={found[1]}")
        assert status == 303 and "httponly" in headers["set-cookie"].lower()
        access = {"Cookie": headers["set-cookie"].split(";")[0]}
        assert server.ask("GET", "/", headers=access)[0] == 200
    finally:
        server.stop()


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("chromium") or not shutil.which("chromedriver"), reason="no chromium")
def test_people_take_part_in_a_browser_and_come_back(served: Served, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def begin(profile: str) -> Any:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = str(shutil.which("chromium"))
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                     "--mute-audio", "--disable-background-networking", "--disable-component-update", "--disable-sync",
                     "--window-size=900,800", f"--user-data-dir={tmp_path / profile}"):  # fmt: skip
            options.add_argument(flag)
        browser = webdriver.Chrome(
            options=options, service=Service(executable_path=shutil.which("chromedriver"))
        )
        browser.get(f"http://127.0.0.1:{served.port}/")
        return browser

    def wait(browser: Any, condition: Any) -> Any:
        return WebDriverWait(browser, 600).until(condition)

    def judge(browser: Any, side: str) -> str:
        """Play both, choose one; returns the trial."""
        trial = wait(browser, lambda b: b.execute_script("return document.body.dataset.trial"))
        for name in ("left", "right"):
            button = wait(browser, lambda b, n=name: b.find_element(By.ID, f"{n}-play"))
            wait(browser, lambda b, k=button: k.is_enabled())
            assert not browser.find_element(By.ID, f"{side}-choose").is_enabled(), "both are played first"
            button.click()
        choose = browser.find_element(By.ID, f"{side}-choose")
        wait(browser, lambda b: choose.is_enabled())
        drawn = "return [...document.querySelector('canvas').getContext('2d').getImageData(0,0,9,9).data].some(v => v)"
        assert browser.execute_script(drawn)
        choose.click()
        wait(browser, lambda b: b.execute_script("return document.body.dataset.trial") != trial
             or b.find_element(By.ID, "thanks").is_displayed())  # fmt: skip
        return str(trial)

    first = begin("one")
    try:
        agree = wait(first, lambda b: b.find_element(By.ID, "agree"))
        wait(first, lambda b: agree.is_displayed())
        assert not first.find_element(By.ID, "begin").is_enabled()
        agree.click()
        first.find_element(By.ID, "begin").click()
        done = [judge(first, "left")]
        code = first.find_element(By.ID, "own-code").text
    finally:
        first.quit()
    second = begin("two")  # elsewhere: no cookie
    try:
        wait(second, lambda b: b.find_element(By.ID, "welcome").is_displayed())
        second.find_element(By.TAG_NAME, "summary").click()
        second.find_element(By.ID, "code").send_keys(code)
        second.find_element(By.ID, "return").click()
        while not second.find_element(By.ID, "thanks").is_displayed():
            done.append(judge(second, "right"))
    finally:
        second.quit()
    answers = read_answers(served.folder / "answers.sqlite")
    assert [t.token for _, t in answers] == done and [t.choice for _, t in answers] == [
        "left",
        *["right"] * 3,
    ]
    assert len(done) == 4, "three trials and a catch"
