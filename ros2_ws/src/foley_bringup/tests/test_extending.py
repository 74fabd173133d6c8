"""Every example of docs/extending.md: its changes are applied to a copy of the source, and its block is run there."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[4]
PAGE = ROOT / "docs/extending.md"
SOURCE = "ros2_ws/src"
PACKAGES = ("foley_msgs", "foley_perception", "foley_synthesis", "foley_sim", "foley_bringup")
AIMS = {"A material": 2, "A sensor": 1, "A sound model": 2, "A metric": 1, "An export format": 2}
"""How many files may be touched to add one."""
AUDIO = "foley_msgs/msg/AudioChunk"
CLICK_HZ = 700  # of what the second microphone hears


@dataclasses.dataclass(frozen=True)
class Example:
    """What a section of the page holds."""

    diffs: tuple[str, ...]
    files: dict[str, str]  # new ones
    run: str

    @property
    def touched(self) -> set[str]:
        """Files that are changed or new."""
        changed = re.findall(r"^\+\+\+ b/(.+)$", "\n".join(self.diffs), re.MULTILINE)
        return {*changed, *self.files}


def examples() -> dict[str, Example]:
    """By heading; sections without code have none."""
    found = {}
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        blocks = re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
        if not blocks:
            continue
        files = {title.removeprefix("file="): text for _, title, text in blocks if title.startswith("file=")}
        diffs = tuple(text for language, _, text in blocks if language == "diff")
        run = "\n".join(text for _, title, text in blocks if title == "run")
        found[section.split("\n", 1)[0]] = Example(diffs, files, run)
    return found


def changed_copy(example: Example, tree: Path) -> None:
    """The source with an example's changes: links to what stays, so that compiled kernels are found too."""
    for name in example.touched:
        here = Path()
        for part in Path(name).parts[:-1]:
            here /= part
            _own_folder(tree, here)
        if (ROOT / name).exists():
            (tree / name).unlink()
            shutil.copy(ROOT / name, tree / name)
    for name, text in example.files.items():
        assert not (ROOT / name).exists(), f"{name} is there already"
        (tree / name).write_text(text, encoding="utf-8")
    for text in example.diffs:
        # Outside of any repository, whatever the temporary folder lies in.
        done = subprocess.run(
            ["git", "apply", "-"], cwd=tree, input=text, capture_output=True, text=True,
            env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)},
        )  # fmt: skip
        assert done.returncode == 0, (
            f"{done.stderr}a change of {PAGE.name} does not fit; take it from `git diff -U1`"
        )


def _own_folder(tree: Path, folder: Path) -> None:
    """Make a link to a folder a folder of links."""
    if (tree / folder).is_symlink():
        (tree / folder).unlink()
    if not (tree / folder).exists():
        (tree / folder).mkdir(parents=True)
        for child in (ROOT / folder).iterdir():
            if child.name not in ("__pycache__", "build", "install"):
                (tree / folder / child.name).symlink_to(child)


def run(example: Example, tree: Path, given: str) -> None:
    """Run the block of an example in a process of its own, in which ``given`` came before."""
    (tree / "folder").mkdir()
    paths = [str(tree / SOURCE / name) for name in PACKAGES]
    code = f"from pathlib import Path\nfolder = Path({str(tree / 'folder')!r})\n{given}\n{example.run}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tree / "folder", capture_output=True, text=True, timeout=600,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


