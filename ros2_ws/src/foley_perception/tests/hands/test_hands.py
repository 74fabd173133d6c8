"""Hands in pictures: geometry with known answers, networks that say what they are told, files that are wrong."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from foley_perception.action.gripper import GripperHand
from foley_perception.geometry.se3 import SE3
from foley_perception.hands import models
from foley_perception.hands.analytic import DrawnHand
from foley_perception.hands.detect import HAND_SIDE, PALM_SIDE, HandDetector, Region, _anchors
from foley_perception.hands.hamer import FIELDS, HamerError, load
from foley_perception.hands.lifting import place
from foley_perception.hands.models import HandModelError
from foley_perception.hands.track import Candidate, HandTracker, TrackConfig
from foley_perception.scene.analytic import BOXES, bench_camera, render_depth

MS = 1_000_000


def shape() -> np.ndarray:
    """A hand's 21 points, not flat."""
    pose = SE3.from_rotation_vector([[2.0, 0.4, -0.3]], [[0.05, 0.1, 0.12]])
    return GripperHand.from_yaml("parallel_gripper").keypoints(pose, 0.05)[0, 1]


# ---- where a hand is ---------------------------------------------------------------------------------------
def test_a_hand_is_placed_where_it_is() -> None:
    camera, truth = bench_camera(), shape()
    pixels, depths = camera.project(truth)
    metric = SE3.from_rotation_vector([0.3, 0.2, 2.0], [1.0, 2.0, 3.0]).apply(truth)
    found = place(metric, pixels, camera)
    assert found is not None and found.depths == 0 and found.reprojection_px < 0.01
    np.testing.assert_allclose(found.keypoints, truth, atol=1e-4)
    # A child's hand: the network takes it for a larger one that is farther away; depth says which.
    guess = place(1.3 * metric, pixels, camera)
    assert guess is not None and np.linalg.norm(guess.keypoints - truth, axis=1).min() > 0.1
    depth = np.full((240, 320), 1.5, np.float32)
    for (u, v), z in zip(np.round(pixels).astype(int), depths, strict=True):
        depth[v - 1 : v + 2, u - 1 : u + 2] = z - 0.008
    right = place(1.3 * metric, pixels, camera, depth)
    assert right is not None and right.depths > 10 and right.scale == pytest.approx(1 / 1.3, rel=0.02)
    np.testing.assert_allclose(right.keypoints, truth, atol=0.012)


def test_depth_repairs_a_shape_that_is_tilted_and_flat() -> None:
    """What a network guesses of distances within a hand is weak; where skin is seen, depth says them."""
    camera, hand = bench_camera(), DrawnHand(curl=0.3)
    pose = SE3.from_rotation([[0.0, -1, 0], [-1, 0, 0], [0, 0, -1]], (0.16, -0.06, 0.1))
    truth = hand.joints(pose)
    seen = camera.to_camera(truth)
    flat = seen * [1, 1, 0.6] + np.column_stack([0 * seen[:, :2], 0.5 * (seen[:, 0] - seen[0, 0])])
    _, depth = hand.draw(camera, pose, np.full((240, 320, 3), 130, np.uint8), render_depth(camera, BOXES))
    pixels = camera.project(truth)[0]
    found, blind = place(flat, pixels, camera, depth), place(flat, pixels, camera)
    assert found is not None and blind is not None and found.depths >= 15
    off = np.linalg.norm(found.keypoints - truth, axis=1)
    columns, rows = np.round(pixels).astype(int).T
    bare = seen[:, 2] - depth[rows, columns] < 0.025  # not behind another finger
    assert bare.sum() >= 10 and off[bare].mean() < 0.01 and off.mean() < 0.02
    assert np.linalg.norm(blind.keypoints - truth, axis=1).mean() > 0.03
    np.testing.assert_allclose(camera.project(found.keypoints)[0], pixels, atol=1e-6)


