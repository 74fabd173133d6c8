"""A scene in a real browser."""

from __future__ import annotations

import io
import shutil
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.ply import PlyError, save_ply
from foley_perception.gaussians.viewer import covariances, is_loopback, open_viewer

pytest.importorskip("viser")


def red_ball() -> Gaussians:
    directions = torch.nn.functional.normalize(
        torch.randn(2000, 3, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    n = len(directions)
    sh = torch.zeros(n, 1, 3)
    sh[:, 0, 0], sh[:, 0, 1:] = 1.7, -1.7
    quats = torch.tensor([[1.0, 0, 0, 0]]).repeat(n, 1)
    return Gaussians(0.3 * directions, quats, torch.full((n, 3), 0.02), torch.full((n,), 0.95), sh)


def test_covariances_are_those_of_the_shape() -> None:
    turned = torch.tensor(
        [[np.cos(np.pi / 4), 0, 0, np.sin(np.pi / 4)]], dtype=torch.float32
    )  # z by a right angle
    long = Gaussians(
        torch.zeros(1, 3), turned, torch.tensor([[0.3, 0.1, 0.2]]), torch.ones(1), torch.zeros(1, 1, 3)
    )
    np.testing.assert_allclose(covariances(long)[0], np.diag([0.01, 0.09, 0.04]), atol=1e-7)


@pytest.mark.parametrize(
    ("host", "only_here"), [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False)]
)
def test_who_can_reach_it_is_known(host: str, only_here: bool) -> None:
    assert is_loopback(host) is only_here


def test_a_file_that_is_no_scene_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scene.ply").write_text("nothing")
    with pytest.raises(PlyError):
        open_viewer(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium") or not shutil.which("chromedriver"), reason="no chromium")
def test_a_browser_shows_it(tmp_path: Path) -> None:
    from selenium import webdriver
    from selenium.common.exceptions import TimeoutException
    from selenium.webdriver.chrome.service import Service

    save_ply(red_ball(), tmp_path / "scene.ply")
    server = open_viewer(tmp_path, port=18_431)
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    software = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size=640,480",
        *software,
    ):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        browser.get(f"http://127.0.0.1:{server.get_port()}")
        deadline, red = time.monotonic() + 600, 0
        while red < 500 and time.monotonic() < deadline:
            try:
                picture = browser.get_screenshot_as_png()
            except TimeoutException:  # a page that is drawn by a processor which has much else to do
                continue
            data = np.frombuffer(io.BytesIO(picture).read(), np.uint8)
            picture = cv2.imdecode(data, cv2.IMREAD_COLOR).astype(int)
            red = int(((picture[..., 2] > 150) & (picture[..., :2].max(axis=2) < 90)).sum())
            time.sleep(0.5)
        assert red >= 500, "the ball is not to be seen"
    finally:
        browser.quit()
        server.stop()
