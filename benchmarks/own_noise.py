"""What learning a robot's own noise is worth: `python -m benchmarks.own_noise [--scenes 8] [--seconds 40]`.

Scenes of foleysim-1's test split are simulated without pictures. A made-up robot's noise (`_robot_noise.py`) follows
the joints of each scene; another day of the same robot is a sweep without contact, of which own noise is learnt.
Contacts are mixed with the noise at 0, -5 and -10 dB: rms of a contact's first 100 ms against that of the noise in the
same stretch; of a whole scene, for detection, in the median of its contacts, and for hearing of each contact exactly.
Compared are: no noise, noise left in, a stationary floor (the mean of the sweep), and the model by joint speeds; for
hearing also a floor of the 0.2 s before the contact. Materials are heard by the model that ships. Intervals (95 %)
are of scenes drawn again; `gain` is over the noise left in, on the same draws. Writes metrics.json and own_noise.png
to --out; with --skip it adds to what is there.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._bench import parser
from benchmarks._own_noise_scenes import Scene, scenes
from benchmarks._own_noise_scores import Found, accuracy, judged, scores
from benchmarks._robot_noise import RobotNoise, sweep_motion
from foley_common.metrics_file import METRICS_FILE, write_metrics
from foley_perception.audio.onset_config import OnsetConfig
from foley_perception.contact.detector import ContactDetector
from foley_perception.contact.listener import HeardOnset, Listener
from foley_perception.own_noise.bands import band_edges, densities, hop_of, window_of
from foley_perception.own_noise.clean import CleanConfig, Cleaner
from foley_perception.own_noise.learn import Learnt, learn, stationary
from foley_perception.own_noise.mask import NoiseSource
from foley_perception.own_noise.model import OwnNoise
from foley_perception.own_noise.motion import JointPositions, Times, speeds_at
from foley_perception.own_noise.sweep import HOP_S, Sweep

Array = NDArray[np.float64]
Samples = NDArray[np.float32]

RATE = 48_000
RATIOS_DB = (0.0, -5.0, -10.0)
KINDS = ("onsets", "contacts without force", "contacts with force")
NO_NOISE, LEFT_IN = "no noise", "left in"
WAYS = (LEFT_IN, "stationary floor", "own noise")
HEARD_WAYS = (*WAYS, "floor before it")
BEFORE_S, AFTER_S, LEVEL_S = 0.25, 0.65, 0.1
CHUNK = 2400  # samples: 50 ms
SWEEP_S = 90.0


# ---- the robot -----------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True, eq=False)
class Robot:
    """One kind of robot: its noise, and what was learnt of it."""

    noise: RobotNoise
    learnt: Learnt
    floor: OwnNoise


def told(times_s: Array, positions: Array, names: Sequence[str]) -> JointPositions:
    """Joint states of a simulation."""
    stamps = np.round(times_s * 1e9).astype(np.int64)

    def read(name: str, start: int, end: int) -> tuple[Times, Array]:
        low, high = np.searchsorted(stamps, [start, end + 1])
        return stamps[low:high], positions[low:high, list(names).index(name)]

    return read


def robot_of(kind: str, some: Sequence[Scene], seed: int) -> Robot:
    """Learnt of a sweep that goes 1.2 times as fast as any of its scenes."""
    drives = some[0].driven
    fast = np.max(
        [
            np.quantile(np.abs(np.gradient(s.positions[:, :drives], 0.004, axis=0)), 0.999, axis=0)
            for s in some
        ],
        axis=0,
    )
    full = np.maximum(1.2 * fast, 0.05)
    slides = np.array([kind == "gantry" and i < 3 for i in range(drives)])
    noise = RobotNoise.made(seed, full, RATE, prismatic=slides)
    times, positions = sweep_motion(full, SWEEP_S, seed + 1)
    sound = noise.sound(times, positions, RATE, round(SWEEP_S * RATE), seed + 2)
    names = some[0].joints[:drives]
    sweep = sweep_windows(sound, told(times, positions, names), names)
    learnt = learn(sweep, {"robot": kind})
    # With the model's own spread, so that both stand equally far above their means.
    floor = dataclasses.replace(stationary(sweep), spread_db=learnt.model.spread_db)
    return Robot(noise, learnt, floor)


def sweep_windows(sound: Array, positions: JointPositions, names: Sequence[str]) -> Sweep:
    """As `sweep_of` makes them of a recording."""
    edges, window, hop = band_edges(RATE), window_of(RATE), hop_of(RATE, HOP_S)
    begins = np.arange(0, len(sound) - window, hop)
    times = np.round((begins + window / 2) / RATE * 1e9).astype(np.int64)
    power = np.concatenate(
        [densities(sound[b[:, None] + np.arange(window)], RATE, edges) for b in np.array_split(begins, 20)]
    )
    speeds = speeds_at(positions, names, times)
    good = np.isfinite(speeds).all(axis=1)
    return Sweep(
        power[good], speeds[good], times[good] * 1e-9, np.zeros(int(good.sum()), np.int64), tuple(names), edges, RATE,
        0.0, ("made sweep",),
    )  # fmt: skip


def scaled(model: OwnNoise, gain: float) -> OwnNoise:
    """The same robot, louder."""
    return dataclasses.replace(model, floor=model.floor * gain**2, rise=model.rise * gain**2)


# ---- contacts found ------------------------------------------------------------------------------------------
def detect(scene: Scene, sound: Samples, source: NoiseSource | None) -> dict[str, Found]:
    """Onsets by ear alone, and contacts as `contact_detector` decides live, with a force sensor and without."""
    listener = Listener(OnsetConfig(sample_rate=RATE), own_noise=source)
    detectors = {"contacts without force": ContactDetector(), "contacts with force": ContactDetector()}
    onsets, at = list[HeardOnset](), 0
    contacts: dict[str, list[int]] = {name: [] for name in detectors}
    stamps = scene.stamps_ns
    for first in range(0, len(sound) - CHUNK + 1, CHUNK):
        now = round((first + CHUNK) / RATE * 1e9)
        while at < len(stamps) and stamps[at] <= now:
            for name, detector in detectors.items():
                detector.tip.add(int(stamps[at]), scene.tool[at])
                if name == "contacts with force":
                    detector.force.add(int(stamps[at]), scene.force[at])
            at += 1
        heard = listener.hear(
            sound[first : first + CHUNK, None], first_sample=first, time_ns=round(first / RATE * 1e9), stream_id="made",
            sample_rate=RATE, arrival_ns=now,
        )  # fmt: skip
        onsets += heard
        for name, detector in detectors.items():
            for onset in heard:
                detector.add_onset(onset)
            contacts[name] += [found.contact.time_ns for found in detector.poll(now)]
    return {
        "onsets": judged(scene, [o.time_ns for o in onsets if o.clear]),
        **{name: judged(scene, found) for name, found in contacts.items()},
    }


# ---- materials heard -----------------------------------------------------------------------------------------
def cut(sound: NDArray[Any], onset_s: float) -> NDArray[Any] | None:
    first = round((onset_s - BEFORE_S) * RATE)
    last = first + round((BEFORE_S + AFTER_S) * RATE)
    return sound[first:last] if first >= 0 and last <= len(sound) else None


def gain_for(contact: NDArray[Any], noise: NDArray[Any], ratio_db: float) -> float:
    """Of the noise, so that the contact's first 100 ms stand so far above it."""
    part = slice(round(BEFORE_S * RATE), round((BEFORE_S + LEVEL_S) * RATE))
    level, own = (np.sqrt(np.mean(np.square(x[part], dtype=float))) for x in (contact, noise))
    return float(level / max(own, 1e-12) * 10 ** (-ratio_db / 20))


