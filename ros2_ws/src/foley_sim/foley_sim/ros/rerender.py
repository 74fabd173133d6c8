"""The sound of a bag rendered again from its saved contacts, without physics and without pictures."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import math
import multiprocessing
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_common.worker_processes import end_with_parent
from foley_sim.offline.job import CONTACTS, BagJob, stored_session
from foley_sim.ros.check import read_sound
from foley_sim.sound.converter import quantise
from foley_sim.spec import SceneSpec
from foley_sim.world import contact_log


@dataclasses.dataclass(frozen=True, eq=False)
class Rendered:
    """Sound from a file of contacts beside that of the bag."""

    samples: NDArray[np.float32]  # [n] as the bag's converter gives them
    sample_rate: int
    difference: float  # largest, over all microphones, full scale 1
    allowed: float  # what rounding may do: one step of the converter
    render_s: float  # of processor time, modes of all objects and the room included

    @property
    def real_time_factor(self) -> float:
        """Seconds of sound per second of one core, setup included."""
        return len(self.samples) / self.sample_rate / self.render_s


def _session_of(bag: Path) -> dict[str, str]:
    session = stored_session(bag)
    if session is None or "edition" not in session:
        raise ValueError(f"{bag}: is no bag of this release of `foley sim generate`")
    return session


def _scene(session: dict[str, str]) -> SceneSpec:
    return BagJob(
        Path(),
        split=session["scene_split"],
        scene_seed=int(session["seed"]),
        policy_seed=int(session["policy_seed"]),
        duration_s=float(session["duration_s"]),
        edition=session["edition"],
        robot=session["robot"],  # type: ignore[arg-type]
        hands=int(session.get("hands", "1")),
        material=session.get("material", ""),
        state=session.get("state"),  # type: ignore[arg-type]
        state_share=float(session.get("state_share", "0.5")),
    ).scene()


def render_bag(bag: Path, *, compare: bool = True) -> Rendered:
    """Render a bag's sound again and compare it with what the bag holds, if that is wished.

    Raises:
        ValueError: not a bag with saved contacts, or one without sound.
        OSError: a file cannot be read.
    """
    session = _session_of(bag)
    scene = _scene(session)
    if not (bag / CONTACTS).is_file():
        raise ValueError(f"{bag}: holds no {CONTACTS}; scans and bags of earlier releases have none")
    contacts = contact_log.read(bag / CONTACTS)
    heard = read_sound(bag) if compare else None
    bits = int(session.get("sample_bits", "0"))
    begin = time.process_time()
    samples, felt = contact_log.render_saved(scene, contacts)
    render_s = time.process_time() - begin
    if bits:
        samples = quantise(samples, bits)
        felt = None if felt is None else quantise(felt, bits)
    difference = 0.0
    if heard is not None:
        difference = max(_difference(samples, heard.samples), _difference(felt, heard.felt))
    allowed = (2.0 ** (1 - bits) if bits else 0.0) + contact_log.SAME
    return Rendered(samples, scene.microphone.sample_rate, difference, allowed, render_s)


@dataclasses.dataclass(frozen=True)
class RenderedBag:
    """What became of one bag's sound."""

    bag: Path
    audio_s: float
    render_s: float  # of processor time, setup included
    difference: float | None  # None: not compared
    same: bool


def render_bags(
    bags: Sequence[Path],
    *,
    jobs: int,
    compare: bool = True,
    out: Path | None = None,
    progress: Callable[[RenderedBag], None] = lambda bag: None,
) -> list[RenderedBag]:
    """Render many bags' sound again in several processes, in the order in which they are done.

    Args:
        jobs: processes.
        compare: with what the bags hold; reading them takes longer than rendering.
        out: folder for a WAV of every bag; None for none.
        progress: called in this process for every bag that is done.

    Raises:
        ValueError, OSError: as `render_bag`; or jobs is not positive.
    """
    if jobs < 1:
        raise ValueError(f"--jobs is {jobs}, must be at least 1")
    one = functools.partial(_render_one, compare=compare, out=out)
    done: list[RenderedBag] = []
    if jobs == 1:
        for bag in bags:
            done.append(one(bag))
            progress(done[-1])
        return done
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(
        min(jobs, len(bags)), mp_context=context, initializer=end_with_parent
    ) as pool:
        try:
            # The longest first, so that no process waits for another's long bag at the end.
            ordered = sorted(bags, key=lambda bag: -_size(bag))
            for future in concurrent.futures.as_completed([pool.submit(one, bag) for bag in ordered]):
                done.append(future.result())
                progress(done[-1])
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return done


def _size(bag: Path) -> int:
    """Of what is rendered; 0 where there is nothing, which rendering then says."""
    try:
        return (bag / CONTACTS).stat().st_size
    except OSError:
        return 0


def _render_one(bag: Path, *, compare: bool, out: Path | None) -> RenderedBag:
    rendered = render_bag(bag, compare=compare)
    if out is not None:
        write_wav(out / f"{bag.name}.wav", rendered)
    audio_s = rendered.samples.size / rendered.sample_rate
    same = not rendered.difference > rendered.allowed
    return RenderedBag(bag, audio_s, rendered.render_s, rendered.difference if compare else None, same)


def write_wav(path: Path, rendered: Rendered) -> None:
    """Raises OSError where it cannot be written."""
    from scipy.io import wavfile

    path.parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(path, rendered.sample_rate, rendered.samples)


def _difference(ours: NDArray[np.float32] | None, theirs: NDArray[np.float32] | None) -> float:
    """Largest difference where both are; infinite where only one has a signal."""
    if ours is None or theirs is None:
        return 0.0 if ours is theirs else math.inf
    count = min(ours.size, theirs.size)
    return float(np.abs(ours[:count] - theirs[:count]).max(initial=0.0))
