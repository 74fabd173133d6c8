"""Everything that the synthesizer publishes, and plans as it reads them."""

from __future__ import annotations

import numpy as np

from foley_common import topics
from foley_msgs.msg import HandTrajectory, MaterialEstimate, PredictedAudio
from foley_msgs.msg import ToolTrajectory as ToolTrajectoryMessage
from foley_perception.action.gripper import HandError
from foley_perception.action.tip import plan_in_fixed_frame
from foley_perception.action.trajectory import ToolTrajectory
from foley_perception.ros.sensed_scene import SensedScene
from foley_ros import convert as common
from foley_ros.entities import Entities
from foley_synthesis.live.synthesis_core import CannotPredict, Predicted, Reason
from foley_synthesis.ros import convert
from foley_synthesis.sound_model import PlannedTool, SoundModel


class SynthesizerOutput:
    """`predicted_audio` and `predicted_material`."""

    def __init__(self, entities: Entities, model: SoundModel, fixed_frame: str) -> None:
        self._vocabulary, self._model_domain = model.vocabulary, model.domain
        self._frame = fixed_frame
        self._audio = entities.publish(topics.PREDICTED_AUDIO)
        self._chunks = entities.publish(topics.PREDICTED_AUDIO_CHUNK)
        self._material = entities.publish(topics.PREDICTED_MATERIAL)

    def messages(
        self, result: Predicted, *, mode: int, plan_id: str, object_id: str, newest_input_ns: int, now_ns: int
    ) -> tuple[PredictedAudio, MaterialEstimate | None]:
        """What a prediction says, as messages that are not published yet; None where the model has no belief."""
        audio = convert.predicted_audio_message(
            result,
            plan_id=plan_id,
            mode=mode,
            frame_id=self._frame,
            newest_input_ns=newest_input_ns,
            now_ns=now_ns,
            object_id=object_id,
        )
        belief = result.prediction.belief
        if belief is None or self._vocabulary is None:
            return audio, None
        material = convert.estimate_message(
            belief,
            self._vocabulary,
            time_ns=result.contact_ns,
            frame_id=self._frame,
            position=result.position,
            object_id=object_id,
            contacts=(0, 1),
            model_id=result.prediction.belief_model_id or result.prediction.model_id,
            model_domain=self._model_domain,
            latency_s=(now_ns - newest_input_ns) / 1e9,
        )
        return audio, material

    def publish(self, audio: PredictedAudio, material: MaterialEstimate | None) -> None:
        """Both, but the material of planned predictions only: after the touch, hearing says it better."""
        if material is not None and audio.mode == PredictedAudio.MODE_PLANNED:
            self._material.publish(material)
        self._audio.publish(audio)
        if self._chunks.get_subscription_count():
            self._chunks.publish(audio.audio)


def hand_plan(message: HandTrajectory, scene: SensedScene, side: str) -> PlannedTool:
    """A plan of hand poses as one of the tool in the fixed frame: of an asker who has no plan of the tool.

    Raises:
        CannotPredict: the trajectory is malformed or lacks the hand, or tf does not know its frame.
    """
    fixed = scene.config.fixed_frame
    try:
        times_ns, keypoints = common.trajectory_to_arrays(message)
        poses, widths = scene.hand.recover(keypoints, side)
        poses = plan_in_fixed_frame(poses, message.header.frame_id, fixed, int(times_ns[0]), scene.lookup)
    except (common.ConversionError, HandError, np.linalg.LinAlgError, LookupError) as error:
        raise CannotPredict(Reason.BAD_TRAJECTORY, str(error)) from error
    return PlannedTool(ToolTrajectory(message.plan_id, times_ns, poses, widths), scene.tx_tool_tip())


def plan_end_ns(message: ToolTrajectoryMessage) -> int:
    """When a plan ends. One without known times ends never: whoever reads it says what is wrong."""
    offsets = np.asarray(message.time_from_start, dtype=np.float64)
    if not offsets.size or not np.isfinite(offsets).all():
        return 2**63 - 1
    return common.to_ns(message.header.stamp) + round(float(offsets.max()) * 1e9)


def lateness(audio: PredictedAudio) -> str:
    """What is to be said of a prediction that came after its contact; empty where it came before."""
    if audio.lead_time >= 0.0:
        return ""
    cure = "plan earlier, or lower solver_steps or guidance" if audio.solver_steps else "plan earlier"
    return (
        f"the sound of plan `{audio.plan_id}` came {-audio.lead_time:.1f} s after its contact, {audio.latency:.1f} s "
        f"after its newest input: {cure}"
    )


def note_of(model: SoundModel, executed: bool) -> str:
    """What is to be known of how sound is predicted and is no fault; empty: nothing.

    Args:
        executed: whether predictions after a contact are asked for.
    """
    only = "this model predicts planned contacts only" if executed and "executed" not in model.modes else ""
    return "; ".join(filter(None, (model.note, only)))
