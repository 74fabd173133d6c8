"""Cameras as labs have them: a red disc lies at the contact, and must be in the middle of every crop."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from foley_perception.dataset.cut import CutConfig, Cutter
from foley_perception.dataset.schema import ClipData
from foley_perception.episodes import EpisodeError, read_episode
from foley_perception.episodes.episode import Episode
from foley_perception.geometry.se3 import SE3
from foley_perception.scene.recorded import read_pictures

MakeBag = Callable[..., Path]
START = 1_800_000_000_000_000_000
POINT = np.array([0.05, 0.0, 0.05])  # of the contacts of the test bags
WIDTH, HEIGHT = 160, 120
K = np.array([[160.0, 0, 79.5], [0, 160.0, 59.5], [0, 0, 1]])
STILL = SE3(
    np.array([1.0, 0, 0, 0]), np.array([-0.12, 0.1, 0.6])
)  # a camera that looks straight down, from aside
IDENTITY = SE3.identity()
IN_TOOL = SE3.from_rotation_vector([0.05, -0.1, 0.6], [0.02, -0.05, -0.25])  # one at the wrist
BROWN = np.array([-0.35, 0.15, 0.001, -0.002, 0.0])
FISHEYE = np.array([-0.2, 0.02, 0.0, 0.0])


def tool_at(t: float) -> SE3:
    """As the test bags move it, but that it also sways."""
    height = min(0.1, min(abs(t - c) for c in (1.0, 2.0, 3.0)) * 0.4)
    return SE3(np.array([1.0, 0, 0, 0]), np.array([0.05 + 0.03 * np.sin(2 * t), 0.0, 0.21 + height]))


@dataclasses.dataclass
class Lab:
    """What the camera of a test bag is like; :meth:`edit` makes it so."""

    pose: Callable[[float], SE3] = lambda t: STILL  # in the world
    wrist: bool = False
    d: Any = (0.0,) * 5
    model: str = "plumb_bob"
    info_size: tuple[int, int] = (WIDTH, HEIGHT)
    k: Any = None  # K
    calibrated: Callable[[float], bool] = lambda t: True
    compressed: bool = False
    depth: Callable[[float], tuple[str, np.ndarray]] | None = None
    spoil: Callable[[int, Any], Any] = lambda index, message: message
    turned: SE3 = IDENTITY  # what tf says of a camera that stands still, and is not so
    info_frame: str = "wrist_optical"
    count: int = 0

    def picture(self, t: float) -> np.ndarray:
        """Grey, with a red disc at the contact, as the lens shows it."""
        point = self.pose(t).inverse().apply(POINT)[None]
        if self.model == "equidistant":
            pixel = cv2.fisheye.projectPoints(point[None], np.zeros(3), np.zeros(3), K, np.asarray(self.d))[0]
        else:
            pixel = cv2.projectPoints(point, np.zeros(3), np.zeros(3), K, np.asarray(self.d))[0]
        u, v = np.asarray(pixel).reshape(2)
        rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
        rgb = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        rgb[np.hypot(columns - u, rows - v) < 0.02 * K[0, 0] / point[0, 2]] = (220, 20, 20)
        return rgb

    def more(self, bag: Any) -> None:
        new, header = bag.new, bag.header

        def transform(stamp: int, parent: str, child: str, pose: SE3) -> Any:
            inner = new(
                "geometry_msgs/msg/Transform",
                bag.vector("Vector3", *pose.translation),
                new("geometry_msgs/msg/Quaternion", *pose.quaternion.tolist()),
            )
            return new("geometry_msgs/msg/TransformStamped", header(stamp, parent), child, inner)

        def put(t: float, topic: str, *transforms: Any) -> None:
            bag.put(t, topic, "tf2_msgs/msg/TFMessage", new("tf2_msgs/msg/TFMessage", list(transforms)))

        if self.wrist:
            put(0.0, "/tf_static", transform(START, "tool", "wrist_optical", IN_TOOL))
            for k in range(round(bag.options.seconds * 100)):
                stamp = START + k * 10_000_000
                put(k / 100, "/tf", transform(stamp, "world", "tool", tool_at(k / 100)))
        else:
            put(0.0, "/tf_static", transform(START, "world", "wrist_optical", STILL @ self.turned))
        self.new = new

    def edit(self, time_ns: int, topic: str, kind: str, message: Any) -> list[Any]:
        t = (time_ns - START) / 1e9
        if kind.endswith("/CameraInfo"):
            self.info = message
            return []
        if not kind.endswith("/Image"):
            return [(time_ns, topic, kind, message)]
        stamp = message.header.stamp
        seconds = (stamp.sec * 10**9 + stamp.nanosec - START) / 1e9
        head = dataclasses.replace(message.header, frame_id="wrist_optical")
        width, height = self.info_size
        k = np.asarray(K if self.k is None else self.k, dtype=float).ravel() * self.calibrated(seconds)
        model = {"distortion_model": self.model, "d": np.asarray(self.d, dtype=float), "k": k}
        named = dataclasses.replace(head, frame_id=self.info_frame)
        info = dataclasses.replace(self.info, header=named, width=width, height=height, **model)
        flat, shape = self.picture(seconds), {"width": WIDTH, "height": HEIGHT, "step": 3 * WIDTH}
        image = self.spoil(self.count, dataclasses.replace(message, header=head, data=flat.ravel(), **shape))
        self.count += 1
        sent = [(time_ns, "camera/camera_info", "sensor_msgs/msg/CameraInfo", info)]
        if self.compressed:
            jpeg = cv2.imencode(".jpg", flat[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
            kind = "sensor_msgs/msg/CompressedImage"
            file = self.new(kind, head, "rgb8; jpeg compressed bgr8", jpeg.ravel())
            sent.append((time_ns, "camera/image_raw/compressed", kind, self.spoil(self.count - 1, file)))
        else:
            sent.append((time_ns, topic, kind, image))
        if self.depth is not None:
            encoding, values = self.depth(t)
            rows = values.view(np.uint8).reshape(len(values), -1)
            shape = {"width": values.shape[1], "height": len(rows), "step": rows.shape[1]}
            far = dataclasses.replace(message, header=head, encoding=encoding, data=rows.ravel(), **shape)
            sent.append((time_ns, "camera/depth/image_raw", kind, far))
        return sent


def wrist(**changes: Any) -> Lab:
    return Lab(pose=lambda t: tool_at(t) @ IN_TOOL, wrist=True, **changes)


def read(make_bag: MakeBag, lab: Lab) -> Episode:
    return read_episode(make_bag(more=lab.more, edit=lab.edit))


def clips(episode: Episode) -> list[ClipData]:
    cutter = Cutter(episode, CutConfig())
    found = list(cutter.clips())
    assert not cutter.left_out
    return found


def centre(rgb: np.ndarray) -> np.ndarray:
    """Of the red in a picture, (u, v)."""
    v, u = np.nonzero(rgb[..., 0].astype(int) - rgb[..., 1] > 80)
    return np.array([u.mean(), v.mean()]) if u.size else np.full(2, np.nan)


def assert_centred(found: list[ClipData]) -> None:
    """The disc is in the middle of every crop, to a fifth of its radius."""
    assert len(found) == 3
    for clip in found:
        assert clip.clip.position == pytest.approx(tuple(POINT))
        off = np.array([centre(crop) for crop in (*clip.frames, clip.still)]) - 63.5
        assert np.isfinite(off).all() and np.abs(off).max() < 2.0, np.abs(off).max()


def told(episode: Episode, rule: str) -> list[str]:
    return [str(finding) for finding in episode.findings if finding.rule == rule]


# ---- place -----------------------------------------------------------------------------------------------
def test_a_camera_that_stands_still(make_bag: MakeBag) -> None:
    episode = read(make_bag, Lab())
    assert_centred(clips(episode))
    assert not episode.findings and episode.camera is not None


def test_a_wrist_camera(make_bag: MakeBag) -> None:
    episode = read(make_bag, wrist())
    assert episode.camera is None and episode.camera_placed
    apart = episode.camera_at(START + 10**9).tx_world_camera.distance_to(
        episode.camera_at(START + 15 * 10**8).tx_world_camera
    )
    assert apart[0] > 0.05  # it does move
    assert_centred(clips(episode))


def test_a_distorted_wrist_camera_that_is_compressed(make_bag: MakeBag) -> None:
    episode = read(make_bag, wrist(d=BROWN, compressed=True))
    assert_centred(clips(episode))
    assert "plumb_bob with d = [-0.35, 0.15" in told(episode, "camera_distortion")[0]


def test_a_contact_that_the_camera_does_not_see_makes_no_clip(make_bag: MakeBag) -> None:
    """As where the frame of a camera is not the optical one: x, and not z, is forward."""
    forward = SE3.from_rotation_vector([0.0, 1.2, 0.0], [0.0, 0.0, 0.0])
    episode = read(make_bag, Lab(pose=lambda t: STILL, turned=forward))
    cutter = Cutter(episode, CutConfig())
    assert not list(cutter.clips())
    ((reason, count),) = cutter.tally.skipped.items()
    assert count == 3 and "see whether its frame in tf is the optical one" in reason


def test_the_frame_of_images_counts_where_camera_info_names_none(make_bag: MakeBag) -> None:
    assert_centred(clips(read(make_bag, Lab(info_frame=""))))


def test_a_main_camera_that_tf_does_not_know_is_told(make_bag: MakeBag) -> None:
    lab = Lab()
    bag = make_bag(more=lambda bag: setattr(lab, "new", bag.new), edit=lab.edit)
    episode = read_episode(bag)
    assert "no transform from wrist_optical to world" in told(episode, "camera_place")[0]
    cutter = Cutter(episode, CutConfig())
    assert all(clip.frames is None and clip.still is None for clip in cutter.clips())
    assert any("record /tf_static, and /tf where the camera moves" in problem for problem in cutter.problems)


def test_scans_and_hands_are_shown_the_same_pictures(make_bag: MakeBag) -> None:
    lab = Lab(d=BROWN)
    bag = make_bag(more=lab.more, edit=lab.edit)
    seen, episode = read_pictures(bag), read_episode(bag)
    assert np.array_equal(seen.frames.read(3), episode.frames.read(3))
    assert np.array_equal(seen.K, K) and seen.size == (WIDTH, HEIGHT) and seen.frame_id == "wrist_optical"
    assert any("are undistorted by it" in problem for problem in seen.problems)


# ---- calibration -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("model", "d"),
    [
        ("plumb_bob", BROWN),
        ("equidistant", FISHEYE),
        ("rational_polynomial", [0.3, -0.2, 0, 0, 0, 0.6, -0.1, 0]),
    ],
)
def test_distortion_is_undone(make_bag: MakeBag, model: str, d: Any) -> None:
    lab = Lab(model=model, d=np.asarray(d, dtype=float))
    straight = Lab().picture(0.0)
    assert np.linalg.norm(centre(lab.picture(0.0)) - centre(straight)) > 1.5
    assert_centred(clips(read(make_bag, lab)))


def test_a_calibration_of_twice_the_size_is_scaled(make_bag: MakeBag) -> None:
    twice = np.array([[320.0, 0, 159.5], [0, 320.0, 119.5], [0, 0, 1]])
    episode = read(make_bag, Lab(k=twice, info_size=(320, 240)))
    assert_centred(clips(episode))
    assert (
        "images are 160x120, camera_info is of 320x240: its K is scaled by 0.5"
        in told(episode, "camera_size")[0]
    )
    assert not episode.problems


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"info_size": (160, 90)}, "images are 160x120, camera_info is of 160x90: of another shape"),
        ({"k": np.zeros((3, 3))}, "the camera is not calibrated"),
        ({"model": "omni", "d": np.full(4, 0.1)}, "distortion_model is `omni`"),
    ],
)
def test_a_calibration_that_cannot_be_used_costs_the_place(
    make_bag: MakeBag, changes: dict[str, Any], said: str
) -> None:
    lab = Lab()
    for name, value in changes.items():
        setattr(lab, name, value)
    lab.picture = Lab().picture  # type: ignore[method-assign]
    episode = read(make_bag, lab)
    assert said in told(episode, "camera_calibration")[0]
    assert episode.frames is not None and not episode.camera_placed
    cutter = Cutter(episode, CutConfig())
    assert all(clip.frames is None for clip in cutter.clips())
    assert any("nobody knows where in its images a contact is" in problem for problem in cutter.problems)


def test_a_camera_that_is_calibrated_late_is_calibrated(make_bag: MakeBag) -> None:
    assert_centred(clips(read(make_bag, Lab(calibrated=lambda t: t > 0.5))))


def test_a_calibration_that_changes_is_told_and_followed(make_bag: MakeBag) -> None:
    lab = Lab()
    zoomed = np.diag([1.25, 1.25, 1.0]) @ K

    def spoil(index: int, image: Any) -> Any:
        lab.k = zoomed if index >= 44 else K  # for the next image
        return image

    lab.spoil = spoil
    episode = read(make_bag, lab)
    # The camera_info of image 45 is the first of another zoom.
    assert "the calibration changes at 1.500 s" in told(episode, "camera_changes")[0]
    assert episode.camera_at(START + 10**9).K[0, 0] == 160.0
    assert episode.camera_at(START + 2 * 10**9).K[0, 0] == 200.0


# ---- images ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fault", ["cut", "size", "encoding", "jpeg"])
def test_a_bad_image_costs_that_image(make_bag: MakeBag, fault: str) -> None:
    def spoil(index: int, image: Any) -> Any:
        if index not in (30, 31):
            return image
        if fault == "cut":
            return dataclasses.replace(image, data=image.data[:1000])
        if fault == "size":
            return dataclasses.replace(image, width=80, height=60, step=240, data=image.data[: 60 * 240])
        if fault == "encoding":
            return dataclasses.replace(image, encoding="hsv8")
        return dataclasses.replace(image, data=image.data[: len(image.data) // 2])

    episode = read(make_bag, Lab(spoil=spoil, compressed=fault == "jpeg"))
    (said,) = told(episode, "pictures_readable")
    assert "2 of 120 images cannot be used and are left out, the first at 1.000 s: " in said
    assert said in episode.problems and len(episode.frames) == 118
    assert_centred(clips(episode))


def test_nothing_but_bad_images_is_refused(make_bag: MakeBag) -> None:
    with pytest.raises(EpisodeError, match=r"camera/image_raw: encoding is `hsv8`.*supported are rgb8"):
        read(make_bag, Lab(spoil=lambda index, image: dataclasses.replace(image, encoding="hsv8")))


# ---- depth -----------------------------------------------------------------------------------------------
def test_depth_in_millimetres_as_floats(make_bag: MakeBag) -> None:
    values = np.full((HEIGHT, WIDTH), 600, np.float32)
    values[0, 0] = np.nan
    episode = read(make_bag, Lab(depth=lambda t: ("32FC1", values)))
    metres = episode.depth.read(5)
    assert metres[60, 80] == pytest.approx(0.6) and np.isnan(metres[0, 0])
    assert (
        "above 600; 32FC1 means metres, which cannot be: they are taken for millimetres"
        in episode.problems[0]
    )
    assert_centred(clips(episode))


@pytest.mark.parametrize("kind, early, sent", [("32FC1", np.nan, 950.0), ("16UC1", 0, 11_000)])
def test_the_unit_of_depth_is_that_of_the_first_readings(
    make_bag: MakeBag, kind: str, early: float, sent: float
) -> None:
    """The camera starts up for a second; its floats are millimetres, its integers tenths of them."""
    form = np.float32 if kind == "32FC1" else np.uint16
    lab = Lab(depth=lambda t: (kind, np.full((HEIGHT, WIDTH), early if t < 1.0 else sent, form)))
    episode = read(make_bag, lab)
    assert np.isnan(episode.depth.read(0)).all()
    metres = 0.95 if kind == "32FC1" else 1.1
    assert episode.depth.read(len(episode.depth) - 1)[30, 40] == pytest.approx(metres)
    (sentence,) = told(episode, "depth_unit")
    assert "they are taken for " in sentence


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -1.0, 0.0])
def test_depth_that_never_has_a_reading_is_told(make_bag: MakeBag, nothing: float) -> None:
    episode = read(make_bag, Lab(depth=lambda t: ("32FC1", np.full((HEIGHT, WIDTH), nothing, np.float32))))
    assert episode.depth is None and episode.frames is not None
    (sentence,) = told(episode, "depth_readable")
    assert "images holds a reading" in sentence


@pytest.mark.parametrize(
    ("encoding", "values", "said"),
    [
        ("32FC1", np.full((HEIGHT, WIDTH), 1e7, np.float32), "no unit makes a distance of it"),
        ("rgb8", np.zeros((HEIGHT, 3 * WIDTH), np.uint8), "encoding is `rgb8`, supported are 16UC1"),
        ("16UC1", np.full((90, WIDTH), 600, np.uint16), "images are 160x90, camera_info is of 160x120"),
    ],
)
def test_depth_that_cannot_be_used_costs_the_depth(
    make_bag: MakeBag, encoding: str, values: np.ndarray, said: str
) -> None:
    episode = read(make_bag, Lab(depth=lambda t: (encoding, values)))
    assert episode.depth is None
    (sentence,) = told(episode, "depth_readable")
    assert said in sentence and "depth is left out" in sentence
    assert_centred(clips(episode))


def test_depth_of_a_distorted_camera_is_undistorted_like_its_colours(make_bag: MakeBag) -> None:
    lab = Lab(d=BROWN)
    near = np.where(lab.picture(0.0)[..., 0] > 200, 550, 600).astype(np.uint16)  # the disc stands out
    lab.depth = lambda t: ("16UC1", near)
    episode = read(make_bag, lab)
    seen = episode.depth.read(0)
    v, u = np.nonzero(seen < 0.575)
    pixel, _ = episode.camera.project(POINT)
    assert np.abs(np.array([u.mean(), v.mean()]) - pixel).max() < 0.6
    assert set(np.unique(seen[np.isfinite(seen)]).round(3)) == {np.float32(0.55), np.float32(0.6)}


def test_compressed_depth_keeps_its_header(make_bag: MakeBag) -> None:
    """Not every publisher fills in the header's numbers for 16UC1."""
    png = cv2.imencode(".png", np.full((HEIGHT, WIDTH), 600, np.uint16))[1].tobytes()
    body = np.frombuffer(struct.pack("<iff", 0, 0.0, 0.0) + png, np.uint8)
    lab = Lab()
    edit = lab.edit

    def with_depth(time_ns: int, topic: str, kind: str, message: Any) -> list[Any]:
        sent = edit(time_ns, topic, kind, message)
        if kind.endswith("/Image"):
            form = "sensor_msgs/msg/CompressedImage"
            far = lab.new(form, sent[-1][3].header, "16UC1; compressedDepth png", body)
            sent.append((time_ns, "camera/depth/image_raw/compressedDepth", form, far))
        return sent

    episode = read_episode(make_bag(more=lab.more, edit=with_depth))
    assert episode.depth.read(0)[0, 0] == pytest.approx(0.6)
