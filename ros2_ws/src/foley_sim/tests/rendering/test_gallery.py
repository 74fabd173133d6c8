"""Pictures of FoleySim-1."""

import json

import cv2
import numpy as np
import pytest

from foley_sim.rendering import gallery
from foley_sim.robots.actions import ACTIONS


def test_every_action_sounds_on_the_wall_and_repeats():
    sounds = gallery.record("gravel", 0)
    assert list(sounds) == list(ACTIONS)
    for action, samples in sounds.items():
        onset = round(gallery.CLIP_S[0] * 48_000)
        before, after = samples[: onset - 480], samples[onset : onset + 24_000]
        assert np.abs(after).max() > 3 * np.abs(before).max(), action
    again = gallery.record("gravel", 0)
    assert all(np.array_equal(sounds[a], again[a]) for a in ACTIONS)


def test_spectrograms_show_a_tone_at_its_height():
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(48_000) / 48_000).astype(np.float32)
    picture = gallery._spectrogram(tone)
    row = int(picture.sum(axis=(1, 2)).argmax())
    height = picture.shape[0] - 1
    expected = np.log(1000 / gallery.LOWEST_HZ) / np.log(gallery.HIGHEST_HZ / gallery.LOWEST_HZ)
    assert (height - row) / height == pytest.approx(expected, abs=0.03)


def test_disguised_things_are_shown_with_what_they_are():
    sheet = gallery.disguises_sheet(count=5, side=60)
    assert sheet.shape == (82, 300, 3) and sheet.std() > 10


def test_robots_are_shown_in_the_middle_of_a_touch():
    sheet = gallery.robots_sheet(120, 100)
    tiles = np.split(sheet[:100], 3, axis=1)
    assert sheet.shape[1] == 360 and all(t.std() > 10 for t in tiles)
    assert all(np.abs(a.astype(int) - b).mean() > 2 for a, b in ((tiles[0], tiles[1]), (tiles[0], tiles[2])))


def test_the_command_writes_what_it_names(tmp_path, monkeypatch, capsys):
    from foley_bringup import cli

    small = np.zeros((20, 30, 3), np.uint8)
    for name in ("scenes_sheet", "robots_sheet", "disguises_sheet"):
        monkeypatch.setattr(gallery, name, lambda: small)
    monkeypatch.setattr(gallery, "wall", lambda progress: (small, {"wood": {"tap": -20.0}}))
    code = cli.main(["sim", "gallery", "--out", str(tmp_path), "--metrics", str(tmp_path / "m")])
    assert code == 0
    assert cv2.imread(str(tmp_path / "foleysim1_wall.png")).shape == (20, 30, 3)
    assert json.loads((tmp_path / "m" / "metrics.json").read_text())["peak_dbfs"]["wood"]["tap"] == -20.0
    assert "foleysim1_scenes.jpg" in capsys.readouterr().out
