import dataclasses
import math

import numpy as np
import pytest

from foley_sim.materials import MATERIALS
from foley_sim.sound import Impact, Sliding, kernels
from foley_sim.sound.examples import OAK, QUIET, RATE, RUBBER, STEEL, body, random_body, scene, tap
from foley_sim.sound.renderer import SoundRenderer
from foley_sim.spec import SHAPES, MicrophoneSpec, RoomSpec

FOUR = SHAPES[:4]


def slide(spec, start_s=0.1, seconds=0.2, speed=0.1, force=2.0, step=0.004):
    x, y, _ = spec.position
    for k in range(round(seconds / step)):
        begin = start_s + k * step
        yield Sliding(begin, begin + step, spec.object_id, (x + 0.0004 * k, y, spec.top), speed, force)


def render(spec, *events, until_s=0.6, seed=1, room=QUIET):
    renderer = SoundRenderer(scene(spec, room=room), seed=seed)
    for event in events:
        renderer.add(event)
    return renderer.render(until_s)


def centroid(samples):
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float((power * np.fft.rfftfreq(samples.size, 1 / RATE)).sum() / power.sum())


def busy_scene():
    rng = np.random.default_rng(2)
    bodies = [
        dataclasses.replace(random_body(m, s, rng, name=m), position=(0.05 * i, 0.0, 0.05))
        for i, (m, s) in enumerate(zip(("metal", "wood", "rubber", "stone"), FOUR, strict=True))
    ]
    events = [tap(bodies[k % 4], time_s=0.03 + 0.117 * k, speed=0.1 + 0.05 * k) for k in range(9)]
    events += list(slide(bodies[1], start_s=0.31)) + list(slide(bodies[0], start_s=0.47, speed=0.2))
    events.append(Impact(0.777, "table", (0.3, 0.1, 0.0), (0.0, 0.0, 1.0), 0.02, 0.5))
    return scene(*bodies, room=RoomSpec()), events


def test_cutting_the_time_line_changes_nothing():
    spec, events = busy_scene()

    def run(cuts):
        renderer = SoundRenderer(spec, seed=3)
        for event in events:
            renderer.add(event)
        renderer.set_joint_speed(0.2, 0.7)
        renderer.set_joint_speed(1.0, 0.1)
        return np.concatenate([renderer.render(float(t)) for t in cuts])

    whole = run([1.5])
    assert whole.size == 1.5 * RATE
    assert np.abs(whole).max() > 0.01
    rng = np.random.default_rng(0)
    for cuts in (np.arange(1, 151) / 100, [*np.sort(rng.uniform(0, 1.5, 300)), 1.5], [0.3, 0.3, 1.5]):
        np.testing.assert_allclose(run(cuts), whole, atol=1e-7, rtol=0)


def test_events_may_come_just_in_time():
    spec, events = busy_scene()
    early = SoundRenderer(spec, seed=3)
    for event in events:
        early.add(event)
    live = SoundRenderer(spec, seed=3)
    waiting = sorted(events, key=lambda e: e.time_s if isinstance(e, Impact) else e.start_s)
    parts = []
    for now in np.arange(1, 751) * 0.002:
        while waiting and (waiting[0].time_s if isinstance(waiting[0], Impact) else waiting[0].start_s) < now:
            live.add(waiting.pop(0))
        parts.append(live.render(float(now)))
    assert live.late_events == 0
    np.testing.assert_allclose(np.concatenate(parts), early.render(1.5), atol=1e-7, rtol=0)