def test_a_drawn_hand_is_where_its_joints_are() -> None:
    camera = bench_camera()
    pose = SE3.from_rotation([[0.0, -1, 0], [-1, 0, 0], [0, 0, -1]], (0.16, -0.06, 0.1))
    table, far = np.full((240, 320, 3), 130, np.uint8), render_depth(camera, BOXES)
    for right in (True, False):
        hand = DrawnHand(right=right, curl=0.2)
        rgb, depth = hand.draw(camera, pose, table, far)
        drawn = depth != far
        assert drawn.sum() > 1000 and (rgb[drawn].astype(int).std(axis=0) > 5).all()
        assert (np.nan_to_num(far, nan=9.0)[drawn] > depth[drawn]).all()  # in front of what was there
        pixels, away = camera.project(hand.joints(pose))
        columns, rows = np.round(pixels).astype(int).T
        under = (
            away - depth[rows, columns]
        )  # every joint lies under skin that is seen, some under a finger before it
        assert (under > 0.005).all() and under.min() < 0.012 and (under < 0.07).all()
    np.testing.assert_allclose(DrawnHand(right=False).shape(), DrawnHand().shape() * [-1, 1, 1])
    behind = SE3.from_rotation(pose.rotation, camera.tx_world_camera.translation - [0, 0.5, 0])
    np.testing.assert_array_equal(DrawnHand().draw(camera, behind, table, far)[0], table)


def test_what_cannot_be_placed_is_none() -> None:
    camera, truth = bench_camera(), shape()
    pixels, _ = camera.project(truth)
    assert place(np.full((21, 3), np.nan), pixels, camera) is None
    assert place(truth, np.full((21, 2), np.nan), camera) is None
    unknown = place(truth, pixels, camera, np.full((240, 320), np.nan, np.float32))
    assert unknown is not None and unknown.depths == 0 and unknown.scale == 1.0


# ---- networks ----------------------------------------------------------------------------------------------
def test_anchors_are_those_of_the_palm_network() -> None:
    anchors = _anchors()
    assert anchors.shape == (2016, 2)
    np.testing.assert_allclose(anchors[0], [0.5 / 24, 0.5 / 24])
    np.testing.assert_allclose(anchors[3], [1.5 / 24, 0.5 / 24])
    np.testing.assert_allclose(anchors[24 * 24 * 2], [0.5 / 12, 0.5 / 12])
    np.testing.assert_allclose(anchors[-1], [11.5 / 12, 11.5 / 12])


class Palm:
    """Says that there is a palm at one place of the picture that it is given."""

    def __init__(self, centre: tuple[float, float], size: float, up: float) -> None:
        self.centre, self.size, self.up = np.array(centre), size, up
        self.given: list[np.ndarray] = []

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        self.given.append(picture)
        assert picture.shape == (PALM_SIDE, PALM_SIDE, 3) and picture.dtype == np.float32
        raw, logits = np.zeros((2016, 18), np.float32), np.full((2016, 1), -20.0, np.float32)
        near = np.argsort(np.linalg.norm(_anchors() - self.centre, axis=1))[:3]
        way = np.array([np.sin(self.up), -np.cos(self.up)])  # from wrist to middle finger
        for k, anchor in enumerate(near):
            values = np.zeros((9, 2))
            values[0], values[1] = self.centre - _anchors()[anchor], self.size
            values[2:] = self.centre - _anchors()[anchor]
            values[2] -= 0.4 * self.size * way
            values[4] += 0.4 * self.size * way
            raw[anchor], logits[anchor] = values.ravel() * PALM_SIDE, 3.0 - k
        return [raw, logits]


