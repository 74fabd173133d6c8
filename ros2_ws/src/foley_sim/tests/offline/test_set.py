"""Bags of a collection: compressed images, scans, reports, the check of a set and its datasheet."""

import argparse
import dataclasses
import json
import shutil
import struct

import cv2
import numpy as np
import pytest
import yaml
from scipy.io import wavfile

rclpy = pytest.importorskip("rclpy")

from rosbags.highlevel import AnyReader  # noqa: E402

from foley_common.times import NS_PER_S  # noqa: E402
from foley_sim.commands import sim_set  # noqa: E402
from foley_sim.offline.collections import recordings  # noqa: E402
from foley_sim.offline.datasheet import datasheet  # noqa: E402
from foley_sim.offline.job import CONTACTS, finished, job_of, read_report, stored_session  # noqa: E402
from foley_sim.offline.summary import summary  # noqa: E402
from foley_sim.ros import check  # noqa: E402
from foley_sim.ros.bag import write_bag  # noqa: E402
from foley_sim.ros.bag_file import typestore  # noqa: E402
from foley_sim.ros.rerender import render_bag  # noqa: E402
from foley_sim.sound.audibility import rise_db  # noqa: E402
from foley_sim.sound.converter import quantise  # noqa: E402
from foley_sim.world import contact_log  # noqa: E402

IMAGES = ("/camera/image_raw/compressed", "/camera/depth/image_raw/compressedDepth")
SECONDS = 4.0


def job(out, kind="interact", split="test_seen", duration_s=SECONDS):
    (first, *_) = [r for r in recordings("foleysim-1-mini") if r.kind == kind and r.split == split]
    return job_of(dataclasses.replace(first, duration_s=duration_s, edition="tabletop"), out)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("set")
    write_bag(job(out))
    write_bag(job(out, "scan", "train", 2.0))
    return out


def read(bag):
    """topic -> [(log time, raw bytes, message)]."""
    found = {}
    with AnyReader([bag], default_typestore=typestore()) as reader:
        for connection, log_ns, raw in reader.messages():
            message = reader.deserialize(raw, connection.msgtype)
            found.setdefault(connection.topic, []).append((log_ns, bytes(raw), message))
    return found


@pytest.fixture(scope="module")
def messages(folder):
    return read(job(folder).folder)


def test_images_are_compressed_as_image_transport_does(messages):
    colour, depth = (messages[name] for name in IMAGES)
    assert "/camera/image_raw" not in messages and "/camera/depth/image_raw" not in messages
    assert len(colour) == len(messages["/camera/camera_info"]) == 15 * SECONDS and len(depth) == 2 * SECONDS
    first = colour[0][2]
    assert first.format == "rgb8; jpeg compressed bgr8"
    assert cv2.imdecode(first.data, cv2.IMREAD_COLOR).shape == (240, 320, 3)
    first = depth[0][2]
    assert first.format == "16UC1; compressedDepth png" and struct.unpack("<iff", first.data[:12]) == (
        0,
        0,
        0,
    )
    millimetres = cv2.imdecode(first.data[12:], cv2.IMREAD_UNCHANGED)
    assert millimetres.dtype == np.uint16 and 300 < millimetres.max() < 10_000


def test_samples_are_those_of_a_16_bit_converter(messages):
    samples = np.concatenate([m.samples for *_, m in messages["/mic/audio"]])
    assert np.array_equal(samples * 2**15, np.round(samples * 2**15)) and np.abs(samples).max() > 1e-3


def test_quantising():
    given = np.array([0.0, 0.4 / 32768, 0.6 / 32768, 1.0, -1.0], np.float32)
    assert (quantise(given, 16) * 32768).tolist() == [0, 0, 1, 32767, -32768]
    with pytest.raises(ValueError, match="sample_bits is 30"):
        quantise(given, 30)


def test_the_same_recording_repeats_bit_for_bit(messages, tmp_path):
    """Everything that is decoded is equal; images too, on one machine."""
    again = job(tmp_path)
    write_bag(again)
    second = read(again.folder)
    assert {name: len(m) for name, m in messages.items()} == {name: len(m) for name, m in second.items()}
    for name, entries in messages.items():
        for (log_a, raw_a, a), (log_b, raw_b, b) in zip(entries, second[name], strict=True):
            # Padding may hold anything, so messages with strings are compared by content.
            assert log_a == log_b and (raw_a == raw_b or _same(a, b)), name