def test_a_seed_names_one_sound():
    spec, room = body(STEEL), RoomSpec()
    first, again = (render(spec, tap(spec), room=room, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, render(spec, tap(spec), room=room, seed=5))


@pytest.mark.parametrize("material", [STEEL, OAK, RUBBER])
def test_faster_is_louder(material):
    spec = body(material)
    levels = [float(np.abs(render(spec, tap(spec, speed=v))).max()) for v in (0.1, 0.2, 0.4, 0.8)]
    assert levels == sorted(levels)
    assert levels[-1] > 4 * levels[0]


def test_soft_contacts_are_dull():
    brightness = [centroid(render(body(m), tap(body(m)))) for m in (STEEL, OAK, RUBBER)]
    assert brightness[2] < 0.3 * min(brightness[:2])


def test_heard_ringing_is_ordered_like_the_materials():
    """Energy later than 0.25 s after the blow, relative to all of it; the room alone has lost nearly all by then."""

    def lasting(material):
        samples = render(body(material), tap(body(material), time_s=0.0), until_s=1.0).astype(float) ** 2
        return samples[RATE // 4 :].sum() / samples.sum()

    assert lasting(STEEL) > 10 * lasting(OAK)


def test_hollow_and_solid_differ():
    size = (0.11, 0.08, 0.06)
    hollow, solid = body(OAK, "box", size, wall=0.004), body(OAK, "box", size)
    sounds = [render(spec, tap(spec)) for spec in (hollow, solid)]
    assert np.abs(sounds[0]).max() > 1.5 * np.abs(sounds[1]).max()
    spectra = [np.abs(np.fft.rfft(s)) / np.linalg.norm(np.fft.rfft(s)) for s in sounds]
    assert float(spectra[0] @ spectra[1]) < 0.7


def test_sound_travels_before_it_is_heard():
    spec = body(STEEL)
    renderer = SoundRenderer(scene(spec), seed=1)
    renderer.add(tap(spec, time_s=0.1))
    distance = math.dist((0.0, 0.0, spec.top), MicrophoneSpec().position)
    assert renderer.travel_delay_s("thing") == pytest.approx(distance / 343.0)
    samples = np.abs(renderer.render(0.3))
    onset = np.flatnonzero(samples > 0.02 * samples.max())[0] / RATE
    assert onset == pytest.approx(0.1 + renderer.travel_delay_s("thing"), abs=5e-4)


def test_farther_is_quieter():
    near = body(STEEL)
    far = dataclasses.replace(near, position=(0.0, 1.2, near.position[2]))
    assert np.abs(render(near, tap(near))).max() > 1.5 * np.abs(render(far, tap(far))).max()


def test_scratching_grows_with_speed_force_and_roughness():
    def level(speed=0.1, force=2.0, roughness=0.5):
        spec = body(dataclasses.replace(OAK, roughness=roughness))
        return float(render(spec, *slide(spec, speed=speed, force=force))[RATE // 5 : RATE // 4].std())

    base = level()
    assert level(speed=0.3) > 1.2 * base
    assert level(force=4.0) == pytest.approx(2 * base, rel=0.01)
    assert level(roughness=0.9) > 1.2 * base


def test_faster_scratching_is_brighter():
    spec = body(RUBBER)
    slow, fast = (render(spec, *slide(spec, speed=v))[RATE // 5 : RATE // 4] for v in (0.03, 0.3))
    assert centroid(fast) > 1.3 * centroid(slow)


def test_silence_follows_and_objects_come_to_rest():
    spec = body(STEEL)
    renderer = SoundRenderer(scene(spec), seed=1)
    renderer.add(tap(spec))
    for event in slide(spec):
        renderer.add(event)
    assert np.abs(renderer.render(8.0)).max() > 0.01
    assert np.abs(renderer.render(8.5)).max() < 1e-12


@pytest.mark.parametrize("material", MATERIALS)
def test_nothing_overflows_in_a_random_sweep(material):
    rng = np.random.default_rng(MATERIALS.index(material))
    for shape in FOUR:
        spec = random_body(material, shape, rng)
        renderer = SoundRenderer(scene(spec, room=RoomSpec()), seed=1)
        for k in range(4):
            offset = tuple(rng.uniform(-0.4, 0.4, 2) * np.array(spec.size[:2]))
            renderer.add(
                tap(spec, time_s=0.02 + 0.05 * k, speed=float(rng.uniform(0.05, 1.5)), offset=offset)
            )
        for event in slide(spec, start_s=0.25, seconds=0.1, speed=0.3, force=5.0):
            renderer.add(event)
        renderer.add(
            Impact(0.4, "thing", (0.05, 0.0, 0.02), (1.0, 0.0, 0.0), 10.0, 3.0)
        )  # absurdly hard, from the side
        samples = renderer.render(0.5)
        assert samples.dtype == np.float32
        assert np.isfinite(samples).all()
        assert np.abs(samples).max() < 1.0
        assert renderer.limited_samples > 0


def test_typical_taps_use_the_range_without_the_guard():
    peaks, limited = [], 0
    rng = np.random.default_rng(9)
    for material in ("wood", "metal", "glass", "ceramic", "plastic", "stone"):
        for shape in FOUR:
            spec = random_body(material, shape, rng)
            renderer = SoundRenderer(scene(spec), seed=1)
            renderer.add(tap(spec, speed=0.35))
            peaks.append(20 * math.log10(float(np.abs(renderer.render(0.2)).max())))
            limited += renderer.limited_samples
    assert -25 < np.median(peaks) < -6
    assert np.mean(np.array(peaks) > -40) > 0.9
    assert limited < 24


def test_noise_and_hum_have_the_levels_that_the_scene_names():
    room = RoomSpec(noise_dbfs=-60.0, motor_dbfs=-40.0)
    still = SoundRenderer(scene(body(), room=room), seed=1)
    assert 20 * math.log10(float(still.render(2.0).std())) == pytest.approx(-60.0, abs=1.5)
    moving = SoundRenderer(scene(body(), room=room), seed=1)
    moving.set_joint_speed(0.0, 1.0)
    assert 20 * math.log10(float(moving.render(2.0)[RATE:].std())) == pytest.approx(-40.0, abs=1.5)
    moving.set_joint_speed(2.0, 0.0)
    assert 20 * math.log10(float(moving.render(4.0)[RATE:].std())) == pytest.approx(-60.0, abs=1.5)


def test_late_events_sound_at_once_and_are_counted():
    spec = body(STEEL)
    renderer = SoundRenderer(scene(spec), seed=1)
    assert np.abs(renderer.render(0.5)).max() < 1e-12
    renderer.add(tap(spec, time_s=0.1))
    assert renderer.late_events == 1
    assert np.abs(renderer.render(0.6)).max() > 0.01


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda r: r.add(Impact(0.6, "ghost", (0, 0, 0), (0, 0, 1), 0.01, 0.1)), "`ghost`.*thing.*table"),
        (lambda r: r.render(0.1), "until_s is 0.1"),
        (lambda r: r.render(float("nan")), "until_s is nan"),
        (lambda r: r.set_joint_speed(0.6, 1.5), "speed is 1.5"),
        (lambda r: r.set_joint_speed(0.6, float("nan")), "speed is nan"),
        (lambda r: r.set_joint_speed(float("nan"), 0.5), "time_s"),
    ],
)
def test_impossible_requests_are_refused(act, message):
    renderer = SoundRenderer(scene(body()), seed=1)
    renderer.render(0.5)
    with pytest.raises(ValueError, match=message):
        act(renderer)


@pytest.mark.parametrize(
    ("spec", "seed", "message"),
    [
        (scene(body(name="table")), 1, "table"),
        (scene(body(), body(x=0.2)), 1, "differ"),
        (scene(body()), -1, "seed"),
        (dataclasses.replace(scene(body()), microphone=MicrophoneSpec(sample_rate=10)), 1, "sample_rate"),
        (dataclasses.replace(scene(body()), microphone=MicrophoneSpec((0.0, -9.0, 0.3))), 1, "microphone"),
    ],
)
def test_impossible_scenes_are_refused(spec, seed, message):
    with pytest.raises(ValueError, match=message):
        SoundRenderer(spec, seed=seed)


def test_other_sample_rates_work():
    spec = dataclasses.replace(scene(body(STEEL)), microphone=MicrophoneSpec(sample_rate=44_100))
    renderer = SoundRenderer(spec, seed=1)
    renderer.add(tap(body(STEEL)))
    assert renderer.render(0.3).size == math.ceil(0.3 * 44_100)


def test_nothing_is_compiled_while_sound_runs():
    spec, events = busy_scene()
    renderer = SoundRenderer(spec, seed=1)  # warms the kernels up
    compiled = (
        kernels.run_bank,
        kernels.run_free,
        kernels.run_grains,
        kernels.run_friction,
        kernels.run_motor,
        kernels.run_biquad,
        kernels.run_cascade,
        kernels.multiply_partitions,
    )
    before = [len(kernel.signatures) for kernel in compiled]
    for event in events:
        renderer.add(event)
    renderer.render(1.0)
    assert min(before) >= 1
    assert [len(kernel.signatures) for kernel in compiled] == before