class Hand:
    """Says that a hand fills the region that it is given, or that there is none."""

    def __init__(self, score: float = 0.9) -> None:
        self.score = score
        self.local = np.zeros((21, 3))
        self.local[:, 0] = HAND_SIDE * (0.3 + 0.4 * (np.arange(21) % 5) / 4)
        self.local[:, 1] = HAND_SIDE * (0.9 - 0.7 * np.arange(21) / 20)

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        assert picture.shape == (HAND_SIDE, HAND_SIDE, 3) and picture.min() >= 0 and picture.max() <= 1
        metric = (self.local - self.local.mean(axis=0)) * 0.001
        return [
            self.local.astype(np.float32).ravel(),
            np.array([self.score]),
            np.array([0.8]),
            metric.ravel(),
        ]


@pytest.mark.parametrize("turn_deg", [0.0, 40.0, -130.0])
def test_a_region_lies_over_the_hand_and_turns_with_it(turn_deg: float) -> None:
    palm = Palm((0.5, 0.45), 0.2, np.deg2rad(turn_deg))
    detector = HandDetector(palm, Hand())
    (region,) = detector.palms(np.zeros((240, 320, 3), np.uint8))
    side = 320 * 0.2 * 2.6
    assert region.side == pytest.approx(side, rel=0.01)
    assert np.rad2deg(region.angle) == pytest.approx(turn_deg, abs=1)
    middle = np.array([160.0, 0.45 * 320 - 40])  # 40 rows of nothing above the picture
    towards = np.array([np.sin(np.deg2rad(turn_deg)), -np.cos(np.deg2rad(turn_deg))])
    np.testing.assert_allclose(region.centre, middle + 0.5 * 320 * 0.2 * towards, atol=1)


def test_a_cut_shows_what_lies_in_the_region() -> None:
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[60:140, 100:200] = (255, 0, 0)
    whole = Region(np.array([150.0, 100.0]), 40.0, 0.7).cut(picture, 64)
    np.testing.assert_allclose(whole, np.broadcast_to([1.0, 0, 0], (64, 64, 3)))
    turned = Region(np.array([150.0, 100.0]), 100.0, np.pi / 2)
    points = turned.to_picture(np.array([[0.5, 0.0], [0.5, 1.0], [0.0, 0.5]]))
    np.testing.assert_allclose(points, [[200, 100], [100, 100], [150, 50]], atol=1e-9)
    picture[100, 199] = (0, 255, 0)
    cut = turned.cut(picture, 100)
    assert cut[0, 49:51, 1].max() > 0.4


def test_a_hand_is_followed_without_the_palm_network() -> None:
    palm = Palm((0.5, 0.5), 0.2, 0.0)
    detector = HandDetector(palm, Hand(), hands=1)
    picture = np.zeros((240, 240, 3), np.uint8)
    (first,) = detector.detect(picture)
    assert first.right == pytest.approx(0.8) and first.score == pytest.approx(0.9)
    # Its points lie in the region that the palm gave: centred, half a palm up.
    np.testing.assert_allclose(first.pixels.mean(axis=0)[0], 120, atol=2)
    detector.detect(picture)
    assert len(palm.given) == 1
    detector.forget()
    detector.detect(picture)
    assert len(palm.given) == 2
    assert HandDetector(palm, Hand(0.2)).detect(picture) == []


def test_fetching_takes_nothing_but_the_known_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(HandModelError, match="foley hands fetch"):
        models.model_path("palm")
    with pytest.raises(HandModelError, match="holds no wheel"):
        models.fetch(tmp_path)
    wheel = tmp_path / "mediapipe-0.10.21-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for inside, _ in models.FILES.values():
            archive.writestr(inside, b"something else")
    with pytest.raises(HandModelError, match="has sha256"):
        models.fetch(tmp_path)
    assert not (tmp_path / "cache").exists()
    mark = hashlib.sha256(b"something else").hexdigest()
    monkeypatch.setattr(models, "FILES", {name: (inside, mark) for name, (inside, _) in models.FILES.items()})
    assert [path.read_bytes() for path in models.fetch(tmp_path)] == [b"something else"] * 2
    wheel.unlink()
    assert models.fetch(tmp_path) and models.model_path("palm").is_file()  # nothing more is needed


