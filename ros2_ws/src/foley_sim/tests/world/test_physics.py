"""What physics demands of the sound, whatever its models are: frequencies, energy, order of materials, convergence."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from scipy import signal

from foley_sim.headless_gl import import_mujoco
from foley_sim.materials import MATERIALS, draw_material, ranges
from foley_sim.physics import mjcf
from foley_sim.robots.tool import stick_width
from foley_sim.sound import Impact, contact, modal, modes
from foley_sim.sound.examples import OAK, RATE, RUBBER, STEEL, body, random_body, scene, tap
from foley_sim.sound.renderer import SoundRenderer
from foley_sim.spec import SHAPES, MicrophoneSpec, StrikerSpec

STRIKER = StrikerSpec()
SOLIDS = [m for m in MATERIALS if ranges()[m].grain_hz is None]


def sound(spec, *events, rate=RATE, seconds=0.8):
    where = scene(spec)
    where = dataclasses.replace(where, microphone=MicrophoneSpec(sample_rate=rate))
    renderer = SoundRenderer(where, seed=1)
    for event in events:
        renderer.add(event)
    return renderer.render(seconds)


def centroid(samples, rate=RATE):
    frequency, power = signal.periodogram(samples.astype(float), rate)
    return float((frequency * power).sum() / power.sum())


# ---- frequencies -------------------------------------------------------------------------------------------
def _turned(offset, yaw):
    """From the body's axes to the world's."""
    c, s = math.cos(yaw), math.sin(yaw)
    return (c * offset[0] - s * offset[1], s * offset[0] + c * offset[1])


def peak_near(samples, frequency, width=0.04):
    """Frequency of the strongest peak within a share of ``frequency``, to a fraction of a bin."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size), 4 * samples.size))
    axis = np.fft.rfftfreq(4 * samples.size, 1 / RATE)
    inside = np.abs(axis / frequency - 1) < width
    return float(axis[inside][spectrum[inside].argmax()])


def test_a_struck_plate_sounds_at_the_frequencies_of_the_closed_form():
    """Simply supported thin plate: f = pi / 2 sqrt(D / rho h) (m^2 / a^2 + n^2 / b^2)."""
    a, b, h = 0.16, 0.12, 0.0015
    spec = body(STEEL, "plate", (a, b, h))
    samples = sound(spec, tap(spec, time_s=0.01, offset=_turned((0.031, 0.017), spec.yaw)), seconds=1.5)
    stiffness = STEEL.youngs_modulus * h**3 / (12 * (1 - STEEL.poisson_ratio**2))
    speed = math.sqrt(stiffness / (STEEL.density * h))
    for m, n in ((1, 1), (2, 1), (1, 2), (2, 2)):
        f = math.pi / 2 * speed * ((m / a) ** 2 + (n / b) ** 2)
        assert peak_near(samples, f) == pytest.approx(f, rel=0.01), (m, n)


def test_a_struck_bar_sounds_at_the_frequencies_of_the_closed_form():
    """Free-free thin bar: f = (beta L)^2 / (2 pi L^2) sqrt(E h^2 / (12 rho))."""
    length, h = 0.30, 0.004
    spec = body(STEEL, "bar", (length, 0.03, h))
    samples = sound(spec, tap(spec, time_s=0.01, offset=_turned((0.13, 0.0), spec.yaw)), seconds=1.5)
    for root in (4.730041, 7.853205, 10.995608):
        f = (
            root**2
            / (2 * math.pi * length**2)
            * math.sqrt(STEEL.youngs_modulus * h**2 / (12 * STEEL.density))
        )
        assert peak_near(samples, f) == pytest.approx(f, rel=0.01)


