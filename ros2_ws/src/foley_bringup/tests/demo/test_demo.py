"""The demo's figures, its own verdict on them, and the page that shows both."""

import base64
import dataclasses
import io
import math
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

from foley_bringup.demo import browser, figures, report, results
from foley_bringup.demo.results import LiveContact, Prediction, Session, TopicLoss

S = 1_000_000_000
VOCABULARY = ("glass", "metal", "wood")
SHA = "ab" * 32


def contact(index: int, *, heard: str | None, predicted: str | None, lead_s: float = 0.6) -> LiveContact:
    onset = (10 + index) * S
    material = VOCABULARY[index % 3]
    prediction = Prediction(
        predicted_ns=onset,
        received_ns=onset - int(lead_s * S),
        latency_s=0.1,
        material=material if predicted == "right" else predicted,
        waveform=np.zeros(48_000, np.float32),
        waveform_start_ns=onset - S // 4,
        sample_rate=48_000,
    )
    return LiveContact(
        session="scene",
        object_id=f"object_{index % 6}",
        material=material,
        action="tap",
        onset_ns=onset,
        detected_ns=onset,
        heard_material=material if heard == "right" else heard,
        heard_latency_s=0.8,
        prediction=prediction,
    )


def session(contacts: list[LiveContact], **changes: object) -> Session:
    whole = Session(
        name="scene",
        contacts=tuple(contacts),
        false_detections=0,
        lost={"mic/audio": TopicLoss(6000, 6000), "camera/image_raw": TopicLoss(1000, 996)},
        real_time_factor=1.0,
        model_ids=frozenset({SHA}),
    )
    return dataclasses.replace(whole, **changes)  # type: ignore[arg-type]


def metrics_of(one: Session) -> dict[str, object]:
    return results.figures([one], VOCABULARY, SHA, trained_in_this_run=True)


GOOD = [contact(i, heard="right", predicted="right" if i % 2 else "wood") for i in range(24)]


def test_a_closed_loop_passes() -> None:
    metrics = metrics_of(session(GOOD))
    assert results.broken_joints(metrics) == []
    assert metrics["contacts"] == 24
    assert metrics["material_accuracy_heard"] == 1.0
    assert metrics["material_accuracy_predicted"] == pytest.approx((0.5 + 0.5 + 1.0) / 3)
    assert metrics["lead_time_p50_ms"] == pytest.approx(600)
    assert metrics["lost"]["camera/image_raw"] == {"sent": 1000, "received": 996}


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        (session(GOOD[:6]), "only 6 contacts"),
        (session(GOOD, false_detections=60), "detection_precision"),
        (session([dataclasses.replace(c, detected_ns=None) for c in GOOD]), "detection_recall"),
        (session([contact(i, heard="wood", predicted="right") for i in range(24)]), "material heard"),
        (session([contact(i, heard="right", predicted="wood") for i in range(24)]), "material predicted"),
        (session([dataclasses.replace(c, prediction=None) for c in GOOD]), "announced"),
        (session([contact(i, heard="right", predicted="right", lead_s=0.1) for i in range(24)]), "lead time"),
        (session(GOOD, lost={"mic/audio": TopicLoss(6000, 5999)}), "mic/audio: 1 of 6000"),
        (session(GOOD, lost={"camera/camera_info": TopicLoss(1000, 990)}), "camera/camera_info: 10 of 1000"),
        (session(GOOD, lost={"camera/image_raw": TopicLoss(1000, 994)}), "camera/image_raw: 6 of 1000"),
        (session(GOOD, lost={"ee_pose": TopicLoss(0, 0)}), "ee_pose: nothing was sent"),
        (session(GOOD, model_ids=frozenset({"other"})), "not the one just trained"),
    ],
)
def test_each_broken_joint_is_named(broken: Session, word: str) -> None:
    assert any(word in sentence for sentence in results.broken_joints(metrics_of(broken)))


def test_answers_that_do_not_depend_on_the_truth_fail() -> None:
    rng = np.random.default_rng(3)
    shuffled = [
        contact(i, heard=str(rng.choice(VOCABULARY)), predicted=str(rng.choice(VOCABULARY)))
        for i in range(60)
    ]
    assert any("material heard" in w for w in results.broken_joints(metrics_of(session(shuffled))))


