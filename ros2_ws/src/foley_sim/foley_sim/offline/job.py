"""One bag to be written, what its metadata says, and what was written."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import yaml

from foley_common.times import NS_PER_S
from foley_sim.condition import State
from foley_sim.editions import VERSION, make_scene
from foley_sim.offline.collections import Kind, Recording
from foley_sim.offline.session_key import SESSION_KEY
from foley_sim.scene import SPLITS, describe, made_of
from foley_sim.spec import Robot, SceneSpec
from foley_sim.states import with_states

PARTIAL = ".partial"
"""Folder beside the bags in which unfinished ones lie."""

REPORT = "report.json"
"""File beside the .mcap that holds a BagReport."""

CONTACTS = "contacts.npz"
"""File beside the .mcap from which the sound can be rendered again (world/contact_log.py)."""

_EPOCH_S = 1_700_000_000


@dataclasses.dataclass(frozen=True)
class BagJob:
    """One bag to be written."""

    folder: Path  # of the bag, made at the end
    split: str  # of the scene
    scene_seed: int
    policy_seed: int
    duration_s: float
    camera_rate_hz: float = 30.0
    depth_rate_hz: float = 5.0
    compress: bool = True
    edition: str = "tabletop"
    edition_version: int = VERSION
    dataset_split: str = ""  # empty: the scene's split
    kind: Kind = "interact"
    collection: str = ""
    robot: Robot | None = None  # None: the scene's own
    hands: int = 1
    held_out: bool = True  # whether held-out objects are touched
    images: Literal["raw", "compressed"] = "raw"
    sample_bits: int = 0  # of the microphone's converter; 0: floats as they are
    start_s: int = 0  # ROS time of the beginning; 0: from split and seed
    material: str = ""  # every object is made of this one: an intervention
    look: str = ""  # every object is made to look like this material or disguise: another one
    blow_speed: float = 1.0  # factor on the speed of everything that strikes: a third one
    state: State | None = None  # some objects are loose, full or cracked and the others not: a fourth one
    state_share: float = 0.5  # of those that can be

    def __post_init__(self) -> None:
        if not self.dataset_split:
            object.__setattr__(self, "dataset_split", self.split)

    @property
    def origin_ns(self) -> int:
        """Stamp of the beginning: fixed, and different for every scene or recording."""
        if self.start_s:
            return self.start_s * NS_PER_S
        return (
            _EPOCH_S + 10_000_000 * SPLITS.index(self.split) + 1000 * (self.scene_seed % 10_000)
        ) * NS_PER_S

    def scene(self) -> SceneSpec:
        """What is recorded.

        Raises:
            ValueError: there is no such scene or material, or nothing in it can be in such a state.
        """
        scene = make_scene(self.scene_seed, self.split, self.edition)
        if self.material:
            scene = made_of(scene, self.material)
        if self.state is not None:
            scene = with_states(scene, self.state, self.state_share)
        objects = scene.objects
        if self.look:
            objects = tuple(dataclasses.replace(item, look_material=self.look) for item in objects)
        return dataclasses.replace(
            scene,
            objects=objects,
            robot=self.robot or scene.robot,
            hands=self.hands,
            blow_speed=self.blow_speed,
        )

    @property
    def session_id(self) -> str:
        scene = f"{self.split}-{self.scene_seed:05d}"
        return (
            f"{self.collection}-{self.folder.name}" if self.collection else f"sim-{scene}-p{self.policy_seed}"
        )


def job_of(recording: Recording, out: Path, *, edition_version: int = VERSION) -> BagJob:
    """The job of one recording. Scans lie in a folder of their own: they hold no contacts to cut clips from."""
    return BagJob(
        folder=(out / "scans" if recording.kind == "scan" else out) / recording.name,
        split=recording.scene_split,
        scene_seed=recording.scene_seed,
        policy_seed=recording.policy_seed,
        duration_s=recording.duration_s,
        camera_rate_hz=recording.colour_rate_hz,
        depth_rate_hz=recording.depth_rate_hz,
        edition=recording.edition,
        edition_version=edition_version,
        dataset_split=recording.split,
        kind=recording.kind,
        collection=recording.collection,
        robot=recording.robot,
        held_out=recording.held_out,
        images=recording.images,
        sample_bits=recording.sample_bits,
        start_s=recording.start_s,
    )


@dataclasses.dataclass(frozen=True)
class BagReport:
    """What was written."""

    folder: str
    messages: dict[str, int]
    contacts: int
    actions: dict[str, int]
    materials: dict[str, int]  # contacts per material
    bytes: int  # of the folder's files
    wall_s: float = 0.0
    split: str = ""  # of the data set
    kind: str = "interact"
    robot: str = "gantry"
    edition: str = "tabletop"
    edition_version: int = 1  # reports of version 1 do not tell it
    duration_s: float = 0.0
    reactions: dict[str, int] = dataclasses.field(default_factory=dict)
    cells: dict[str, int] = dataclasses.field(
        default_factory=dict
    )  # `material/action/reaction/held` -> contacts
    topic_bytes: dict[str, int] = dataclasses.field(default_factory=dict)  # before compression
    peak: float = 0.0  # largest absolute sample
    not_finite: int = 0  # samples that are NaN or infinite
    limited: int = 0  # samples bent by the guard against overload


def session(job: BagJob) -> dict[str, str]:
    """Session metadata, every value a string (YAML where it is none)."""
    made = job.scene()
    scene = describe(made)
    return {
        "session_id": job.session_id,
        "scene_id": str(scene["scene_id"]),
        "split": job.dataset_split,
        "domain": "sim",
        "seed": str(job.scene_seed),
        "policy_seed": str(job.policy_seed),
        "duration_s": str(job.duration_s),
        "recorded_by": "foley sim generate",
        "collection": job.collection,
        "edition": job.edition,
        # Bags of version 1 do not tell it.
        **({"edition_version": str(job.edition_version)} if job.edition_version != 1 else {}),
        "scene_split": job.split,
        "kind": job.kind,
        "robot": made.robot,
        **({"material": job.material} if job.material else {}),
        **({"look": job.look} if job.look else {}),
        **({"blow_speed": str(job.blow_speed)} if job.blow_speed != 1.0 else {}),
        **({"state": job.state, "state_share": str(job.state_share)} if job.state is not None else {}),
        **({"hands": str(made.hands)} if made.hands != 1 else {}),
        "touches_held_out": str(job.held_out).lower(),
        "images": job.images,
        "sample_bits": str(job.sample_bits),
        "objects": yaml.safe_dump(scene["objects"], default_flow_style=True, width=10_000).strip(),
    }


def _load(text: str) -> Any:
    """YAML, by libyaml where it is: ten times faster on these files."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def stored_session(folder: Path) -> dict[str, str] | None:
    """The session metadata of a finished bag; None if this is none."""
    try:
        information = _load((folder / "metadata.yaml").read_text(encoding="utf-8"))
        stored = _load(information["rosbag2_bagfile_information"]["custom_data"][SESSION_KEY])
    except (OSError, KeyError, TypeError, yaml.YAMLError):
        return None
    return stored if isinstance(stored, dict) else None


