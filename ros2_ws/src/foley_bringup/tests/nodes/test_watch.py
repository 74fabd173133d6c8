"""`foley watch` in its own process: fed over real middleware, asked by raw requests and by a real browser."""

from __future__ import annotations

import http.client
import io
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

pytest.importorskip("rclpy")
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from foley_common import topics
from foley_msgs.msg import (
    ContactEvent,
    MaterialEstimate,
    Predicate,
    PredicateArray,
    PredictedAudio,
    VocabularyInfo,
)
from foley_ros.convert import array_to_audio, array_to_image, to_stamp
from foley_ros.topics import message_type, profile

pytestmark = pytest.mark.nodes
RATE = 48_000
S = 1_000_000_000


def sound_of(samples: np.ndarray, time_ns: int, first_sample: int) -> Any:
    """An AudioChunk."""
    where = {"frame_id": "mic", "stream_id": "a", "first_sample": first_sample}
    return array_to_audio(samples, sample_rate=RATE, time_ns=time_ns, **where)


class Page:
    """The running command."""

    def __init__(self, *options: str) -> None:
        code = "import sys; from foley_bringup.cli import main; sys.exit(main(sys.argv[1:]))"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "watch", "--port", "0", *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        self.port = int(self.address.split(":")[2].split("/")[0])

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()

    def view(self) -> dict[str, Any]:
        return dict(json.loads(self.get("/api/view")[1]))


@pytest.fixture
def page(ros_domain: int) -> Iterator[Page]:
    running = Page()
    yield running
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(60) == 0


class Robot:
    """Publishes what the system would, on the clock of its node."""

    def __init__(self, context: Any) -> None:
        self.context, self.node = context, context.create_node("robot")
        self.publishers: dict[str, Any] = {}
        self.sent = 0

    def now_ns(self) -> int:
        return int(self.node.get_clock().now().nanoseconds)

    def tell(self, topic: topics.Topic, message: Any) -> None:
        if topic.name not in self.publishers:
            publisher = self.node.create_publisher(message_type(topic), topic.name, profile(topic))
            self.publishers[topic.name] = publisher
            self.context.spin_until(publisher.get_subscription_count, what=f"a listener of {topic.name}")
        self.publishers[topic.name].publish(message)

    def sound(self, start_ns: int, samples: np.ndarray) -> None:
        for first in range(0, len(samples), 480):
            at_ns = start_ns + round(first / RATE * S)
            self.tell(topics.MICROPHONE, sound_of(samples[first : first + 480], at_ns, first))

    def predicates(self, state: int, valid_until_ns: int) -> None:
        message = PredicateArray(sequence=1)
        message.header.stamp = to_stamp(self.now_ns())
        one = Predicate(name="is_made_of_metal", arguments=["mug"], probability=0.9, state=state)
        one.valid_until = to_stamp(valid_until_ns)
        message.predicates = [one]
        self.tell(topics.PREDICATES, message)


def test_a_contact_is_shown_and_heard(page: Page, ros_context: Any, tmp_path: Path) -> None:
    robot = Robot(ros_context)
    contact_ns = robot.now_ns() - 2 * S
    ring = np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE).astype(np.float32) * 0.3
    ring[:RATE] = 0.0
    vocabulary = VocabularyInfo(labels=["wood", "metal"])
    robot.tell(topics.VOCABULARY, vocabulary)
    ros_context.spin_until(lambda: page.get("/api/view")[0] == 200)

    expected = PredictedAudio(mode=PredictedAudio.MODE_PLANNED, plan_id="plan_1")
    expected.predicted_contact_time = to_stamp(contact_ns)
    expected.audio = sound_of(ring[RATE // 2 :], contact_ns - S // 2, 0)
    robot.sound(contact_ns - S, ring)
    event = ContactEvent(object_id="mug", action=ContactEvent.ACTION_TAP, plan_id="plan_1")
    event.header.stamp = to_stamp(contact_ns)

    def shown() -> Any:
        """The first messages may be lost while both sides find one another."""
        robot.tell(topics.PREDICTED_AUDIO, expected)
        event.contact_id = f"c/{robot.now_ns()}"
        robot.tell(topics.CONTACTS, event)
        contacts = page.view()["contacts"]
        return next((c for c in contacts if c["heard"] and c["predicted"]), None)

    contact = ros_context.spin_until(shown)
    assert contact["action"] == "tap" and contact["object"] == "mug"
    which = f"contact={quote(contact['id'], safe='')}"
    sound = page.get(f"/heard.wav?{which}")[1]
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(sound))
    assert rate == RATE and len(samples) == RATE
    assert np.abs(samples[: RATE // 5]).max() < 1e-3 and np.abs(samples[RATE // 3 :]).max() > 0.25
    assert page.get(f"/predicted.wav?{which}")[0] == 200
    assert page.get(f"/spectrogram.png?{which}")[1].startswith(b"\x89PNG")
    assert page.get("/heard.wav?contact=other")[0] == 404
    assert page.get("/camera.jpg")[0] == 404

    picture = np.full((48, 64, 3), (200, 10, 10), np.uint8)
    estimate = MaterialEstimate(object_id="mug", probabilities=[0.25, 0.75], contacts_heard=1)
    estimate.header.stamp = to_stamp(contact_ns)
    line = DiagnosticStatus(level=DiagnosticStatus.WARN, name="/material", message="no sound")

    def all_there() -> Any:
        robot.tell(topics.CAMERA, array_to_image(picture, "rgb8", robot.now_ns(), "camera"))
        robot.tell(topics.MATERIAL_ESTIMATES, estimate)
        robot.tell(topics.DIAGNOSTICS, DiagnosticArray(status=[line]))
        robot.predicates(Predicate.TRUE, robot.now_ns() + 60 * S)
        view = page.view()
        return view["objects"] and view["predicates"] and view["nodes"] and page.get("/camera.jpg")[0] == 200

    ros_context.spin_until(all_there)
    view = page.view()
    assert view["objects"][0]["top"][0] == ["metal", 0.75]
    assert view["predicates"][0]["state"] == "true"
    assert [n["level"] for n in view["nodes"] if n["name"] == "/material"] == ["warn"]
    assert page.get("/api/view", Host="evil.example")[0] == 400

    look(page, tmp_path)


def look(page: Page, folder: Path) -> None:
    """What a browser makes of the page."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no chromium here")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/browser"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(executable_path=driver))
    try:
        browser.get(page.address)
        count = "return [...document.images].filter(i => i.naturalWidth > 1).length"
        WebDriverWait(browser, 120).until(lambda b: b.execute_script(count) >= 2)
        text = browser.find_element("tag name", "body").text
        assert "is_made_of_metal(mug)" in text and "metal 75 %" in text and "tap on mug" in text
        assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    finally:
        browser.quit()


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    from foley_bringup.cli import main

    for wrong in (["--port", "99999"], ["--set", "channel"], ["--robot", str(tmp_path / "none.yaml")]):
        assert main(["watch", *wrong]) == 2
