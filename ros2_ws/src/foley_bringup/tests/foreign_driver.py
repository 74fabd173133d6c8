"""A microphone's driver for tests, in the messages of other packages. Run in an overlay of `foreign_overlay`.

    python foreign_driver.py ros_drivers | newer

Each topic begins when two have subscribed to it, and leaves out one message (`LOST`) where messages are stamped: of
those that are not, a busy machine hides the loss.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE, FRAMES = 16_000, 320
MP3_FRAMES = 576
MESSAGES, LOST = 80, 40
DEPTH = 200  # nothing else is lost on a busy machine


def samples() -> NDArray[np.int16]:
    """What every topic sends: no two messages are alike."""
    return np.random.default_rng(7).integers(-20_000, 20_000, RATE * 3, dtype=np.int16)


def mp3() -> tuple[list[bytes], NDArray[np.float32]]:
    """The same sound as frames of mp3 [n], and what a decoder makes of the whole of it."""
    import soundfile

    from foley_common.audio_codecs import _mp3_frames

    file = io.BytesIO()
    soundfile.write(file, samples(), RATE, format="MP3")
    frames, _ = _mp3_frames(file.getvalue())
    whole, _ = soundfile.read(io.BytesIO(file.getvalue()), dtype="float32")
    return [frame.data for frame in frames if not frame.is_tag], whole


def main() -> None:
    import rclpy
    from rclpy.qos import DurabilityPolicy, QoSProfile

    rclpy.init()
    node = rclpy.create_node("foreign_driver")
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    sending: list[tuple[Any, Callable[[int, Any], Any], int]] = []
    pcm = samples()

    def chunk(k: int) -> NDArray[np.int16]:
        return pcm[k * FRAMES : (k + 1) * FRAMES]

    if sys.argv[1] == "newer":
        from audio_common_msgs.msg import AudioStamped

        def stamped(k: int, stamp: Any) -> Any:
            message = AudioStamped()
            message.header.stamp = stamp
            message.audio.audio_data.int16_data = chunk(k).tolist()
            message.audio.info.format, message.audio.info.channels = 8, 1
            message.audio.info.rate, message.audio.info.chunk = RATE, FRAMES
            return message

        sending.append(
            (
                node.create_publisher(AudioStamped, "stamped/mic/audio", DEPTH),
                stamped,
                FRAMES,
            )
        )
    else:
        from audio_common_msgs.msg import AudioData, AudioDataStamped, AudioInfo
        from foxglove_msgs.msg import RawAudio

        frames, _ = mp3()

        def plain(k: int, stamp: Any) -> Any:
            return AudioData(data=chunk(k).tobytes())

        def compressed(k: int, stamp: Any) -> Any:
            message = AudioDataStamped()
            message.header.stamp, message.header.frame_id = stamp, "capsule"
            message.audio.data = frames[k]
            return message

        def raw(k: int, stamp: Any) -> Any:
            return RawAudio(
                timestamp=stamp,
                data=chunk(k).astype("<i2").tobytes(),
                format="pcm-s16",
                sample_rate=RATE,
                number_of_channels=1,
            )

        told = node.create_publisher(AudioInfo, "plain/mic/audio_info", latched)
        told.publish(AudioInfo(channels=1, sample_rate=RATE, sample_format="S16LE", coding_format="wave"))
        also = node.create_publisher(AudioInfo, "mp3/mic/audio_info", latched)
        also.publish(AudioInfo(channels=1, sample_rate=RATE, coding_format="mp3"))
        for kind, name, make, size in (
            (AudioData, "plain", plain, FRAMES),
            (AudioDataStamped, "mp3", compressed, MP3_FRAMES),
            (RawAudio, "raw", raw, FRAMES),
        ):
            sending.append((node.create_publisher(kind, f"{name}/mic/audio", DEPTH), make, size))
    deadline = time.monotonic() + 300
    while any(p.get_subscription_count() < 2 for p, _, _ in sending) and time.monotonic() < deadline:
        rclpy.spin_once(node, timeout_sec=0.05)
    begin, sent = time.time_ns() + 200_000_000, [0] * len(sending)
    while any(k < MESSAGES for k in sent):
        for i, (publisher, make, size) in enumerate(sending):
            ns = size * 1_000_000_000 // RATE
            while sent[i] < MESSAGES and begin + (sent[i] + 1) * ns <= time.time_ns():
                at = begin + sent[i] * ns
                if sent[i] != LOST or make.__name__ == "plain":
                    stamp = node.get_clock().now().to_msg()
                    stamp.sec, stamp.nanosec = divmod(at, 1_000_000_000)
                    publisher.publish(make(sent[i], stamp))
                sent[i] += 1
        rclpy.spin_once(node, timeout_sec=0.002)
    print(begin, flush=True)  # noqa: T201 - when the first sample was captured
    sys.stdin.readline()  # the publishers stay until all was taken
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