def local_floor(noisy: Samples, model: OwnNoise) -> OwnNoise:
    """A floor learnt of the 0.2 s before the contact: what needs no sweep."""
    window, hop = window_of(RATE), hop_of(RATE, 0.005)
    begins = np.arange(0, round(0.2 * RATE) - window, hop)
    power = densities(noisy[begins[:, None] + np.arange(window)].astype(float), RATE, model.edges_hz).mean(
        axis=0
    )
    return dataclasses.replace(model, floor=power, rise=0 * model.rise)


def hear(
    model: Any,
    all_scenes: Sequence[Scene],
    noises: Sequence[Array],
    robots: dict[str, Robot],
    config: CleanConfig,
) -> list[dict[str, Any]]:
    """A row per contact of a known material, and per ratio and way of treating the noise."""
    rows: list[dict[str, Any]] = []
    for scene, noise in zip(all_scenes, noises, strict=True):
        robot, positions = robots[scene.robot], told(scene.times_s, scene.positions, scene.joints)
        print(f"  {scene.name}: hearing", flush=True)
        for onset_s, material in zip(scene.onsets_s, scene.materials, strict=True):
            contact, own = cut(scene.sound, onset_s), cut(noise, onset_s)
            if material not in model.vocabulary.labels or contact is None or own is None:
                continue
            rows.append(_row(model, contact, scene, material, NO_NOISE, 0.0))
            start_ns = round((onset_s - BEFORE_S) * 1e9)
            for ratio in RATIOS_DB:
                gain = gain_for(contact, own, ratio)
                noisy = (contact + gain * own).astype(np.float32)
                for way in HEARD_WAYS:
                    sound = noisy
                    if way != LEFT_IN:
                        taken = scaled(robot.floor if way == "stationary floor" else robot.learnt.model, gain)
                        taken = local_floor(noisy, taken) if way == "floor before it" else taken
                        sound = Cleaner(taken, positions, config).clean(noisy, RATE, start_ns).samples
                    rows.append(_row(model, sound, scene, material, way, ratio))
    return rows