def _same(a, b):
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, list):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if dataclasses.is_dataclass(a):
        return all(_same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    return a == b or (a != a and b != b)


def test_metadata_and_report(folder):
    made = job(folder)
    session = stored_session(made.folder)
    assert session["session_id"] == f"foleysim-1-mini-{made.folder.name}"
    assert (session["split"], session["scene_split"], session["kind"]) == ("test_seen", "train", "interact")
    objects = yaml.safe_load(session["objects"])
    assert all({"reaction", "held_out", "family_held_out", "shape"} <= set(o) for o in objects)
    report = read_report(made.folder)
    assert report.contacts == sum(report.cells.values()) == sum(report.actions.values()) > 0
    assert report.not_finite == report.limited == 0 and 0 < report.peak < 1
    assert set(report.topic_bytes) == set(report.messages) and report.bytes > 1e4
    assert finished(made)


def test_a_scan_moves_the_camera_and_names_every_pose(folder):
    found = read(job(folder, "scan", "train", 2.0).folder)
    assert set(found) == {
        *IMAGES, "/camera/camera_info", "/tf", "/tf_static", "/robot_description", "/sim/scene",
    }  # fmt: skip
    assert len(found[IMAGES[0]]) == len(found[IMAGES[1]]) == 20 and len(found["/tf"]) == 100
    stamps = {_ns(t.header) for *_, m in found["/tf"] for t in m.transforms}
    assert all(_ns(m.header) in stamps for *_, m in found[IMAGES[0]])
    assert {t.child_frame_id for *_, m in found["/tf"] for t in m.transforms} == {"camera_optical"}
    static = {t.child_frame_id for *_, m in found["/tf_static"] for t in m.transforms}
    assert "camera_optical" not in static and "microphone" in static


def _ns(header):
    return header.stamp.sec * NS_PER_S + header.stamp.nanosec


def test_a_sound_set_passes_and_a_broken_one_is_told(folder, monkeypatch):
    troubles, figures = check.check_set(folder)
    assert troubles == [] and figures["contacts"] > 0 and 0 < figures["peak"] < 1 and figures["bags"] == 2
    samples, rate, contacts, _ = check.read_sound(job(folder).folder)
    broken = samples.copy()
    broken[100], broken[200] = np.nan, 1.0
    quiet = np.random.default_rng(0).normal(0, 1e-4, samples.size).astype(np.float32)
    monkeypatch.setattr(check, "read_sound", lambda bag: check.Heard(broken, rate, []))
    assert [t.split(": ")[1][:5] for t in check.check_set(folder)[0]] == ["1 sam", "clips"]
    monkeypatch.setattr(check, "read_sound", lambda bag: check.Heard(0 * quiet, rate, contacts))
    assert len(check.check_set(folder)[0]) == len(contacts)
    with pytest.raises(ValueError, match="holds no bags"):
        check.check_set(folder / "nothing")
    told = [(onset, duration, name, "elsewhere") for onset, duration, name, _ in contacts]
    monkeypatch.setattr(check, "read_sound", lambda bag: check.Heard(samples, rate, told))
    assert check.check_set(folder)[0] and all("makes no sound" in t for t in check.check_set(folder)[0])


def test_the_sound_is_rendered_again_from_the_contacts(folder):
    made = job(folder)
    done = render_bag(made.folder)
    assert done.difference <= done.allowed < 4e-5 and np.abs(done.samples).max() > 1e-3
    contacts = contact_log.read(made.folder / CONTACTS)
    contact_log.write(made.folder / CONTACTS, dataclasses.replace(contacts, events=()))
    try:
        assert render_bag(made.folder).difference > 1e-3
    finally:
        contact_log.write(made.folder / CONTACTS, contacts)
    with pytest.raises(ValueError, match=CONTACTS):
        render_bag(job(folder, "scan", "train", 2.0).folder)


@pytest.mark.parametrize("version", [1, 2])
def test_a_scene_of_another_material_is_rendered_again_from_its_own_words(version, tmp_path):
    made = dataclasses.replace(
        job(tmp_path), material="metal", edition_version=version, camera_rate_hz=0.0, depth_rate_hz=0.0
    )
    write_bag(made)
    assert {name for name, count in read_report(made.folder).materials.items() if count} <= {"metal", ""}
    done = render_bag(made.folder)
    assert done.difference <= done.allowed
    assert (contact_log.read(made.folder / CONTACTS).seed == made.policy_seed) is (version == 1)
    assert stored_session(made.folder).get("edition_version", "1") == str(version)


@pytest.mark.long
def test_a_folder_is_rendered_again_by_several_processes(folder, tmp_path, capsys):
    parser = argparse.ArgumentParser()
    sim_set.configure(parser.add_subparsers(dest="action"))
    made = job(folder).folder
    for name in ("first", "second"):
        shutil.copytree(made, tmp_path / "bags" / name)
    where = ["--out", str(tmp_path / "wav"), "--metrics", str(tmp_path)]
    assert (
        sim_set.run(parser.parse_args(["render-audio", str(tmp_path / "bags"), "--jobs", "2", *where])) == 0
    )
    assert "2 bags" in (said := capsys.readouterr().out) and "equal to the bags'" in said
    figures = json.loads((tmp_path / "metrics.json").read_text())
    assert figures["differing"] == 0 and figures["bags"] == 2 and figures["real_time_factor_per_core"] > 0
    alone = render_bag(made, compare=False)
    for name in ("first", "second"):
        rate, samples = wavfile.read(tmp_path / "wav" / f"{name}.wav")
        assert rate == alone.sample_rate and np.array_equal(samples, alone.samples)


def test_a_contact_rises_above_what_was_before():
    noise = np.random.default_rng(1).normal(0, 1e-3, 48_000).astype(np.float32)
    assert rise_db(noise, 48_000, 0.5, 0.0) < 3
    noise[24_000:24_480] *= 10
    assert rise_db(noise, 48_000, 0.5, 0.0) == pytest.approx(20, abs=1.5)
    assert rise_db(noise, 48_000, 2.0, 0.0) == -np.inf


def test_datasheet(folder):
    figures = summary(check.reports_of(folder))
    json.dumps(figures)
    text = datasheet(figures)
    for heading in ("Motivation", "Composition", "Process", "Splits", "Licence", "Known limits"):
        assert f"\n## {heading}\n" in text
    assert f"| test_seen | 1 | 0 | 0.00 | {figures['contacts']} |" in text
    assert "| `camera/image_raw/compressed` | 80 |" in text
    assert text.startswith("# Datasheet: tabletop, version 2\n")
    old = dataclasses.replace(check.reports_of(folder)[0], edition_version=1)
    assert "# Datasheet: tabletop, version 1; tabletop, version 2\n" in datasheet(
        summary([old, *check.reports_of(folder)])
    )
    assert figures["scans"] == 1 and figures["scan_s"] == 2.0


def test_training_never_touches_what_is_held_out(tmp_path, monkeypatch):
    """The policy of a training recording is kept from the held-out objects."""
    from foley_sim.ros import bag

    made = job(tmp_path, split="train")
    scene = made.scene()
    names = [o.object_id for o in scene.objects[1:]]
    marked = tuple(dataclasses.replace(o, held_out=o.object_id in names) for o in scene.objects)
    held = dataclasses.replace(scene, objects=marked)
    monkeypatch.setattr(type(made), "scene", lambda self: held)
    given = []
    world = bag.World

    def spy(*args, **kwargs):
        given.append([o.object_id for o in held.objects if not kwargs["touch"](o)])
        made_world = world(*args, **kwargs)
        targets = {made_world.policy.target().object_id for _ in range(20)}
        assert targets == {scene.objects[0].object_id}
        raise KeyboardInterrupt

    monkeypatch.setattr(bag, "World", spy)
    assert not made.held_out
    with pytest.raises(KeyboardInterrupt):
        write_bag(made)
    assert given == [names] and not made.folder.exists()
