"""A recorded scene is played: the flow's condition is that of training, and a browser plays the sound."""

from __future__ import annotations

import argparse
import base64
import dataclasses
import io
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

pytest.importorskip("rclpy")
pytest.importorskip("viser")

from foley_perception.action.gripper import GripperHand
from foley_perception.dataset.build import build_dataset, find_bags
from foley_perception.dataset.cut import CutConfig
from foley_perception.dataset.reader import ClipDataset
from foley_perception.episodes.reader import read_episode
from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.ply import save_ply
from foley_perception.gaussians.views.recordings import BulkConfig, draw_recording, find_scenes
from foley_sim.ros.generate import GenerateConfig
from foley_synthesis.commands import flow
from foley_synthesis.flow.codec.config import CodecConfig
from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.contact.model import ContactFlowModel
from foley_synthesis.flow.contact.model import save_model as save_contact_flow
from foley_synthesis.flow.contact.synthetic import synthetic_field
from foley_synthesis.flow.inference.model import FlowModel, save_model
from foley_synthesis.flow.inference.motion import MotionError
from foley_synthesis.flow.inference.scene import SceneError
from foley_synthesis.flow.networks import autoencoder, vector_field
from foley_synthesis.flow.networks.rectified_flow import SampleConfig
from foley_synthesis.flow.play.contact_player import ContactPlayer
from foley_synthesis.flow.play.opening import open_player
from foley_synthesis.flow.play.page import Page
from foley_synthesis.flow.play.player import Player, ScenePlayer, open_scene_context
from foley_synthesis.flow.training.build import open_items
from foley_synthesis.flow.windows import batch
from foley_synthesis.vision.coarse_colour import ColourEncoder
from foley_synthesis.vision.view_features import VIEWS

HAND = GripperHand.from_yaml("parallel_gripper")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, generate_here: Callable[..., None]) -> Path:
    """A recording, a scene of its id (a table top of many colours), and a flow that learned nothing."""
    folder = tmp_path_factory.mktemp("place")
    generate_here(
        GenerateConfig(
            folder / "bags", split="train", scenes=1, duration_s=12.0, edition="foleysim-1", robot="gantry",
            depth_rate_hz=0,
        )
    )  # fmt: skip
    bag = find_bags([folder / "bags"])[0]
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(-0.6, 0.6, 60), np.linspace(-0.6, 0.6, 60)))
    n = len(x)
    torch.manual_seed(0)
    points = torch.tensor(np.stack([x, y, 0 * x], -1), dtype=torch.float32)
    quats, scales = torch.tensor([[1.0, 0, 0, 0]]), torch.tensor([[0.015, 0.015, 0.0005]])
    gaussians = Gaussians(
        points, quats.expand(n, 4), scales.expand(n, 3), torch.full((n,), 0.95), torch.rand(n, 1, 3)
    )
    scene = folder / "scenes" / "scene"
    scene.mkdir(parents=True)
    save_ply(gaussians, scene / "scene.ply")
    manifest = {
        "scene_id": read_episode(bag).scene_id,
        "focus": [0.0, 0.0, 0.05],
        "radius": 1.0,
        "cameras": {},
    }
    (scene / "scene.json").write_text(json.dumps(manifest))
    encoder = ColourEncoder()
    coder = autoencoder.MelAutoencoder(autoencoder.SIZES["tiny"])
    coder.set_scale(torch.randn(4, 80, 500))
    field = vector_field.VectorField(vector_field.SIZES["tiny"](len(VIEWS) * encoder.dims))
    facts: dict[str, Any] = {
        "encoder": {"name": "colour", "identity": encoder.identity},
        "views": list(VIEWS),
        "without": "",
        "dataset": {"train_scenes": []},
    }
    save_model(FlowModel(coder, field, facts), folder / "flow", {})
    return folder


def opened(place: Path, start_s: float = 0.0) -> ScenePlayer:
    bag = find_bags([place / "bags"])[0]
    return open_player(
        place / "flow", place / "scenes" / "scene", bag, start_s=start_s, hand="parallel_gripper", threads=1
    )


