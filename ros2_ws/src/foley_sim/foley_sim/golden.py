"""What the sets of scenes were when they were pinned, and whether they still are: scenes by digest, sound by level.

    python -m foley_sim.golden --check     # every scene and its sound in each version, a minute on one core
    python -m foley_sim.golden --write     # after a change that is meant to make other scenes or another sound

Values of a scene are compared at 9 significant digits. They are sums and products of one generator's draws, a few of
them logarithms and exponentials, so that another machine's may differ in the 16th; at 9 digits the chance that such a
difference shows in any of the digests is below one in a thousand.

Sound is compared by its levels and not by a digest: compiled kernels sum in the order that suits the machine, and a
float32 sample may round either way. Each object is struck, rubbed and pressed, 0.1 s each, in each version of the
edition; events that differ by 1e-9 move a level by less than 1e-5 dB, while a gain that is 1 % off moves it by 0.09 dB.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import importlib.resources
import itertools
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_sim.condition import NONE
from foley_sim.editions import VERSION, VERSIONS, make_scene, noise_of, sound_for
from foley_sim.foleysim1 import scenes as foleysim1
from foley_sim.judge import scenes as judge
from foley_sim.sound.events import Event, Hold, Impact, Sliding
from foley_sim.spec import ObjectSpec, SceneSpec

COMMAND = "python -m foley_sim.golden --write"
SCENES: dict[str, dict[str, int]] = {
    foleysim1.EDITION: foleysim1.SCENES,
    judge.EDITION: {"test": judge.SCENES},
    "tabletop": {"train": 12, "validation": 4, "test": 4},
}
"""How many scenes of each split of an edition are pinned: the first ones, and of the finite editions all."""
SEED = 0
"""Of the policy whose noise it is."""
TOLERANCE_DB = 0.03

_DIGITS = 9
_TURN_S = 0.1  # one touch
_EDGES_HZ = (0.0, 500.0, 3000.0, 24_000.0)
_SPEED = 0.3  # of the blow and of the joints' full speed


def pinned() -> Iterator[SceneSpec]:
    """Every scene that is pinned."""
    for edition, splits in SCENES.items():
        for split, count in splits.items():
            for seed in range(count):
                yield make_scene(seed, split, edition)


def digest(scene: SceneSpec) -> str:
    """The first half of the SHA-256 of a scene's fields, floats at 9 significant digits."""
    fields = json.dumps(_rounded(_fields(scene)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(fields.encode()).hexdigest()[:32]


def levels(scene: SceneSpec, version: int = VERSION) -> list[int]:
    """Levels of the scene's sound [0.01 dB of full scale]: for each touch three bands of the microphone, then the
    contact microphone as a whole where there is one."""
    noise = noise_of(scene, SEED, version)
    sound = sound_for(scene, seed=noise.seed, hum=noise.hum)
    sound.set_joint_speed(0.0, _SPEED)  # the motors run during the first touch
    sound.set_joint_speed(_TURN_S, 0.0)
    found: list[int] = []
    for turn, event in enumerate(event for item in scene.objects for event in _touches(item)):
        sound.add(_at(event, turn * _TURN_S))
        samples = sound.render((turn + 1) * _TURN_S)
        found += _levels(samples, scene.microphone.sample_rate, _EDGES_HZ)
        felt = getattr(sound, "contact_samples", None)
        if felt is not None:
            found += _levels(felt, scene.microphone.sample_rate, (_EDGES_HZ[0], _EDGES_HZ[-1]))
    return found


def read() -> dict[str, Any]:
    """What was written: `scenes` with the digest of each scene by its scene_id, `sounds` with the levels of each scene
    in each version of its edition."""
    golden: dict[str, Any] = json.loads(_file().read_text(encoding="utf-8"))
    return golden


def differences(scene: SceneSpec, golden: dict[str, Any], *, sound: bool = True) -> list[str]:
    """What is not as it was about one scene and, if that is wished, its sound; empty if nothing is."""
    name = scene.scene_id
    if digest(scene) != golden["scenes"].get(name):
        return [f"{name}: is another scene, {digest(scene)} and not {golden['scenes'].get(name)}"]
    if not sound:
        return []
    return [
        f"{name}: its sound in version {version} {what}"
        for version in VERSIONS
        if (what := _difference(golden["sounds"][str(version)][name], levels(scene, version)))
    ]


def _difference(was: list[int], now: list[int]) -> str:
    """Empty where levels are what they were."""
    if len(was) != len(now):
        return f"has {len(now)} levels, had {len(was)}"
    worst = max(abs(a - b) for a, b in zip(was, now, strict=True)) / 100
    return f"differs by {worst:.2f} dB" if worst > TOLERANCE_DB else ""


def main(arguments: list[str] | None = None) -> int:
    """0: as pinned (or written); 1: something differs."""
    parser = argparse.ArgumentParser(
        prog="python -m foley_sim.golden", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--check", action="store_true", help="compare with data/golden.json")
    choice.add_argument("--write", action="store_true", help="write data/golden.json")
    if parser.parse_args(arguments).write:
        _write(Path(str(_file())))
        return 0
    golden = read()
    found = [line for scene in pinned() for line in differences(scene, golden)]
    found.append(f"{len(golden['scenes'])} scenes and their sound, {len(found)} differ")
    sys.stdout.write("\n".join(found) + "\n")
    return 1 if len(found) > 1 else 0


def _write(path: Path) -> None:
    scenes = list(pinned())
    digests = _lines({s.scene_id: digest(s) for s in scenes}, indent=2)
    sounds = [
        f'  "{version}": {{\n{_lines({s.scene_id: levels(s, version) for s in scenes}, indent=3)}\n  }}'
        for version in VERSIONS
    ]
    text = '{{\n "made_by": "{}",\n "scenes": {{\n{}\n }},\n "sounds": {{\n{}\n }}\n}}\n'.format(
        COMMAND, digests, ",\n".join(sounds)
    )
    path.write_text(text, encoding="utf-8")


def _lines(entries: dict[str, Any], indent: int) -> str:
    """Entries of a JSON object, one a line."""
    return ",\n".join(
        f'{" " * indent}"{name}": {json.dumps(value, separators=(",", ":"))}'
        for name, value in entries.items()
    )


def _file() -> Any:
    return importlib.resources.files("foley_sim") / "data" / "golden.json"


def _fields(scene: SceneSpec) -> dict[str, Any]:
    """Conditions only of things that have one: scenes without any are what they were before there were conditions."""
    fields = dataclasses.asdict(scene)
    for item, told in zip(scene.objects, fields["objects"], strict=True):
        if item.condition == NONE:
            del told["condition"]
    return fields


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value + 0.0:.{_DIGITS - 1}e}"  # -0.0 is 0.0
    if isinstance(value, dict):
        return {name: _rounded(entry) for name, entry in value.items()}
    return [_rounded(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def _touches(item: ObjectSpec) -> tuple[Event, ...]:
    """A blow, a rub and a press from above, a little off its middle, in the time of a turn."""
    at = (item.position[0] + 0.006, item.position[1] + 0.004, item.top)
    return (
        Impact(0.02, item.object_id, at, (0.0, 0.0, 1.0), 0.045 * _SPEED, _SPEED),
        Sliding(0.01, 0.09, item.object_id, at, slip_speed=0.15, normal_force=2.0),
        Hold(0.01, 0.09, item.object_id, at, normal_force=5.0, indent_speed=0.05, head="pad"),
    )


def _at(event: Event, begin_s: float) -> Event:
    """The same event, later."""
    if isinstance(event, Impact):
        return dataclasses.replace(event, time_s=begin_s + event.time_s)
    return dataclasses.replace(event, start_s=begin_s + event.start_s, end_s=begin_s + event.end_s)


def _levels(samples: NDArray[np.float32], rate: int, edges_hz: tuple[float, ...]) -> list[int]:
    power = np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2 / samples.size**2
    frequency = np.fft.rfftfreq(samples.size, 1 / rate)
    bands = itertools.pairwise(edges_hz)
    means = (float(power[(frequency >= low) & (frequency < high)].sum()) for low, high in bands)
    return [round(1000 * math.log10(mean + 1e-20)) for mean in means]


if __name__ == "__main__":
    sys.exit(main())
