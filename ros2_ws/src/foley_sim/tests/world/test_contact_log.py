import dataclasses
import zipfile

import numpy as np
import pytest

from foley_sim.editions import Noise
from foley_sim.scene import make_scene
from foley_sim.sound import Hold, Impact, Sliding
from foley_sim.sound.ambience import Hum
from foley_sim.sound.renderer import SoundRenderer
from foley_sim.spec import ContactMicrophoneSpec
from foley_sim.world.contact_log import SAME, ContactLog, SavedContacts, read, render_saved, write
from foley_sim.world.world import World

SCENE = dataclasses.replace(make_scene(1, "test"), contact_microphone=ContactMicrophoneSpec())


@pytest.fixture(scope="module")
def session():
    """Three seconds of a live world: the contacts it saved and what its microphones gave."""
    world = World(SCENE, 4, camera_rate_hz=0, depth_rate_hz=0, save_contacts=True)
    audio = []
    for k in range(1, 16):
        audio += world.advance(k * 200_000_000).audio
    assert world.sound.late_events == 0
    return world.saved_contacts(), *(
        np.concatenate([getattr(a, name) for a in audio]) for name in ("samples", "contact")
    )


def examples():
    log = ContactLog()
    log.events = [
        Impact(0.2, "a", (0.1, 0.2, 0.3), (0.0, 0.0, 1.0), 0.02, 0.4),
        Sliding(0.3, 0.304, "b", (0.1, 0.2, 0.3), 0.1, 2.0, "pad"),
        Hold(0.1, 0.104, "a", (0.1, 0.2, 0.3), 2.0, -0.01, "pad"),
    ]
    log.speeds = [(0.0, 0.0), (0.004, 0.5)]
    return log.saved(SCENE, noise=Noise(4, Hum(60.05, 80.5)), duration_s=0.5)


def test_a_session_sounds_from_its_file_as_it_did_live(session, tmp_path):
    saved, heard, felt = session
    assert any(isinstance(e, Impact) for e in saved.events) and np.abs(heard).max() > 0.01
    write(tmp_path / "contacts.npz", saved)
    again, touched = render_saved(SCENE, read(tmp_path / "contacts.npz"))
    np.testing.assert_allclose(again, heard, atol=SAME, rtol=0)
    np.testing.assert_allclose(touched, felt, atol=SAME, rtol=0)
    other, _ = render_saved(SCENE, saved, 5)
    assert not np.allclose(other, heard, atol=1e-5)


def test_without_a_contact_microphone_there_is_one_signal(session):
    plain = dataclasses.replace(SCENE, contact_microphone=None)
    heard, felt = render_saved(plain, session[0])
    assert felt is None
    np.testing.assert_allclose(heard, session[1], atol=SAME, rtol=0)


def test_every_kind_of_event_survives_the_file(tmp_path):
    saved = examples()
    write(tmp_path / "c.npz", saved)
    back = read(tmp_path / "c.npz")
    assert back.events == saved.events
    np.testing.assert_array_equal(back.joint_speeds, saved.joint_speeds)
    for name in ("scene_id", "edition", "seed", "duration_s", "hum"):
        assert getattr(back, name) == getattr(saved, name)
    with zipfile.ZipFile(tmp_path / "c.npz") as archive:
        assert all(info.compress_type == zipfile.ZIP_DEFLATED for info in archive.infolist())


def test_a_session_without_events_is_possible(tmp_path):
    empty = ContactLog().saved(SCENE, noise=Noise(0), duration_s=0.1)
    write(tmp_path / "c.npz", empty)
    assert read(tmp_path / "c.npz").events == () and read(tmp_path / "c.npz").hum is None


def test_files_of_the_first_version_sound_as_they_did(session, tmp_path):
    """Noise by the policy seed, and hum at the renderer's own pitches."""
    saved, heard, _ = session
    write(tmp_path / "c.npz", dataclasses.replace(saved, seed=4))
    with np.load(tmp_path / "c.npz") as archive:
        fields = {name: archive[name] for name in archive.files if name != "hum"}
    np.savez(tmp_path / "old.npz", **{**fields, "version": np.array(1)})
    old = read(tmp_path / "old.npz")
    world = World(SCENE, 4, camera_rate_hz=0, depth_rate_hz=0, save_contacts=True, edition_version=1)
    live = np.concatenate([a.samples for a in world.advance(3_000_000_000).audio])
    made = world.saved_contacts()
    assert (old.seed, old.hum, old.events) == (made.seed, made.hum, made.events) == (4, None, saved.events)
    np.testing.assert_allclose(render_saved(SCENE, old)[0], live, atol=SAME, rtol=0)
    first = SoundRenderer(SCENE, seed=4).render(0.3)  # before anything moves
    np.testing.assert_allclose(live[: first.size], first, atol=1e-4, rtol=0)
    assert np.abs(np.corrcoef(live[:19_200], heard[:19_200])[0, 1]) < 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": np.array("other")}, "format is `other`"),
        ({"version": np.array(99)}, "version is 99.*reads 1 to 2"),
        ({"hum": None}, "field hum is missing"),
        ({"hum": np.zeros(3)}, r"field hum has shape \(3,\)"),
        ({"hum": np.array([50.0, np.nan])}, "hum is .*must be positive"),
        ({"values": None}, "field values is missing"),
        ({"values": np.zeros((1, 10))}, r"field values has shape \(1, 10\)"),
        ({"kind": np.array([0, 1, 7], dtype=np.uint8)}, "field kind holds 7"),
        ({"object": np.array([0, 1, 2], dtype=np.uint16)}, "field object holds 2"),
        ({"duration_s": np.array(-1.0)}, "duration_s is -1"),
        ({"duration_s": np.array([1.0, 2.0])}, "field duration_s has shape"),
        ({"seed": np.array(-4)}, "seed is -4"),
        ({"joint_speeds": np.array([[0.0, 2.0]])}, "joint_speeds"),
        ({"joint_speeds": np.array([[1.0, 0.5], [0.5, 0.5]])}, "joint_speeds"),
        ({"values": np.full((3, 10), np.nan)}, "must be finite"),
        ({"events": np.array([{}], dtype=object)}, "not a file of saved contacts"),
    ],
)
def test_damaged_files_are_refused_by_field(tmp_path, changes, message):
    write(tmp_path / "c.npz", examples())
    with np.load(tmp_path / "c.npz") as archive:
        fields = {name: archive[name] for name in archive.files}
    fields.update(changes)
    np.savez(tmp_path / "bad.npz", **{k: v for k, v in fields.items() if v is not None})
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "bad.npz")


def test_other_files_and_other_scenes_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(ValueError, match="not a file of saved contacts"):
        read(tmp_path / "text.npz")
    with pytest.raises(ValueError, match=r"are of scene `test-00001`.*not of `test-00002`"):
        render_saved(make_scene(2, "test"), examples())
    with pytest.raises(ValueError, match="duration_s is 0"):
        SavedContacts("s", "tabletop", 0, 0.0, (), np.zeros((0, 2)))
    with pytest.raises(ValueError, match="save_contacts=True"):
        World(SCENE, 0, camera_rate_hz=0, depth_rate_hz=0).saved_contacts()