# ---- what the blocks are given -----------------------------------------------------------------------------
def perception_tests() -> ModuleType:
    """The bags of the tests of foley_perception."""
    path = ROOT / SOURCE / "foley_perception/tests/conftest.py"
    spec = importlib.util.spec_from_file_location("bags_of_perception", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def click() -> np.ndarray:
    t = np.arange(4800) / 48_000
    return (0.25 * np.exp(-60 * t) * np.sin(2 * np.pi * CLICK_HZ * t)).astype(np.float32)


def put_room_microphone(bag: Any) -> None:
    """A click at every contact."""
    sound = np.zeros(round(bag.options.seconds * 48_000), np.float32)
    for contact in bag.options.contact_times:
        sound[round(contact * 48_000) :][:4800] = click()
    for first in range(0, len(sound), 480):
        stamp = bag.header(bag.options.start_ns + round(first / 48_000 * 1e9), "room_microphone")
        message = bag.new(AUDIO, stamp, "room", first, 48_000, 1, 2, 0.0, sound[first : first + 480])
        bag.put(first / 48_000 + 0.01, "room_mic/audio", AUDIO, message)


def bag_of_two_microphones(tree: Path) -> str:
    bag = tree / "bag"
    perception_tests().write_bag(bag, plans=False, more=put_room_microphone)
    np.save(tree / "click.npy", click())
    return f"""
import numpy as np
bag, click = Path({str(bag)!r}), np.load({str(tree / "click.npy")!r})
def heard(sounds):
    return len(sounds) == 3 and all(
        np.allclose(sound[12_000:16_800], click, atol=1e-6) and not sound[:12_000].any() for sound in sounds
    )
"""


TABLE_AND_TAPS = """
import numpy as np
from foley_perception.action.trajectory import TipPath
from foley_perception.clips.inputs import Streams
from foley_perception.geometry.camera import CameraModel
from foley_perception.scene.depth_background import DepthBackground
from foley_synthesis.live.synthesis_core import View

S = 1_000_000_000
camera = CameraModel.looking_at((0.0, -0.75, 0.65), (0.0, 0.0, 0.0), width=320, height=240, fovy_deg=50.0)
v, u = np.mgrid[0:240, 0:320]
rays = camera.tx_world_camera.rotate(
    np.linalg.solve(camera.K, np.stack([u.ravel(), v.ravel(), np.ones(u.size)])).T
)
background = DepthBackground()
background.set_camera(camera)
background.add_depth(S, (-0.65 / rays[:, 2]).reshape(240, 320).astype(np.float32))
nowhere = (np.zeros(0, np.int64), np.zeros((0, 3)))
view = View(Streams(lambda time_ns: camera, np.zeros(0, np.int64), lambda index: None, nowhere), background)

def plan(speed):
    seconds = np.arange(0.0, 1.5, 0.01)
    tip = np.stack([0 * seconds, 0 * seconds, np.abs(speed * (1.0 - seconds)) - 0.002], axis=1)
    return TipPath("plan", 2 * S + np.round(seconds * S).astype(np.int64), tip, np.full(150, 0.02))
"""


# ---- tests ---------------------------------------------------------------------------------------------------
def test_every_section_has_an_example_that_touches_as_few_files_as_it_says() -> None:
    found = examples()
    assert set(found) == set(AIMS)
    for name, example in found.items():
        assert example.run and 0 < len(example.touched) <= AIMS[name], (name, example.touched)
        assert all(Path(file).parts[:2] == ("ros2_ws", "src") for file in example.touched)


@pytest.mark.parametrize("name", AIMS)
def test_an_example_works(name: str, tmp_path: Path) -> None:
    example = examples()[name]
    changed_copy(example, tmp_path)
    given = {"A sensor": bag_of_two_microphones, "A sound model": lambda tree: TABLE_AND_TAPS}
    run(example, tmp_path, given.get(name, lambda tree: "")(tmp_path))


def test_a_page_that_no_longer_fits_is_found(tmp_path: Path) -> None:
    """A change of a line that is not there, and a block that says what is not so."""
    example = examples()["A metric"]
    old = dataclasses.replace(
        example, diffs=tuple(d.replace(" WAVEFORM = (", " WAVES = (") for d in example.diffs)
    )
    old = dataclasses.replace(old, diffs=tuple(d.replace("sync error", "another error") for d in old.diffs))
    with pytest.raises(AssertionError, match="does not fit; take it from `git diff -U1`"):
        changed_copy(old, tmp_path / "old")
    wrong = dataclasses.replace(example, run="assert 1 == 2, 'this is not so'")
    changed_copy(wrong, tmp_path / "wrong")
    with pytest.raises(AssertionError, match="this is not so"):
        run(wrong, tmp_path / "wrong", "")


def test_a_copy_leaves_the_source_alone(tmp_path: Path) -> None:
    example = examples()["A metric"]
    (name,) = example.touched
    before = (ROOT / name).read_bytes()
    changed_copy(example, tmp_path)
    assert (ROOT / name).read_bytes() == before != (tmp_path / name).read_bytes()