# ---- HaMeR -------------------------------------------------------------------------------------------------
def hamer_file(path: Path, **change: object) -> Path:
    """A picture of 640x480 with two hands, as the network's output is laid out."""
    rng = np.random.default_rng(0)
    arrays: dict[str, object] = {
        "pred_keypoints_3d": rng.normal(0, 0.05, (2, 21, 3)).astype(np.float32),
        "pred_cam": np.array([[0.9, 0.02, -0.01], [0.8, -0.03, 0.02]], np.float32),
        "box_center": np.array([[200.0, 240.0], [450.0, 200.0]], np.float32),
        "box_size": np.array([180.0, 220.0], np.float32),
        "right": np.array([1.0, 0.0], np.float32),
    }
    arrays.update(change)
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


def test_hamers_hands_come_to_lie_in_their_boxes(tmp_path: Path) -> None:
    file = hamer_file(tmp_path / "hands.npz")
    (right, left), left_out = load(file, 640, 480)
    assert not left_out
    assert right.right and not left.right
    data = np.load(file)
    np.testing.assert_allclose(left.metric, data["pred_keypoints_3d"][1] * [-1, 1, 1], atol=1e-7)
    for hand, centre, size in zip((right, left), data["box_center"], data["box_size"], strict=True):
        assert np.all(np.abs(hand.pixels - centre) < size)
    # Weak perspective: a joint's pixel is the box's scale times its place, for both sides.
    scale = 180 * 0.9 / 2
    expected = np.array([200.0, 240]) + scale * (data["pred_keypoints_3d"][0, :, :2] + [0.02, -0.01])
    np.testing.assert_allclose(right.pixels, expected, atol=1.0)
    K = np.array([[600.0, 0, 319.5], [0, 600, 239.5], [0, 0, 1]])
    from foley_perception.geometry.camera import CameraModel

    placed = right.place(CameraModel(K, 640, 480, SE3.identity()))
    assert placed is not None and placed.reprojection_px < 8
    assert 600 / 81 * 0.7 < placed.keypoints[:, 2].mean() < 600 / 81 * 1.3  # the scale in the real camera


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_a_field_that_is_missing_or_wrong_is_named(tmp_path: Path, field: str) -> None:
    with pytest.raises(HamerError, match=f"`{field}` is missing"):
        load(hamer_file(tmp_path / "a.npz", **{field: None}), 640, 480)
    if field != "right":
        with pytest.raises(HamerError, match=f"`{field}` has shape"):
            load(hamer_file(tmp_path / "b.npz", **{field: np.zeros((3, 2))}), 640, 480)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    with pytest.raises(HamerError, match=r"not an \.npz of plain arrays"):
        load(hamer_file(tmp_path / "a.npz", pred_cam=np.array([{}, {}], dtype=object)), 640, 480)
    for content in (b"nothing", b"", b"PK\x03\x04 cut", b"\x93NUMPY\x01\x00"):
        (tmp_path / "b.npz").write_bytes(content)
        with pytest.raises(HamerError, match=r"b\.npz: not an \.npz"):
            load(tmp_path / "b.npz", 640, 480)
    np.save(tmp_path / "c.npy", np.zeros(3))
    (tmp_path / "c.npy").rename(tmp_path / "c.npz")
    with pytest.raises(HamerError, match=r"c\.npz: not an \.npz"):
        load(tmp_path / "c.npz", 640, 480)
    np.savez_compressed(tmp_path / "d.npz", right=np.zeros(1 << 22))
    with pytest.raises(HamerError, match="more than one picture's hands"):
        load(tmp_path / "d.npz", 640, 480)


