"""Transforms as messages into the buffer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tf2_msgs.msg import TFMessage

from foley_common import topics
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer, TransformUnavailable
from foley_perception.ros.tf import TransformListener, without_times
from foley_ros import convert


class Subscriptions:
    def __init__(self) -> None:
        self.of: dict[str, Callable[[Any], None]] = {}

    def subscribe(self, topic: topics.Topic, callback: Callable[[Any], None]) -> None:
        self.of[topic.name] = callback


@pytest.mark.parametrize("w", [0.0, 1e-13, 1e-200, 1e308, float("inf"), float("nan")])
def test_a_transform_without_rotation_is_refused_and_the_rest_is_taken(w: float) -> None:
    subscriptions = Subscriptions()
    listener = TransformListener(subscriptions)  # type: ignore[arg-type]
    message = TFMessage()
    for child, length in (("broken", w), ("tip", 1.0)):
        rotation = np.array([0.0, 0.0, 0.0, length])
        message.transforms.append(convert.arrays_to_transform(np.ones(3), rotation, 0, "tool", child))
    subscriptions.of[topics.TF_STATIC.name](message)
    assert listener.buffer.refused == 1 and listener.buffer.frames() == {"tool", "tip"}


def test_what_tf_lacks_is_said_in_the_same_words_at_every_time() -> None:
    buffer = TransformBuffer()
    buffer.add("world", "base", 5, SE3.identity(), static=False)
    said = set()
    for time_ns in (10**9, 2 * 10**9, -(10**9)):
        with pytest.raises(TransformUnavailable, match=f"asked for {time_ns} ns") as refused:
            buffer.lookup("world", "base", time_ns)
        said.add(without_times(refused.value))
    assert said == {"no transform world <- base: world <- base is not known at the time asked for"}