def finished(job: BagJob) -> bool:
    """Whether this bag is there already.

    Raises:
        ValueError: the folder holds something else.
    """
    if not job.folder.exists():
        return False
    stored, wanted = stored_session(job.folder), session(job)
    if stored != wanted:
        why = "another duration or seed?"
        if stored is not None and {**stored, "edition_version": ""} == {**wanted, "edition_version": ""}:
            made = stored.get("edition_version", "1")
            why = f"it is of version {made} of its edition, which --edition-version {made} makes"
        raise ValueError(f"--out: {job.folder} exists and is not this bag ({why}); remove it first")
    return True


def read_report(folder: Path) -> BagReport | None:
    """What was written into a finished bag; None where nothing tells."""
    try:
        return BagReport(**json.loads((folder / REPORT).read_text(encoding="utf-8")))
    except (OSError, TypeError, ValueError):
        return None


def write_report(folder: Path, report: BagReport) -> None:
    text = json.dumps(dataclasses.asdict(report), indent=1, sort_keys=True)
    (folder / REPORT).write_text(text + "\n", encoding="utf-8")


@contextlib.contextmanager
def staging_folder(job: BagJob) -> Iterator[Path]:
    """A folder to write the bag in; it gets the bag's name and place only when all went well."""
    parent = job.folder.parent / PARTIAL
    partial = parent / job.folder.name  # the file inside is named after its folder
    if partial.exists():
        shutil.rmtree(partial)
    parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    partial.rename(job.folder)
    with contextlib.suppress(OSError):  # another process still works in it
        parent.rmdir()


def size_of(folder: Path) -> int:
    """Bytes of the files of a bag."""
    return sum(f.stat().st_size for f in folder.iterdir())