def test_hands_without_numbers_are_left_out(tmp_path: Path) -> None:
    with np.load(hamer_file(tmp_path / "whole.npz")) as file:
        whole = {name: file[name] for name in file.files}
    for name, value, words in (
        ("pred_keypoints_3d", np.nan, "hand 1: `pred_keypoints_3d` is not finite"),
        ("box_center", np.inf, "hand 1: `box_center` is not finite"),
        ("box_size", 0.0, "hand 1: its box or its scale is not positive"),
        ("pred_cam", -0.1, "hand 1: its box or its scale is not positive"),
        ("right", 0.5, "hand 1: `right` is 0.5, must be 0 or 1"),
        ("right", np.nan, "hand 1: `right` is not finite"),
    ):
        changed = whole[name].copy()
        changed[1] = value
        hands, left_out = load(hamer_file(tmp_path / "a.npz", **{name: changed}), 640, 480)
        assert [hand.right for hand in hands] == [True] and left_out == [words]


def test_other_units_and_other_pictures_are_named(tmp_path: Path) -> None:
    with np.load(hamer_file(tmp_path / "whole.npz")) as file:
        joints, centres = file["pred_keypoints_3d"], file["box_center"]
    for unit in (1000.0, 100.0, 0.001):
        with pytest.raises(HamerError, match=r"has a palm of .*; give metres"):
            load(hamer_file(tmp_path / "a.npz", pred_keypoints_3d=unit * joints), 640, 480)
    with pytest.raises(HamerError, match=r"the box at \(800, 960\) lies off the picture, which is 640x480"):
        load(hamer_file(tmp_path / "a.npz", box_center=4 * centres), 640, 480)
    for size in (np.array([640.0, 480.0]), np.array([[640.0, 480.0]] * 2)):
        assert len(load(hamer_file(tmp_path / "a.npz", img_size=size), 640, 480)[0]) == 2
    for size in (np.array([1280.0, 960.0]), np.array([np.nan, np.nan]), np.array([640.0])):
        with pytest.raises(HamerError, match=r"`img_size` is .*, the picture is 640x480; run HaMeR on"):
            load(hamer_file(tmp_path / "a.npz", img_size=size), 640, 480)


def test_a_damaged_file_of_hamer_is_refused_or_read_but_never_anything_else(tmp_path: Path) -> None:
    whole, rng = hamer_file(tmp_path / "a.npz").read_bytes(), np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), 3):
            damaged[at] ^= 1 << int(rng.integers(8))
        (tmp_path / "a.npz").write_bytes(
            damaged[: None if rng.random() < 0.7 else int(rng.integers(len(whole)))]
        )
        try:
            hands, _ = load(tmp_path / "a.npz", 640, 480)
        except HamerError:
            continue
        assert all(np.isfinite(hand.metric).all() and np.isfinite(hand.pixels).all() for hand in hands)


# ---- over time ---------------------------------------------------------------------------------------------
def candidate(place_at: tuple[float, float, float], right: float = 0.9, confidence: float = 0.9) -> Candidate:
    points = shape()
    return Candidate(points - points.mean(axis=0) + place_at, right, confidence)


def test_hands_keep_their_sides_and_gaps_are_nan() -> None:
    tracker = HandTracker()
    keypoints, confidence = tracker.update(
        0, [candidate((0.1, 0, 0)), candidate((-0.1, 0, 0), right=0.1, confidence=0.7)]
    )
    assert confidence.tolist() == [0.7, 0.9]
    np.testing.assert_allclose(keypoints[1].mean(axis=0), (0.1, 0, 0), atol=1e-9)
    # One picture says the wrong side: the place decides.
    keypoints, confidence = tracker.update(33 * MS, [candidate((0.1, 0, 0), right=0.2)])
    assert confidence.tolist() == [0.0, 0.9] and np.isnan(keypoints[0]).all()
    # Three in a row are believed.
    for k in (2, 3):
        keypoints, confidence = tracker.update(33 * k * MS, [candidate((0.1, 0, 0), right=0.2)])
    assert confidence.tolist() == [0.9, 0.0] and np.isnan(keypoints[1]).all()
    keypoints, confidence = tracker.update(133 * MS, [])
    assert np.isnan(keypoints).all() and not confidence.any()
    bad = Candidate(np.full((21, 3), np.nan), 0.9, 0.9)
    assert not tracker.update(166 * MS, [bad])[1].any()