@pytest.mark.long
def test_the_condition_is_that_of_training(place: Path, tmp_path: Path) -> None:
    bags = find_bags([place / "bags"])
    build_dataset(bags, tmp_path / "dataset", config=CutConfig(windows=True), workers=1)
    dataset = ClipDataset(tmp_path / "dataset")
    draw_recording(bags[0], find_scenes(place / "scenes"), tmp_path / "views", BulkConfig(names=VIEWS))
    items, _ = open_items(dataset, tmp_path / "views", "colour")
    given = batch(items, torch.tensor([0]))
    episode_start = min(window.start_ns for window in items.windows)
    player = opened(place)
    assert isinstance(player, Player)
    condition, pictures = player.condition(player.preset("recorded", player.scene.motion[0]))
    assert items.windows[0].start_ns == episode_start and len(pictures["local_right"]) == 32
    torch.testing.assert_close(condition.action, given.action, atol=2e-4, rtol=0.0)
    # Pictures of training went through JPEG, and times of every other one lie between two poses.
    near = torch.nn.functional.cosine_similarity(
        condition.vision.reshape(250, 3, -1), given.vision.reshape(250, 3, -1), dim=-1
    )
    assert bool((near[:, [0, 2]] > 0.99).all()) and float(near[:, [0, 2]].median()) > 0.999
    assert bool((condition.vision.reshape(250, 3, -1)[:, 1] == 0).all()), "there is no left hand"


