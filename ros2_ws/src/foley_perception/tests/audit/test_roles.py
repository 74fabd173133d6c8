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