def test_rest_is_calm_and_motion_is_quick() -> None:
    rng = np.random.default_rng(0)
    tracker, raw, smooth = HandTracker(), [], []
    for k in range(90):
        noisy = candidate(tuple(rng.normal(0, 0.002, 3)))
        raw.append(noisy.keypoints[8])
        smooth.append(tracker.update(k * 33 * MS, [noisy])[0][1, 8])
    assert np.std(smooth[20:], axis=0).max() < 0.6 * np.std(raw[20:], axis=0).min()
    tracker = HandTracker()
    for k in range(30):
        place_at = (0.03 * k, 0.0, 0.0)  # 0.9 m/s
        keypoints, _ = tracker.update(k * 33 * MS, [candidate(place_at)])
    assert abs(keypoints[1].mean(axis=0)[0] - place_at[0]) < 0.05
    # A long gap, or time that goes back, starts anew without a trail.
    for time_ns in (29 * 33 * MS + 400 * MS, 0):
        keypoints, _ = tracker.update(time_ns, [candidate((0.5, 0, 0))])
        np.testing.assert_allclose(keypoints[1].mean(axis=0), (0.5, 0, 0), atol=1e-9)


def test_fingers_tap_while_the_hand_rests() -> None:
    rng, tracker, off = np.random.default_rng(0), HandTracker(), []
    for k in range(60):
        truth = DrawnHand(
            curl=0.35 + 0.25 * np.sin(2 * np.pi * 2 * k / 15)
        ).shape()  # 2 Hz, seen 15 times a second
        seen = Candidate(truth + rng.normal(0, 0.001, truth.shape), 0.9, 0.9)
        found = tracker.update(round(k * 1e9 / 15), [seen])[0][1]
        off.append(np.linalg.norm(found - truth, axis=1))
    errors = np.mean(off[8:], axis=0)
    assert errors[0] < 0.001 and errors[8] < 0.007  # the tip moves by 50 mm


def test_a_jump_is_counted() -> None:
    tracker = HandTracker()
    tracker.update(0, [candidate((0, 0, 0))])
    keypoints, _ = tracker.update(33 * MS, [candidate((1.0, 0, 0))])
    np.testing.assert_allclose(keypoints[1].mean(axis=0), (1.0, 0, 0), atol=1e-9)
    assert tracker.jumps == 1
    with pytest.raises(ValueError, match="gap_s"):
        TrackConfig(gap_s=0.0)


def test_real_networks_run_where_they_were_fetched() -> None:
    pytest.importorskip("ai_edge_litert")
    try:
        detector = HandDetector()
    except HandModelError as error:
        pytest.skip(str(error))
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    assert detector.detect(cv2.GaussianBlur(noise, (0, 0), 3)) == []
    # Two drawn hands: each is found, and taken for what it is.
    camera, rgb, depth = (
        bench_camera(),
        np.full((240, 320, 3), 130, np.uint8),
        render_depth(bench_camera(), []),
    )
    truth = {}
    for right, sign in ((True, 1), (False, -1)):
        pose = SE3.from_rotation(
            [[0.0, -sign, 0], [-sign, 0, 0], [0, 0, -1]], (sign * 0.2, -0.06 - 0.05 * right, 0.1)
        )
        hand = DrawnHand(right=right)
        rgb, depth = hand.draw(camera, pose, rgb, depth)
        truth[right] = camera.project(hand.joints(pose))[0]
    detector.forget()
    found = {hand.right > 0.5: hand for hand in detector.detect(rgb)}
    assert set(found) == {True, False}
    for right, hand in found.items():
        assert (
            np.linalg.norm(hand.pixels - 0.5 - truth[right], axis=1).mean()
            < 0.05 * np.ptp(truth[right], 0).max()
        )
