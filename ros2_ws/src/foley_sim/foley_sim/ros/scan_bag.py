"""Scans: the scene without its robot, seen by a camera that moves round it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.serialization import serialize_message
from tf2_msgs.msg import TFMessage

from foley_common.times import NS_PER_S
from foley_ros import convert
from foley_sim.offline.job import BagJob, session
from foley_sim.physics import mjcf
from foley_sim.rendering.camera import Camera, remove_robot
from foley_sim.rendering.scan_path import ScanPath
from foley_sim.ros import topics
from foley_sim.ros.bag_file import BagFile
from foley_sim.ros.encode import CAMERA, WORLD, Encoder, Outgoing, quaternion, static_frames
from foley_sim.ros.pictures import CompressedPictures

POSE_RATE_HZ = 50


def write_scan(job: BagJob, folder: Path, progress: Callable[[float], None]) -> BagFile:
    """Draw and write a scan into ``folder``. Every image's stamp has a pose of the camera on /tf.

    Raises:
        ValueError: the pose rate is no multiple of the rates of the images.
    """
    for name, rate in (("camera_rate_hz", job.camera_rate_hz), ("depth_rate_hz", job.depth_rate_hz)):
        if rate <= 0 or POSE_RATE_HZ % rate:
            raise ValueError(f"{name} is {rate} Hz, a scan needs a divisor of {POSE_RATE_HZ}")
    scene = job.scene()
    path = ScanPath(job.duration_s)
    model = mjcf.load(scene)
    remove_robot(model)
    encoder = Encoder(scene, origin_ns=job.origin_ns, stream_id=job.session_id)
    pictures = CompressedPictures(encoder)
    camera = Camera(model, scene.camera)
    try:
        with BagFile(folder, session(job), compress=job.compress, recorded=topics.SCANNED) as bag:
            for message in _opening(encoder, job):
                bag.add(message)
            for tick in range(round(job.duration_s * POSE_RATE_HZ)):
                time_ns = tick * NS_PER_S // POSE_RATE_HZ
                eye, axes = path.pose(time_ns / NS_PER_S)
                bag.add(_pose(job.origin_ns + time_ns, eye, axes))
                colour, depth = (
                    tick % round(POSE_RATE_HZ / r) == 0 for r in (job.camera_rate_hz, job.depth_rate_hz)
                )
                if colour or depth:
                    camera.aim(eye, axes)
                    camera.pose(model.qpos0)
                    if colour:
                        for message in pictures.colour(time_ns, camera.colour()):
                            bag.add(message)
                    if depth:
                        bag.add(pictures.depth(time_ns, camera.depth_mm()))
                    bag.flush(job.origin_ns + time_ns)
                progress(1 / POSE_RATE_HZ)
            bag.flush(None)
    finally:
        camera.close()
    return bag


def _opening(encoder: Encoder, job: BagJob) -> list[Outgoing]:
    """What every bag opens with, but for the camera, which is on /tf."""
    frames = static_frames(job.scene(), job.origin_ns)
    fixed = TFMessage(transforms=[t for t in frames.transforms if t.child_frame_id != CAMERA])
    return [
        dataclasses.replace(m, data=serialize_message(fixed)) if m.topic is topics.TF_STATIC else m
        for m in encoder.opening(0)
    ]


def _pose(stamp_ns: int, eye: Any, axes: Any) -> Outgoing:
    transform = convert.arrays_to_transform(eye, quaternion(axes), stamp_ns, WORLD, CAMERA)
    return Outgoing(topics.TF, stamp_ns, stamp_ns, serialize_message(TFMessage(transforms=[transform])))
