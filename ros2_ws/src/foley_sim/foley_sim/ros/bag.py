"""Offline bags: a world run as fast as it goes, written as rosbag2 MCAP with the topics of a live recording."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from foley_common.times import NS_PER_S
from foley_sim.offline.job import (
    CONTACTS,
    BagJob,
    BagReport,
    session,
    size_of,
    staging_folder,
    write_report,
)
from foley_sim.rendering.camera import Camera
from foley_sim.ros import topics
from foley_sim.ros.bag_file import BagFile
from foley_sim.ros.encode import Encoder, Outgoing
from foley_sim.ros.pictures import CompressedPictures
from foley_sim.ros.scan_bag import write_scan
from foley_sim.sound.converter import quantise
from foley_sim.spec import SceneSpec
from foley_sim.world import contact_log
from foley_sim.world.contacts import Contact
from foley_sim.world.readings import Batch, Frame
from foley_sim.world.world import World

_STRIDE_NS = 100_000_000
_HOLD_NS = 500_000_000  # messages may be made this much later than they are sent
_LAST_ACTION_S = 2.6  # nothing begins this close to the end, so that no action is cut
_AUDIO_BLOCK = 20  # chunks of sound at a time
_CAMERA_DELAY_NS = 8_000_000  # from exposure to publication


def write_bag(job: BagJob, progress: Callable[[float], None] = lambda seconds: None) -> BagReport:
    """Simulate and write one bag; it appears under its name only when it is complete.

    Args:
        progress: called with the simulated seconds since the last call.

    Raises:
        ValueError: the scene or a rate is not possible.
        OSError: the folder cannot be written.
        NoRenderer: there is no way to draw.
    """
    started = time.monotonic()
    with staging_folder(job) as folder:
        if job.kind == "scan":
            file = write_scan(job, folder, progress)
            tally = _Tally(job.scene())
        else:
            file, tally = _interact(job, folder, progress)
        report = BagReport(
            folder=str(job.folder),
            messages=dict(file.counts),
            contacts=sum(tally.actions.values()),
            actions=dict(tally.actions),
            materials=dict(tally.materials),
            bytes=size_of(folder),
            split=job.dataset_split,
            kind=job.kind,
            robot=tally.robot,
            edition=job.edition,
            edition_version=job.edition_version,
            duration_s=job.duration_s,
            reactions=dict(tally.reactions),
            cells=dict(tally.cells),
            topic_bytes=dict(file.bytes),
            peak=tally.peak,
            not_finite=tally.not_finite,
            limited=tally.limited,
            wall_s=round(time.monotonic() - started, 3),
        )
        write_report(folder, dataclasses.replace(report, folder=job.folder.name))
    return report


def _interact(job: BagJob, folder: Path, progress: Callable[[float], None]) -> tuple[BagFile, _Tally]:
    scene = job.scene()
    world = World(
        scene,
        job.policy_seed,
        explore_s=max(job.duration_s - _LAST_ACTION_S, 0.01),
        camera_rate_hz=job.camera_rate_hz,
        depth_rate_hz=job.depth_rate_hz,
        audio_block=_AUDIO_BLOCK,
        save_contacts=True,
        touch=None if job.held_out else lambda item: not item.held_out,
        edition_version=job.edition_version,
    )
    encoder = Encoder(scene, origin_ns=job.origin_ns, stream_id=job.session_id)
    compressed = job.images == "compressed"
    pictures = CompressedPictures(encoder) if compressed else encoder
    recorded = topics.recorded(scene, compressed=compressed)
    tally = _Tally(scene)
    camera = Camera(world.model, scene.camera)
    try:
        with BagFile(folder, session(job), compress=job.compress, recorded=recorded) as bag:
            for message in encoder.opening(0):
                bag.add(message)
            end_ns = round(job.duration_s * NS_PER_S)
            while world.time_ns < end_ns:
                until = min(world.time_ns + _STRIDE_NS, end_ns)
                before = world.time_ns
                batch = world.advance(until)
                last = until == end_ns or world.time_ns == before
                if last:
                    batch.contacts += world.finish().contacts
                _convert(batch, job.sample_bits)
                tally.add(batch)
                for message in encoder.batch(batch):
                    bag.add(message)
                for frame in batch.frames:
                    for message in _draw(camera, pictures, frame):
                        bag.add(dataclasses.replace(message, sent_ns=message.sent_ns + _CAMERA_DELAY_NS))
                bag.flush(job.origin_ns + world.time_ns - _HOLD_NS)
                progress((world.time_ns - before) / NS_PER_S)
                if last:
                    break
            bag.flush(None)
    finally:
        camera.close()
    if world.samples:
        contact_log.write(folder / CONTACTS, world.saved_contacts())
    tally.limited = world.sound.limited_samples
    return bag, tally


def _convert(batch: Batch, bits: int) -> None:
    """The microphones' samples as their converters give them."""
    if bits:
        batch.audio = [
            dataclasses.replace(
                a,
                samples=quantise(a.samples, bits),
                contact=None if a.contact is None else quantise(a.contact, bits),
            )
            for a in batch.audio
        ]


def _draw(camera: Camera, pictures: Encoder | CompressedPictures, frame: Frame) -> list[Outgoing]:
    camera.pose(frame.qpos)
    drawn: list[Outgoing] = []
    if frame.colour:
        drawn += pictures.colour(frame.time_ns, camera.colour())
    if frame.depth:
        drawn.append(pictures.depth(frame.time_ns, camera.depth_mm()))
    return drawn


class _Tally:
    """Counts what a bag holds while it is written."""

    def __init__(self, scene: SceneSpec) -> None:
        self._objects = {o.object_id: o for o in scene.objects}
        self.robot = scene.robot
        self.actions: Counter[str] = Counter()
        self.materials: Counter[str] = Counter()
        self.reactions: Counter[str] = Counter()
        self.cells: Counter[str] = Counter()
        self.peak = 0.0
        self.not_finite = self.limited = 0

    def add(self, batch: Batch) -> None:
        for contact in batch.contacts:
            self._touch(contact)
        for audio in batch.audio:
            for samples in (audio.samples, audio.contact):
                if samples is not None:
                    finite = np.isfinite(samples)
                    self.not_finite += int(np.count_nonzero(~finite))
                    self.peak = max(self.peak, float(np.abs(samples[finite]).max(initial=0.0)))

    def _touch(self, contact: Contact) -> None:
        item = self._objects.get(contact.object_id)
        material = item.material.name if item else ""
        reaction = contact.reaction if item else ""
        held = "" if item is None or not item.held_out else "held_out"
        self.actions[contact.action] += 1
        self.materials[material] += 1
        self.reactions[reaction] += 1
        self.cells[f"{material}/{contact.action}/{reaction}/{held}"] += 1
