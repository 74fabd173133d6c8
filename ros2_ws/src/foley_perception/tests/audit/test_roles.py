"""Topics that are known by their names."""

from __future__ import annotations

from foley_perception.audit.roles import known_roles


def test_topics_are_known_in_any_namespace_by_the_longest_name_and_their_type() -> None:
    chunk, contact = "foley_msgs/msg/AudioChunk", "foley_msgs/msg/ContactEvent"
    types = {
        "/robot/mic/audio": chunk,
        "/robot/contact_mic/audio": chunk,
        "/sim/contacts": contact,
        "/contacts": contact,
        "/robot/ee_pose": chunk,
        "/robot/tf_static": "tf2_msgs/msg/TFMessage",
        "/speaker": chunk,
    }
    assert {name: topic.role for name, topic in known_roles(types).items()} == {
        "/robot/mic/audio": "microphone",
        "/robot/contact_mic/audio": "contact_microphone",
        "/sim/contacts": "true_contacts",
        "/contacts": "contacts",
    }


def test_a_robot_may_be_called_as_a_second_arm_is() -> None:
    pose, force = "geometry_msgs/msg/PoseStamped", "geometry_msgs/msg/WrenchStamped"

    def roles(**types: str) -> dict[str, str]:
        named = {"/" + name.replace("__", "/"): kind for name, kind in types.items()}
        return {name: topic.role for name, topic in known_roles(named).items()}

    assert roles(left__ee_pose=pose, left__wrench=force) == {
        "/left/ee_pose": "ee_pose",
        "/left/wrench": "wrench",
    }
    assert roles(ee_pose=pose, left__ee_pose=pose, left__wrench=force) == {
        "/ee_pose": "ee_pose",
        "/left/ee_pose": "left_ee_pose",
        "/left/wrench": "left_wrench",
    }
    assert roles(left__ee_pose=pose, left__left__ee_pose=pose)["/left/left/ee_pose"] == "left_ee_pose"