def test_balanced_accuracy_counts_silence_as_wrong() -> None:
    assert results.balanced_accuracy(["a", "a", "b"], ["a", None, "b"]) == pytest.approx(0.75)
    assert math.isnan(results.balanced_accuracy([], []))


def test_interval_holds_the_estimate_and_narrows_with_more_objects() -> None:
    few = [contact(i, heard="right" if i % 3 else "wood", predicted=None) for i in range(12)]
    many = [dataclasses.replace(c, object_id=f"{c.object_id}_{k}") for k in range(20) for c in few]

    def width(contacts: list[LiveContact]) -> float:
        said = [c.heard_material for c in contacts]
        low, high = results.balanced_accuracy_interval(contacts, said)
        truth = [c.material for c in contacts]
        assert low <= results.balanced_accuracy(truth, said) <= high
        return high - low

    assert width(many) < width(few)


def trace() -> figures.SyncTrace:
    t = np.linspace(0, 5, 200)
    return figures.SyncTrace(
        t, -60 + 20 * np.sin(t), t, 0.1 + 0.05 * np.cos(t), t[::6], *(np.array([1.0, 2.5]) for _ in range(4))
    )


def test_hand_is_drawn_where_its_keypoints_are() -> None:
    frame = np.zeros((60, 80, 3), np.uint8)
    pixels = np.tile(np.array([[40.0, 30.0]]), (21, 1))
    image = cv2.imdecode(np.frombuffer(figures.draw_hand(frame, pixels), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (120, 160, 3)
    assert image[60, 80].min() == 255
    assert image[:40].max() == 0


def test_bones_reach_every_keypoint_once() -> None:
    assert sorted(b for _, b in figures.BONES) == list(range(1, 21))
    assert (0, 1) in figures.BONES
    assert (19, 20) in figures.BONES


def write_page(folder: Path) -> Path:
    one = session(GOOD)
    metrics = results.figures([one], VOCABULARY, SHA, trained_in_this_run=True)
    rng = np.random.default_rng(0)
    heard = rng.normal(0, 0.01, 48_000).astype(np.float32)
    evidence = report.Evidence(
        pairs=[(GOOD[0], heard), (GOOD[1], heard)],
        hands=[figures.draw_hand(np.zeros((48, 64, 3), np.uint8), np.full((21, 2), 20.0))],
        sync=trace(),
        stages=[("train", 42.0)],
    )
    image = report.picture(evidence)
    assert image is not None
    assert cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR).shape[1] > 1000
    path = folder / "report.html"
    report.write(path, metrics, ["<b>microphone</b> silent"], [one], evidence)
    return path


def test_page_is_self_contained(tmp_path: Path) -> None:
    page = write_page(tmp_path).read_text()
    assert "&lt;b&gt;microphone" in page  # what nodes say is text, never markup
    assert not re.search(r'(src|href)="https?:', page)
    images = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", page)
    assert len(images) == 1 + 2 + 2
    for image in images:
        assert cv2.imdecode(np.frombuffer(base64.b64decode(image), np.uint8), cv2.IMREAD_COLOR).size > 1000
    sounds = re.findall(r"data:audio/wav;base64,([A-Za-z0-9+/=]+)", page)
    assert len(sounds) == 4
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(sounds[1])))
    assert rate == 48_000
    assert samples.shape == (48_000,)


@pytest.mark.skipif(shutil.which("chromedriver") is None, reason="chromium-driver is not installed")
def test_page_shows_in_a_browser(tmp_path: Path) -> None:
    look = browser.look_at(write_page(tmp_path), tmp_path / "screenshot.png")
    assert look.whole
    assert (look.images, look.players) == (5, 4)
    assert cv2.imread(str(tmp_path / "screenshot.png")).shape[0] > 1000


@pytest.mark.skipif(shutil.which("chromedriver") is None, reason="chromium-driver is not installed")
def test_a_broken_picture_is_seen(tmp_path: Path) -> None:
    path = write_page(tmp_path)
    page = path.read_text()
    path.write_text(page.replace("data:image/png;base64,iVBOR", "data:image/png;base64,AAAA", 1))
    look = browser.look_at(path, tmp_path / "screenshot.png")
    assert look.images_shown == look.images - 1
    assert not look.whole