def _row(model: Any, sound: Samples, scene: Scene, material: str, way: str, ratio: float) -> dict[str, Any]:
    belief = model.predict(np.asarray(sound, np.float32), RATE, onset_s=BEFORE_S)
    top = belief.vocabulary[int(np.argmax(belief.probabilities))] if len(belief.probabilities) else ""
    return {
        "scene": scene.name, "way": way, "ratio_db": ratio, "right": top == material, "abstained": bool(belief.abstain)
    }  # fmt: skip


# ---- all together --------------------------------------------------------------------------------------------
def detection(
    all_scenes: Sequence[Scene], noises: Sequence[Array], robots: dict[str, Robot]
) -> dict[str, Any]:
    """F1 of onsets and of contacts by ratio and way."""
    found: dict[tuple[str, float], list[dict[str, Found]]] = {}
    for scene, noise in zip(all_scenes, noises, strict=True):
        print(f"  {scene.name}: {len(scene.onsets_s)} contacts, {scene.robot}", flush=True)
        found.setdefault((NO_NOISE, 0.0), []).append(detect(scene, scene.sound, None))
        cuts = [(cut(scene.sound, t), cut(noise, t)) for t in scene.onsets_s]
        robot, positions = robots[scene.robot], told(scene.times_s, scene.positions, scene.joints)
        for ratio in RATIOS_DB:
            gain = float(
                np.median([gain_for(a, b, ratio) for a, b in cuts if a is not None and b is not None])
            )
            noisy = (scene.sound + gain * noise).astype(np.float32)
            for way in WAYS:
                model = robot.floor if way == "stationary floor" else robot.learnt.model
                source = None if way == LEFT_IN else NoiseSource(scaled(model, gain), positions)
                found.setdefault((way, ratio), []).append(detect(scene, noisy, source))
    return {
        kind: {
            _key(way, ratio): scores(
                [f[kind] for f in each],
                [f[kind] for f in found[LEFT_IN, ratio]] if way not in (NO_NOISE, LEFT_IN) else None,
            )
            for (way, ratio), each in found.items()
        }
        for kind in KINDS
    }


def _key(way: str, ratio: float) -> str:
    return way if way == NO_NOISE else f"{way} at {ratio:g} dB"


def cost(robot: Robot, scene: Scene) -> dict[str, float]:
    """Processor time by second of sound [ms], on what machine there is."""
    positions = told(scene.times_s, scene.positions, scene.joints)
    sound, source = scene.sound[: 10 * RATE], NoiseSource(robot.learnt.model, positions)
    figures = {}
    for name, given in (("onsets_ms_per_s", None), ("onsets_with_mask_ms_per_s", source)):
        listener, began = Listener(OnsetConfig(sample_rate=RATE), own_noise=given), time.process_time()
        for first in range(0, len(sound) - CHUNK + 1, CHUNK):
            listener.hear(
                sound[first : first + CHUNK, None], first_sample=first, time_ns=round(first / RATE * 1e9),
                stream_id="made", sample_rate=RATE, arrival_ns=round((first + CHUNK) / RATE * 1e9),
            )  # fmt: skip
        figures[name] = round(1e2 * (time.process_time() - began), 2)
    cleaner, began = Cleaner(robot.learnt.model, positions), time.process_time()
    for i in range(8):
        cleaner.clean(sound[i * RATE : i * RATE + round(0.9 * RATE)], RATE, i * 1_000_000_000)
    figures["clean_contact_ms"] = round(1e3 * (time.process_time() - began) / 8, 2)
    return figures | {"added_latency_ms": 0.0}