# ---- energy ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("material", MATERIALS)
def test_no_energy_comes_out_beyond_what_the_striker_brought(material):
    """In the modes right after the blow, and in the sound that they radiate into half a space."""
    rng = np.random.default_rng(MATERIALS.index(material))
    for shape in SHAPES:
        if shape == "heap" and material in SOLIDS:
            continue
        spec = random_body(material, shape, rng)
        bank = modal.object_bank(spec)
        speed, rebound = 0.5, 0.4
        impulse = STRIKER.tip_mass * speed * (1 + rebound)
        brought = STRIKER.tip_mass * speed**2 / 2 * (1 - rebound**2)  # what the striker lost
        duration = contact.contact_time(STRIKER, spec.material, bank.mass, speed)
        point = np.array([0.2 * spec.size[0], 0.1 * spec.size[1], spec.size[2] / 2])
        # A pulse sin(pi t / T)^1.5 drives a mode less the more it swings within the contact.
        t = np.linspace(0, 1, 400)
        pulse = np.sin(np.pi * t) ** 1.5
        turns = np.exp(-2j * np.pi * np.outer(bank.frequency_hz * duration, t))
        reach = np.abs(turns @ pulse) / pulse.sum()
        velocity = bank.drive(point, STRIKER.tip_mass, duration) * impulse * reach
        stored = float((bank.mass_kg * velocity**2).sum() / 2)
        assert stored <= brought, (shape, stored / brought)
        # p = radiation x velocity at 1 m; through half a sphere 2 pi p^2 / (rho c); mean square 1/2, decay 2 sigma
        radiated = (bank.radiation * velocity) ** 2 / 2 / (2 * bank.decay)
        heard = 2 * math.pi * float(radiated.sum()) / (modal.AIR_DENSITY * modal.SOUND_SPEED)
        assert heard <= brought, (shape, heard / brought)


@pytest.mark.parametrize("shape", ["plate", "box", "cylinder", "dome", "disc", "rod"])
def test_faster_is_louder_and_brighter(shape):
    spec = random_body("wood", shape, np.random.default_rng(4))
    sounds = [sound(spec, tap(spec, speed=v), seconds=0.4) for v in (0.1, 0.3, 0.9)]
    levels = [float(np.sqrt((s**2).mean())) for s in sounds]
    assert levels[0] < levels[1] < levels[2]
    assert centroid(sounds[0]) < centroid(sounds[2])


# ---- order of materials ------------------------------------------------------------------------------------
def medians(figure, shape="plate", draws=25):
    found = {}
    for material in SOLIDS:
        rng = np.random.default_rng(7)
        values = []
        for _ in range(draws):
            spec = body(draw_material(material, rng), shape, (0.14, 0.10, 0.008))
            values.append(figure(spec))
        found[material] = float(np.nanmedian(values))
    return found


def ring_s(spec):
    """Median T60 of the modes below 5 kHz: in soft bodies these lie far lower than in hard ones."""
    bank = modal.object_bank(spec)
    low = bank.frequency_hz < 5000
    return float(np.median(bank.t60()[low])) if low.any() else math.nan


def test_materials_ring_in_their_order():
    t60 = medians(ring_s)
    order = ("metal", "glass", "ceramic", "stone", "wood", "plastic", "cardboard", "rubber")
    for longer, shorter in zip(
        order, order[2:], strict=False
    ):  # neighbours may overlap, those beyond must not
        assert t60[longer] > t60[shorter], (longer, shorter, t60)
    assert t60["metal"] > 10 * t60["plastic"]


@pytest.mark.parametrize("frequency", [500.0, 1000.0, 2000.0])
def test_at_one_frequency_every_material_has_its_place(frequency):
    """Unlike whole bodies, whose own frequencies differ: a cardboard plate dies sooner than one of rubber."""

    def t60(spec):
        one = np.ones(1)
        mode = modes.ModeSet(frequency * one, one, 0 * one, one, 0.01, lambda point: one)
        return math.log(1000.0) / float(modal._decay(mode, spec.material, 4.0, 4e-4)[0])

    found = medians(t60, draws=100)
    groups = (
        ("metal",),
        ("glass", "ceramic"),
        ("stone", "wood"),
        ("plastic",),
        ("cardboard",),
        ("rubber", "foam"),
    )
    for longer, shorter in itertools.pairwise(groups):
        assert min(found[m] for m in longer) > max(found[m] for m in shorter), (longer, shorter, found)


def test_hard_materials_are_brighter():
    def brightness(spec):
        return centroid(sound(spec, tap(spec, speed=0.3), seconds=0.3))

    bright = medians(brightness, draws=5)
    for hard in ("metal", "glass", "ceramic", "stone"):
        for soft in ("rubber", "foam"):
            assert bright[hard] > bright[soft], (hard, soft, bright)


def test_hollow_is_deeper_than_solid():
    solid, hollow = body(OAK, "box", (0.1, 0.08, 0.06)), body(OAK, "box", (0.1, 0.08, 0.06), wall=0.004)
    # Without the bounce on the mount, which is the last family.
    lowest = [
        min(float(f.frequency_hz.min()) for f in modal.object_bank(spec).families[:-1] if f.frequency_hz.size)
        for spec in (solid, hollow)
    ]
    assert lowest[1] < lowest[0]
    sounds = [sound(spec, tap(spec), seconds=0.4) for spec in (solid, hollow)]
    assert not np.allclose(sounds[0], sounds[1], atol=1e-3)


