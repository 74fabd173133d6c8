import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from foley_perception.action.gripper import GripperHand, HandError
from foley_perception.geometry.se3 import SE3

SHIPPED = ["panda", "parallel_gripper", "robotiq_2f85"]


def poses(n: int) -> SE3:
    rng = np.random.default_rng(2)
    return SE3(rng.standard_normal((n, 4)), rng.uniform(-1, 1, (n, 3)))


def content() -> dict[str, Any]:
    file = Path(__file__).parents[2] / "config" / "hands" / "parallel_gripper.yaml"
    return yaml.safe_load(file.read_text())  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", SHIPPED)
def test_right_hand_follows_the_gripper_and_left_is_absent(name: str) -> None:
    hand = GripperHand.from_yaml(name)
    keypoints = hand.keypoints(poses(5), [0.0, 0.02, 0.04, 0.06, 0.08])
    assert keypoints.shape == (5, 2, 21, 3)
    assert np.isnan(keypoints[:, 0]).all()
    assert np.isfinite(keypoints[:, 1]).all()
    # Thumb and fingers are as far apart as the gripper is open, along its y axis.
    middle, thumb = (poses(5).inverse().apply(keypoints[:, 1, k]) for k in (12, 4))
    np.testing.assert_allclose((middle - thumb)[:, 1], [0.0, 0.02, 0.04, 0.06, 0.08], atol=1e-9)


HANDS = Path(__file__).resolve().parents[2] / "config/hands"


def test_fingers_run_from_knuckle_to_pad_in_order() -> None:
    keypoints = GripperHand.from_yaml("parallel_gripper").keypoints(SE3.identity(1), 0.05)[0, 1]
    np.testing.assert_allclose(keypoints[0], [0, 0, -0.14])
    for finger in range(5):
        z = keypoints[1 + 4 * finger : 5 + 4 * finger, 2]
        assert np.all(np.diff(z) > 0), "towards the pads, along the tool's z"
    np.testing.assert_allclose(keypoints[4], [0.0, -0.025, 0.0], atol=1e-12)


@pytest.mark.parametrize("name", SHIPPED)
def test_pose_and_width_are_recovered_from_keypoints(name: str) -> None:
    hand = GripperHand.from_yaml(name)
    truth, width = poses(6), np.array([0.0, 0.01, 0.02, 0.04, 0.06, 0.08])
    keypoints = hand.keypoints(truth, width)
    keypoints[3] = np.nan
    found, found_width = hand.recover(keypoints)
    known = np.arange(6) != 3
    assert found.finite.tolist() == known.tolist()
    np.testing.assert_allclose(found_width[known], width[known], atol=1e-9)
    np.testing.assert_allclose(found[known].matrix, truth[known].matrix, atol=1e-9)


def test_unknown_and_excessive_widths() -> None:
    hand = GripperHand.from_yaml("parallel_gripper")
    nan = hand.keypoints(SE3.identity(1), np.array([np.nan]))
    np.testing.assert_allclose(nan, hand.keypoints(SE3.identity(1)))
    np.testing.assert_allclose(hand.keypoints(SE3.identity(1), 5.0), hand.keypoints(SE3.identity(1), 0.08))


def test_robotiq_joint_closes_the_gripper() -> None:
    hand = GripperHand.from_yaml("robotiq_2f85")
    np.testing.assert_allclose(hand.width_of([0.0, 0.8]), [0.085, 0.0], atol=1e-12)


def test_both_fingers_of_a_panda_open_it() -> None:
    hand = GripperHand.from_yaml("panda")
    np.testing.assert_allclose(hand.width_of([0.0, 0.04]), [0.0, 0.08], atol=1e-12)
    keypoints = hand.keypoints(SE3.identity(1), hand.width_of([0.04]))[0, 1]
    assert np.linalg.norm(keypoints[12] - keypoints[4]) == pytest.approx(0.08, abs=1e-4)


def test_unknown_pose_is_an_absent_hand() -> None:
    pose = SE3(np.full((1, 4), np.nan), np.zeros((1, 3)))
    assert np.isnan(GripperHand.from_yaml("parallel_gripper").keypoints(pose)).all()


def test_two_grippers_are_two_hands() -> None:
    fields = content()
    fields["hands"]["left"] = copy.deepcopy(fields["hands"]["right"])
    hand = GripperHand.from_dict(fields)
    right, left = poses(2)[:1], poses(2)[1:]
    keypoints = hand.keypoints(right, 0.02, tx_world_left_tool=left, left_width=0.04)
    assert np.isfinite(keypoints).all()
    np.testing.assert_allclose(hand.recover(keypoints, "left")[0].matrix, left.matrix, atol=1e-9)
    with pytest.raises(HandError, match="describes one gripper"):
        GripperHand.from_yaml("parallel_gripper").keypoints(right, tx_world_left_tool=left)


def set_at(fields: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for key in parents:
        fields = fields[key]
    if value is None:
        del fields[last]
    else:
        fields[last] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("hands.right.wrist", None, "field `wrist` is missing"),
        ("hands.right.wrist", [0, 0], r"wrist is \[0, 0\], expected three numbers"),
        ("hands.right.fingers.thumb.pad", "left", "pad is `left`, the pads are thumb_side, finger_side"),
        ("hands.right.fingers.index.joints", [0, 0.5, 1.0], "expected four increasing"),
        ("hands.right.fingers.index.joints", [0, 0.5, 0.4, 1.0], "expected four increasing"),
        ("hands.right.fingers.pinky", {}, "unknown field `pinky`"),
        ("hands", {}, "`hands` is empty"),
        ("width.max", 80, "width.max is 80"),
        ("width.scale", "one", "scale is 'one', expected a finite number"),
        ("name", 3, "name is 3, expected text"),
    ],
)
def test_errors_name_the_field(path: str, value: Any, message: str) -> None:
    fields = content()
    set_at(fields, path, value)
    with pytest.raises(HandError, match=message):
        GripperHand.from_dict(fields, "my_hand.yaml")


def test_missing_file_lists_what_ships(tmp_path: Path) -> None:
    with pytest.raises(HandError, match="panda, parallel_gripper, robotiq_2f85"):
        GripperHand.from_yaml("parallel_griper")
    broken = tmp_path / "hand.yaml"
    broken.write_text("name: [")
    with pytest.raises(HandError, match=r"hand\.yaml"):
        GripperHand.from_yaml(broken)


def test_another_joint_may_tell_the_width(tmp_path: Path) -> None:
    own, other = GripperHand.from_yaml("robotiq_2f85"), GripperHand.from_yaml("robotiq_2f85@finger_joint_2")
    assert other.width_joint == "finger_joint_2" != own.width_joint
    assert (other.name, other.width_scale) == (own.name, own.width_scale)
    folder = tmp_path / "a@b"
    folder.mkdir()
    (folder / "hand.yaml").write_text((HANDS / "panda.yaml").read_text())
    assert GripperHand.from_yaml(folder / "hand.yaml").width_joint  # an @ in a path is part of it
