"""What a contact flow may know of a motion beside the motion itself, live: what lies under the tip, as views show it,
and how that has sounded before.

    depth, or a scene --> things of the height map --+--> views of those that the tip passes --> one possibility
    touches that are over --> their things ----------+--> the last three of each, with their sound and motion

By the functions that tell a flow of windows of sessions (`contact/window_conditions.py`; a test holds both against each
other). Sessions know which object a contact was on; here it is the thing of the map below it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from foley_common.session_file import MOTION_RATE
from foley_common.times import NS_PER_S
from foley_perception.action.contact_motion import GROUPS
from foley_perception.audio.resample import resampled
from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.contact.batches import CODED_AHEAD
from foley_synthesis.flow.contact.latents import latent_of
from foley_synthesis.flow.networks.contact_field import HIT_FRAMES, HIT_LEAD, ContactCondition, Hits
from foley_synthesis.flow.networks.motion_encoder import STRIDE
from foley_synthesis.flow.sight.inference import LocalView, Sight, under_tips
from foley_synthesis.flow.sight.things import Things
from foley_synthesis.flow.what import WHAT_DIMS

Array = NDArray[np.float64]

CONTEXT = 3
"""Earlier sounds of each surface that are told."""
FRAME_NS = STRIDE * NS_PER_S // MOTION_RATE
REMEMBERED_S = (0.6, 0.9)
"""Of sound before and after a contact, of which what is told of it is made."""
_KEPT = 64  # touches
# A session's contact lies anywhere in its frame, here in the middle of it.
_LEAD_NS = HIT_LEAD * FRAME_NS + FRAME_NS // 2


@dataclasses.dataclass(frozen=True, eq=False)
class Touch:
    """A touch that is over, as a flow is told it."""

    time_ns: int
    position: Array  # [3] in the world
    latent: torch.Tensor  # [latent, HIT_FRAMES] as the codec gives it
    motion: NDArray[np.float32]  # [STRIDE * HIT_FRAMES, channels] as measured

    @property
    def over_ns(self) -> int:
        """From when on all that its code knows is over."""
        return self.time_ns - _LEAD_NS + (HIT_FRAMES + CODED_AHEAD) * FRAME_NS


def touch_start_ns(time_ns: int) -> int:
    """Where the motion and the code of a touch begin."""
    return time_ns - _LEAD_NS


def touch_latent(
    samples: NDArray[np.float32], rate: int, start_ns: int, time_ns: int, codec: Codec
) -> torch.Tensor:
    """The code [latent, HIT_FRAMES] of a touch in a sound [n] that begins at ``start_ns``.

    Raises:
        ValueError: the sound does not reach as far as :data:`REMEMBERED_S`.
    """
    begin_ns = touch_start_ns(time_ns) - CODED_AHEAD * FRAME_NS
    frames = HIT_FRAMES + 2 * CODED_AHEAD
    first = round((begin_ns - start_ns) * rate / NS_PER_S)
    last = first + round(frames * FRAME_NS * rate / NS_PER_S)
    if first < 0 or last > len(samples):
        raise ValueError(f"the sound of a touch begins {first / rate:.3f} s too late or ends too soon")
    own = codec.config.rate
    sound = resampled(samples[first:last], rate, own)[: frames * codec.config.samples]
    sound = np.pad(sound, (0, frames * codec.config.samples - len(sound)))
    coded = latent_of(torch.from_numpy(np.clip(sound, -1.0, 1.0))[None], codec)[0]
    return coded[:, CODED_AHEAD : CODED_AHEAD + HIT_FRAMES].half().float()


@dataclasses.dataclass(frozen=True, eq=False)
class Surroundings:
    """The things around one motion, and what was seen of them.

    Args:
        what: [things + 1, WHAT_DIMS] one possibility of what each is, the last row for the table; None: nobody looked.
        features: [things + 1, dims] what views show of each, NaN where nothing; None: nobody looked.
        seen: [things] whether anything was.
    """

    things: Things
    what: NDArray[np.float32] | None = None
    features: NDArray[np.float32] | None = None
    seen: NDArray[np.bool_] | None = None

    def unseen(self, tips: Array) -> bool:
        """Whether a motion [n, 3] passes a thing of which nothing was seen."""
        under = np.unique(under_tips(self.things, tips))
        return self.seen is None or bool((~self.seen[under[under >= 0]]).any())


def look_around(
    sight: Sight | None, tips: Array, things: Things, view: LocalView | None, seed: int
) -> Surroundings:
    """What is known of the things around a motion [n, 3] at 125 Hz.

    Args:
        view: of a place; None: nothing can be looked at.
        seed: of the possibility that is told of what they are.
    """
    if sight is None or view is None:
        return Surroundings(things)
    seen = sight.around(tips, things, view)
    count = len(things.centres)
    each = dataclasses.replace(seen.over(tips), under=np.array([*range(count), -1], np.int32))
    what = sight.posterior(each).draw(np.random.default_rng(seed))
    known = np.bincount(seen.thing, minlength=count)[:count] > 0
    return Surroundings(things, what, sight.features(each), known)


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """Frames of a window that are of one motion."""

    frames: slice
    around: Surroundings


class EarlierTouches:
    """Touches that are over, the newest ones."""

    def __init__(self) -> None:
        self._touches: list[Touch] = []

    def __len__(self) -> int:
        return len(self._touches)

    def add(self, touch: Touch) -> None:
        """One more."""
        self._touches = sorted([*self._touches, touch], key=lambda known: known.time_ns)[-_KEPT:]

    def hits(
        self, parts: Sequence[tuple[Part, NDArray[np.int32]]], frames: int, start_ns: int, executed: bool
    ) -> Hits | None:
        """The last :data:`CONTEXT` touches of each thing that lies below, which were over when a window begins.

        Args:
            parts: each with what lies under the tip in each of the window's frames [frames].
            executed: motion is told with its force.
        """
        over = [touch for touch in self._touches if touch.over_ns <= start_ns]
        use: dict[int, NDArray[np.bool_]] = {}
        for part, under in parts:
            things, places = part.around.things, np.array([touch.position for touch in over])
            if not len(places):
                continue
            inside, below = things.covers(places[:, :2]), things.under(places[:, :2])
            for thing in np.unique(under[part.frames]):
                told = np.flatnonzero(inside & (below == thing))[-CONTEXT:]
                for index in told.tolist():
                    row = use.setdefault(index, np.zeros(frames, np.bool_))
                    row[part.frames] |= under[part.frames] == thing
        if not use:
            return None
        chosen = sorted(use)
        motions = [over[index].motion for index in chosen]
        return Hits(
            torch.stack([over[index].latent for index in chosen])[None],
            torch.from_numpy(np.stack(motions if executed else [_forceless(one) for one in motions]))[None],
            torch.from_numpy(np.stack([use[index] for index in chosen], axis=1))[None],
        )


def told_around(
    condition: ContactCondition,
    tips: Array,
    start_ns: int,
    parts: Sequence[Part],
    touches: EarlierTouches,
    *,
    views: bool,
) -> ContactCondition:
    """A condition of a batch of 1 with what is known of the things under its tips [n, 3] at 125 Hz.

    Args:
        start_ns: of its first row.
        views: whether the flow takes what views show themselves.
    """
    frames = condition.frames
    what = np.full((frames, WHAT_DIMS), np.nan, np.float32)
    features = [part.around.features for part in parts if part.around.features is not None]
    seen = np.full((frames, features[0].shape[1] if features else 1), np.nan, np.float32)
    placed = []
    for part in parts:
        under = under_tips(part.around.things, tips)
        placed.append((part, under))
        if part.around.what is not None:
            what[part.frames] = part.around.what[under[part.frames]]
        if part.around.features is not None:
            seen[part.frames] = part.around.features[under[part.frames]]
    return dataclasses.replace(
        condition,
        what=torch.from_numpy(what)[None] if np.isfinite(what).any() else None,
        hits=touches.hits(placed, frames, start_ns, bool(condition.executed[0])),
        views=torch.from_numpy(seen)[None] if views and features else None,
    )


def _forceless(motion: NDArray[np.float32]) -> NDArray[np.float32]:
    """As a plan knows it."""
    told = motion.copy()
    told[:, GROUPS["force"]] = np.nan
    return told