def test_a_mode_is_silent_where_it_has_a_node():
    """The plate's mode (2, 1) has a nodal line through the middle."""
    a, b, h = 0.16, 0.12, 0.0015
    spec = body(STEEL, "plate", (a, b, h))
    stiffness = STEEL.youngs_modulus * h**2 / (12 * STEEL.density * (1 - STEEL.poisson_ratio**2))
    f = math.pi / 2 * math.sqrt(stiffness) * ((2 / a) ** 2 + (1 / b) ** 2)

    def level(offset):
        samples = sound(spec, tap(spec, time_s=0.01, offset=_turned(offset, spec.yaw)), seconds=1.0)
        axis, power = signal.periodogram(samples.astype(float), RATE, "hann")
        return float(power[np.abs(axis - f) < 5].sum() / power.sum())

    assert level((0.0, 0.02)) < 0.1 * level((0.04, 0.02))


# ---- convergence -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("material", [STEEL, OAK, RUBBER])
def test_sound_converges_as_the_sample_rate_grows(material):
    """Spectra below 12 kHz differ less between 96 and 192 kHz than between 48 and 96 kHz, and little at all."""
    spec = body(material)
    spectra = []
    for rate in (48_000, 96_000, 192_000):
        samples = sound(spec, tap(spec, time_s=0.02), rate=rate, seconds=0.3)
        axis, power = signal.welch(samples.astype(float), rate, nperseg=rate // 20)
        spectra.append(np.log10(power[(axis > 100) & (axis < 12_000)] + 1e-16))
    first, second = (float(np.abs(a - b).mean() * 10) for a, b in itertools.pairwise(spectra))
    assert second < first and second < 1.0


def test_the_impulse_converges_as_the_physics_step_shrinks():
    """The tip thrown at a plate: the impulse lies in [m v, 2 m v], and halving the step changes it less and less."""
    spec = body(OAK, "plate", (0.16, 0.12, 0.02))
    stage = dataclasses.replace(scene(spec), edition="foleysim-1")
    speed = 0.4
    impulses = [_thrown(stage, spec, step, speed) for step in (1e-3, 5e-4, 2.5e-4, 1.25e-4)]
    mass = STRIKER.tip_mass
    assert all(mass * speed * 0.95 <= j <= 2.05 * mass * speed for j in impulses), impulses
    changes = np.abs(np.diff(impulses))
    assert changes[2] < changes[0] and changes[2] < 0.05 * impulses[-1], impulses


def _thrown(stage, spec, step_s, speed):
    mujoco = import_mujoco()
    xml, files = mjcf.build(stage, timestep_s=step_s)
    model = mujoco.MjModel.from_xml_string(xml, files)
    model.dof_damping[4] = model.jnt_stiffness[4] = 0.0  # a free flight: the wrist neither brakes nor pushes
    data = mujoco.MjData(model)
    data.qpos[:3] = (spec.position[0], spec.position[1], spec.top + STRIKER.length + 0.0015)
    data.qpos[5:7] = stick_width() / 2
    data.qvel[4] = -speed
    impulse, force, met = 0.0, np.zeros(6), False
    for _ in range(round(0.04 / step_s)):
        mujoco.mj_step(model, data)
        pressed = 0.0
        for i in range(data.ncon):
            mujoco.mj_contactForce(model, data, i, force)
            pressed += float(force[0])
        if met and pressed == 0.0:
            break
        met = met or pressed > 0
        impulse += pressed * step_s
    return impulse


# ---- robustness --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("material", MATERIALS)
def test_hard_blows_on_every_body_are_finite_and_below_full_scale(material):
    rng = np.random.default_rng([1, MATERIALS.index(material)])
    for shape in SHAPES:
        if shape == "heap" and material in SOLIDS:
            continue
        spec = random_body(material, shape, rng)
        blow = Impact(0.02, "thing", (0.0, 0.0, spec.top), (0.0, 0.0, 1.0), 2 * STRIKER.tip_mass * 0.8, 0.8)
        samples = sound(spec, blow, seconds=0.15)
        assert np.isfinite(samples).all() and 0 < np.abs(samples).max() < 1.0, shape