@pytest.mark.long
def test_the_command_writes_a_sound_and_says_what_is_wrong(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    flow.configure(parser)
    bag, scene = find_bags([place / "bags"])[0], place / "scenes" / "scene"
    words = ["play", str(place / "flow"), "--scene", str(scene), "--bag", str(bag), "--steps", "2"]

    def run(*more: str) -> int:
        return flow.run(parser.parse_args([*words, "--to", str(tmp_path / "a" / "tap.flac"), *more]))

    assert run("--motion", "tap", "--at", "0.1", "0", "0.2") == 0
    sound, rate = soundfile.read(tmp_path / "a" / "tap.flac")
    assert (len(sound), rate) == (128_000, 16_000) and "made in" in capsys.readouterr().out
    assert run("--motion", "tap", "--at", "2", "0", "0.2") == 2
    assert "move the hand over something" in capsys.readouterr().err
    assert run("--motion", "hop") == 2 and "--motion is `hop`" in capsys.readouterr().err
    other = tmp_path / "other"
    shutil.copytree(scene, other)
    (other / "scene.json").write_text(json.dumps({"scene_id": "another", "focus": [0, 0, 0]}))
    with pytest.raises(MotionError, match="is `another`"):
        open_scene_context(other, bag, HAND)
    (other / "scene.json").write_text("{")
    with pytest.raises(SceneError, match="reconstruct the scene again"):
        open_scene_context(other, bag, HAND)
    (other / "scene.json").write_text("{}")
    with pytest.raises(SceneError, match="focus"):
        open_scene_context(other, bag, HAND)
    assert run("--start", "-1") == 2 and "start is -1.0 s" in capsys.readouterr().err
    assert (
        run("--motion", "tap", "--at", "nan", "0", "0.2") == 2 and "must be finite" in capsys.readouterr().err
    )
    late = open_scene_context(scene, bag, HAND, start_s=100.0)
    assert np.ptp(late.motion.translation, axis=0).max() < 1e-9, "after the recording the hand rests"


@pytest.mark.long
def test_a_contact_flow_is_played_by_the_same_command(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = CodecConfig(
        latent=4, width=16, hidden=16, blocks=1, fine_width=16, fine_hidden=16, fine_blocks=1, rounds=1
    )
    model = ContactFlowModel(synthetic_field(), Codec(size).eval(), {"train_scenes": [], "without": []})
    save_contact_flow(model, tmp_path / "contact", {})
    bag, scene = find_bags([place / "bags"])[0], place / "scenes" / "scene"
    player = open_player(tmp_path / "contact", scene, bag, hand="parallel_gripper", threads=1)
    assert isinstance(player, ContactPlayer) and player.scene.motion.batch == (1000,)
    assert player._floor is not None and player._floor.shape == (80,), "the recording's room was heard"
    parser = argparse.ArgumentParser()
    flow.configure(parser)
    words = ["play", str(tmp_path / "contact"), "--scene", str(scene), "--bag", str(bag), "--steps", "1"]
    words += ["--motion", "tap", "--at", "0.1", "0", "0.2", "--to", str(tmp_path / "tap.flac")]
    assert flow.run(parser.parse_args(words)) == 0
    sound, rate = soundfile.read(tmp_path / "tap.flac")
    assert (len(sound), rate) == (128_000, 16_000) and np.isfinite(sound).all()
    assert "flow and codec" in capsys.readouterr().out


def test_a_gap_in_the_poses_is_not_drawn_over(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bag = find_bags([place / "bags"])[0]
    episode = read_episode(bag)
    track = episode.ee_pose
    assert track is not None
    since_s = (track.times_ns - episode.start_ns) * 1e-9
    kept = np.flatnonzero((since_s < 3.0) | (since_s > 3.5))
    holed = dataclasses.replace(track, times_ns=track.times_ns[kept], poses=track.poses[kept])
    arm = dataclasses.replace(episode.arms["arm"], ee_pose=holed)
    monkeypatch.setattr(
        "foley_synthesis.flow.play.player.read_episode",
        lambda _, **names: dataclasses.replace(episode, arms={"arm": arm}),
    )
    with pytest.raises(MotionError, match=r"ee_pose has a gap at 3\.\d\d s; choose other 8 s"):
        open_scene_context(place / "scenes" / "scene", bag, HAND)
    assert bool(open_scene_context(place / "scenes" / "scene", bag, HAND, start_s=3.6).motion.finite.all())


@pytest.fixture(scope="module")
def page(place: Path) -> Iterator[Page]:
    made = Page(opened(place), place / "scenes" / "scene", port=18_533, sampling=SampleConfig(2, 1.0))
    yield made
    made.close()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium") or not shutil.which("chromedriver"), reason="no chromium")
def test_a_browser_plays_what_the_hand_did(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1000,900",
        "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
        "--autoplay-policy=no-user-gesture-required",
    ):  # fmt: skip
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))

    def press(label: str) -> str:
        """Press a button; the source of the next sound."""
        before = [sound.get_attribute("src") for sound in browser.find_elements(By.TAG_NAME, "audio")]
        button = wait.until(lambda b: b.find_element(By.XPATH, f"//button[contains(., '{label}')]"))
        browser.execute_script("arguments[0].click()", button)

        def new(_: Any) -> str:
            sounds = [sound.get_attribute("src") for sound in browser.find_elements(By.TAG_NAME, "audio")]
            return str(sounds[-1]) if sounds and sounds != before else ""

        return str(wait.until(new))

    try:
        wait = WebDriverWait(browser, 600)
        browser.get(f"http://127.0.0.1:{page.server.get_port()}")
        source = press("Tap here")
        sound, rate = soundfile.read(io.BytesIO(base64.b64decode(source.split(",", 1)[1])))
        assert (len(sound), rate) == (128_000, 16_000)
        length = wait.until(lambda b: b.execute_script("return document.querySelector('audio').duration"))
        assert length == pytest.approx(8.0, abs=0.05)
        assert len(browser.find_elements(By.TAG_NAME, "img")) >= 2, "spectrogram and views"
        monkeypatch.setattr("foley_synthesis.flow.play.page.WINDOW_S", 0.5)
        assert press("Perform for 8 s") != source
    finally:
        browser.quit()


def test_the_page_outlives_what_cannot_be_played(page: Page) -> None:
    player = page._player
    far = dataclasses.replace(player.scene, gaussians=player.scene.gaussians[:1])
    kept, player.scene = player.scene, far
    try:
        page._start(lambda: player.preset("tap", player.scene.motion[0]))
        deadline = time.monotonic() + 240
        while "Not possible" not in page._status.content and time.monotonic() < deadline:
            time.sleep(0.05)
        assert "nothing is known to lie under" in page._status.content
    finally:
        player.scene = kept