def draw(figures: dict[str, Any], path: Path) -> None:
    """F1 and accuracy over the ratio."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 3.4), layout="constrained")
    for i, (title, table, key) in enumerate((
        *((f"F1 of {kind}", figures[kind], "f1") for kind in KINDS),
        ("accuracy of materials", figures["materials"], "accuracy"),
    )):  # fmt: skip
        axes = figure.add_subplot(1, 4, i + 1)
        axes.axhline(table[NO_NOISE][key], color="black", lw=1, ls=":", label=NO_NOISE)
        for way in HEARD_WAYS:
            rows = [table.get(_key(way, ratio)) for ratio in RATIOS_DB]
            if all(rows):
                low, high = ("f1_low", "f1_high") if key == "f1" else ("low", "high")
                y = np.array([r[key] for r in rows])
                spread = [y - [r[low] for r in rows], [r[high] for r in rows] - y]
                axes.errorbar(RATIOS_DB, y, np.maximum(spread, 0), marker="o", capsize=3, label=way)
        axes.set_xlabel("contact to noise [dB]")
        axes.set_title(title)
        axes.set_ylim(0, 1)
        axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    figure.savefig(str(path), dpi=110)


def main(arguments: Sequence[str] | None = None) -> int:
    made = parser("own_noise", __doc__)
    made.add_argument("--scenes", type=int, default=8, help="default: %(default)s")
    made.add_argument("--seconds", type=float, default=40.0, help="of each (default: %(default)s)")
    made.add_argument("--seed", type=int, default=0, help="of the robots (default: %(default)s)")
    made.add_argument("--split", default="test", help="of foleysim-1 (default: %(default)s)")
    made.add_argument("--skip", nargs="*", default=[], choices=["detection", "materials"])
    made.add_argument("--over", type=float, default=CleanConfig.over)
    made.add_argument("--least-db", type=float, default=CleanConfig.least_db)
    args = made.parse_args(arguments)
    all_scenes = scenes(args.out / "scenes", args.split, args.scenes, args.seconds)
    kinds = sorted({scene.robot for scene in all_scenes})
    robots = {
        kind: robot_of(kind, [s for s in all_scenes if s.robot == kind], 1000 * args.seed + 10 * i)
        for i, kind in enumerate(kinds)
    }
    for kind, robot in robots.items():
        print(
            kind,
            {
                k: v
                for k, v in robot.learnt.figures().items()
                if k in ("floor_error_db", "error_db", "directions", "events", "clicks")
            },
        )
    noises = [
        robots[s.robot].noise.sound(
            s.times_s, s.positions[:, : s.driven], RATE, len(s.sound), 77 + 13 * i + args.seed
        )
        for i, s in enumerate(all_scenes)
    ]
    figures: dict[str, Any] = {
        "scenes": len(all_scenes), "seconds": args.seconds, "seed": args.seed,
        "contacts_true": sum(len(s.onsets_s) for s in all_scenes),
        "sweeps": {kind: robot.learnt.figures() for kind, robot in robots.items()},
        "cost": cost(robots[all_scenes[0].robot], all_scenes[0]),
    }  # fmt: skip
    if "detection" not in args.skip:
        figures |= detection(all_scenes, noises, robots)
    if "materials" not in args.skip:
        from foley_synthesis.hearing.inference.hearing_model import HearingModel

        rows = hear(HearingModel.load(), all_scenes, noises, robots, CleanConfig(args.over, args.least_db))
        by_way: dict[tuple[str, float], list[dict[str, Any]]] = {}
        for row in rows:
            by_way.setdefault((row["way"], row["ratio_db"]), []).append(row)
        figures["materials"] = {
            _key(way, ratio): accuracy(
                own, by_way[LEFT_IN, ratio] if way not in (NO_NOISE, LEFT_IN) else None
            )
            for (way, ratio), own in by_way.items()
        }
    if args.skip and (there := args.out / METRICS_FILE).exists():  # the other half was run before
        figures = json.loads(there.read_text()) | figures
    write_metrics(args.out, figures)
    if {"onsets", "materials"} <= figures.keys():
        draw(figures, args.out / "own_noise.png")
    for name in (*KINDS, "materials"):
        for key, row in figures.get(name, {}).items():
            print(f"{name:<24}{key:<32}" + "  ".join(f"{k} {v}" for k, v in row.items()))
    print(figures["cost"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
