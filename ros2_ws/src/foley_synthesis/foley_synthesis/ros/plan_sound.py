"""`predicted_sound`: the sound of plans as it goes on, in chunks; see `live/plan_stream.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from foley_common import topics
from foley_common.times import NS_PER_S
from foley_msgs.msg import AudioChunk
from foley_perception.clips.inputs import MeasuredTool
from foley_perception.geometry.tf_buffer import TransformUnavailable
from foley_perception.scene.depth_background import DepthBackground
from foley_ros import convert
from foley_ros.node import FoleyNode
from foley_synthesis.live.plan_stream import PlanSound, SoundChunk
from foley_synthesis.sound_model import PlannedTool, StreamingSoundModel

_FAULT, _LATE = "sound", "sound_late"
_LATE_TEXT = (
    "predicted_sound comes after it was to be heard, which leaves gaps: lower solver_steps, give it a processor, "
    "or turn `stream` off"
)
_MEASURED_NS = 4 * NS_PER_S  # of motion that is looked back over


class PlanSoundOutput:
    """Makes and publishes chunks.

    Args:
        measured: how the tool moved between two times; None: plans alone count.

    All but :meth:`due` and :meth:`figures` in the worker's thread.
    """

    def __init__(
        self,
        node: FoleyNode[Any],
        model: StreamingSoundModel,
        lead_s: float,
        measured: Callable[[int, int], MeasuredTool | None] | None = None,
    ) -> None:
        self._node, self._sound, self._model = node, PlanSound(model, lead_s), model
        self._measured = measured
        self._publisher = node.entities.publish(topics.PREDICTED_SOUND)
        self._first_s = float("nan")
        self._late = 0

    def due(self) -> bool:
        """Whether :meth:`go_on` has something to do."""
        return self._sound.due(self._node.now_ns())

    def begin(self, plan: Callable[[], PlannedTool], background: DepthBackground, arrival_ns: int) -> None:
        """Take in a plan, and tell the first chunk of it where it begins a stream; who cannot be placed is left out."""
        try:
            tool = plan()
        except (TransformUnavailable, ValueError):
            return  # said where the contact is predicted
        if self._sound.add(tool, self._node.now_ns()):
            self._tell(background)
            self._first_s = (self._node.now_ns() - arrival_ns) / NS_PER_S

    def go_on(self, background: DepthBackground) -> None:
        """The next chunk."""
        self._tell(background)

    def _tell(self, background: DepthBackground) -> None:
        now_ns = self._node.now_ns()
        measured = None if self._measured is None else self._measured(now_ns - _MEASURED_NS, now_ns)
        try:
            chunk = self._sound.chunk(background.view(), now_ns, measured)
        except ValueError as error:
            self._node.report(_FAULT, f"no sound of the plan: {error}")
            return
        if chunk is None:
            return
        self._publisher.publish(chunk_message(chunk))
        self._node.faults.clear(_FAULT)
        if self._sound.is_late(chunk, self._node.now_ns()):
            self._late += 1
            # Not cleared by the next one in time: a log would be full of it.
            self._node.report(_LATE, _LATE_TEXT)

    def figures(self) -> dict[str, Any]:
        """For diagnostics."""
        return {
            "chunks": self._sound.chunks,
            "chunks_late": self._late,
            "streams_begun_anew": self._sound.restarts,
            "first_chunk_s": f"{self._first_s:.3f}",
        }


def chunk_message(chunk: SoundChunk) -> AudioChunk:
    """Its stamp says when its first sample is to be heard."""
    return convert.array_to_audio(
        chunk.samples,
        time_ns=chunk.begin_ns,
        frame_id="microphone",
        stream_id=chunk.stream_id,
        first_sample=chunk.first_sample,
        sample_rate=chunk.sample_rate,
        stamp_source=AudioChunk.STAMP_ARRIVAL,
    )
