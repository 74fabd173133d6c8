"""Noise and hum of recordings are their scene's, and versions of an edition say which."""

import argparse
import dataclasses
import json

import numpy as np
import pytest

from foley_sim.commands import sim_noise
from foley_sim.editions import VERSIONS, Noise, make_scene, noise_of
from foley_sim.offline.noise_figures import noise_figures, pitches


def scene_of(seed):
    return make_scene(seed, "test", "foleysim-1")


@pytest.fixture(scope="module")
def figures():
    return noise_figures("foleysim-1", "test", (0, 5), policy_seed=0)


def test_two_scenes_of_one_policy_seed_share_their_noise_in_version_1_only(figures):
    first, second = (figures["versions"][str(version)] for version in VERSIONS)
    assert 0.2 < figures["seconds"]["at_rest"] < figures["seconds"]["until_touched"]
    for found, low, high in ((first, 0.9, 1.0), (second, -0.1, 0.1)):
        ((*pair, r),) = found["at_rest"]["correlation"]
        assert pair == [0, 5] and low <= r <= high
        ((_, _, felt),) = found["at_rest"]["contact_microphone"]["correlation"]
        assert low <= felt <= high
    assert first["until_touched"]["largest_magnitude"] > 0.5
    assert second["until_touched"]["largest_magnitude"] < 0.1


def test_two_scenes_hum_at_one_pitch_in_version_1_only(figures):
    first, second = (list(figures["versions"][str(version)]["hum_hz"].values()) for version in VERSIONS)
    assert first[0]["motors"] == first[1]["motors"] and first[0]["mains"] == pytest.approx(50.0, abs=2e-3)
    assert abs(second[0]["motors"] - second[1]["motors"]) > 1.0 and second[0]["mains"] != second[1]["mains"]
    for seed, heard in zip((0, 5), second, strict=True):
        scene = scene_of(seed)
        hum = noise_of(scene, 0).hum
        assert heard["motors"] == pytest.approx(hum.motor_hz, abs=0.02)
        assert heard["mains"] == pytest.approx(hum.mains_hz, abs=0.005)
        assert heard["ambience"] == scene.room.ambience


def test_mains_of_60_hz_are_found_too():
    scene = scene_of(1)
    assert pitches(scene, noise_of(scene, 3))["mains"] == pytest.approx(60.06, abs=0.01)


def test_noise_of_a_version():
    one, other = (scene_of(seed) for seed in (0, 5))
    assert noise_of(one, 7, 1) == noise_of(other, 7, 1) == Noise(7)
    assert noise_of(one, 7) == noise_of(one, 7, 2) != noise_of(other, 7)
    assert noise_of(one, 7).seed != noise_of(one, 8).seed and noise_of(one, 7).hum == noise_of(one, 8).hum
    judge = make_scene(0, "test", "foleysim-b")
    assert noise_of(judge, 7).hum is None and noise_of(judge, 7).seed != 7
    with pytest.raises(ValueError, match="edition_version is 3, known are 1, 2"):
        noise_of(one, 7, 3)
    with pytest.raises(ValueError, match="edition is `x`"):
        noise_of(dataclasses.replace(one, edition="x"), 7)


def test_the_command_writes_what_it_prints(monkeypatch, tmp_path, capsys, figures):
    import argparse

    monkeypatch.setattr("foley_sim.offline.noise_figures.noise_figures", lambda *args: figures)
    parser = argparse.ArgumentParser()
    sim_noise.configure(parser.add_subparsers())
    assert sim_noise.run(parser.parse_args(["noise", "--scenes", "2", "--metrics", str(tmp_path)])) == 0
    said = capsys.readouterr().out
    assert said.count("foleysim-1-test-05: motors") == 2 and "at rest: 1.000 (1.000)" in said
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert written["versions"] == json.loads(json.dumps(figures["versions"]))
    assert np.isfinite(written["seconds"]["at_rest"])
    with pytest.raises(ValueError, match="--scenes is 1"):
        noise_figures("foleysim-1", "test", (0,), 0)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--scenes", "1"], "--scenes is 1, must be at least 2"),
        (["--policy-seed", "-1"], "--policy-seed is -1, must not be negative"),
        (["--scenes", "999"], "--scenes is 999, which are too many: .* has test scenes 0 to 23; name fewer"),
        (["--split", "sealed-off"], "split is `sealed-off`, known are"),
    ],
)
def test_options_that_cannot_work_are_named(words, told):
    parser = argparse.ArgumentParser()
    sim_noise.configure(parser.add_subparsers())
    with pytest.raises(ValueError, match=told):
        sim_noise.run(parser.parse_args(["noise", *words]))
