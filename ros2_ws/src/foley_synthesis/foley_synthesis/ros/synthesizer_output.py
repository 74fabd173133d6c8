"""Everything that the synthesizer publishes, and plans as it reads them."""

from __future__ import annotations

import numpy as np

from foley_common.topics import PREDICTED_AUDIO, PREDICTED_MATERIAL
from foley_msgs.msg import HandTrajectory, MaterialEstimate, PredictedAudio
from foley_perception.action.gripper import GripperHand, HandError
from foley_ros import convert as common
from foley_ros.entities import Owned
from foley_ros.topics import profile
from foley_synthesis.checkpoint import Checkpoint
from foley_synthesis.live.synthesis_core import CannotPredict, PlannedMotion, Predicted, Reason
from foley_synthesis.ros import convert
from foley_synthesis.ros.scene_inputs import SceneInputs


class SynthesizerOutput:
    """`predicted_audio` and `predicted_material`."""

    def __init__(self, owned: Owned, content: Checkpoint, fixed_frame: str) -> None:
        self._vocabulary = content.vocabulary
        self._model_id, self._model_domain = content.model_id, content.domain
        self._frame = fixed_frame
        self._audio = owned.publisher(PredictedAudio, PREDICTED_AUDIO.name, profile(PREDICTED_AUDIO))
        self._material = owned.publisher(
            MaterialEstimate, PREDICTED_MATERIAL.name, profile(PREDICTED_MATERIAL)
        )

    def messages(
        self, result: Predicted, *, mode: int, plan_id: str, object_id: str, newest_input_ns: int, now_ns: int
    ) -> tuple[PredictedAudio, MaterialEstimate]:
        """What a prediction says, as messages that are not published yet."""
        audio = convert.predicted_audio_message(
            result,
            plan_id=plan_id,
            mode=mode,
            frame_id=self._frame,
            model_id=self._model_id,
            newest_input_ns=newest_input_ns,
            now_ns=now_ns,
            object_id=object_id,
        )
        material = convert.estimate_message(
            result.prediction.belief,
            self._vocabulary,
            time_ns=result.contact_ns,
            frame_id=self._frame,
            position=result.position,
            object_id=object_id,
            contacts=(0, 1),
            model_id=self._model_id,
            model_domain=self._model_domain,
            latency_s=(now_ns - newest_input_ns) / 1e9,
        )
        return audio, material

    def publish(self, audio: PredictedAudio, material: MaterialEstimate) -> None:
        """Both, but the material of planned predictions only: after the touch, hearing says it better."""
        if audio.mode == PredictedAudio.MODE_PLANNED:
            self._material.publish(material)
        self._audio.publish(audio)


def planned_motion(
    message: HandTrajectory, hand: GripperHand, side: str, inputs: SceneInputs
) -> PlannedMotion:
    """A plan of hand poses as the path of the tip in the fixed frame.

    Raises:
        CannotPredict: the trajectory is malformed or lacks the hand.
        TransformUnavailable: tf does not know the tip, or the plan's frame.
    """
    try:
        times_ns, keypoints = common.trajectory_to_arrays(message)
        poses, widths = hand.recover(keypoints, side)
    except (common.ConversionError, HandError, np.linalg.LinAlgError) as error:
        raise CannotPredict(Reason.BAD_TRAJECTORY, str(error)) from error
    tips = poses.apply(inputs.tx_tool_tip().translation)
    if message.header.frame_id != inputs.fixed_frame:
        tips = inputs.tf.lookup(inputs.fixed_frame, message.header.frame_id).apply(tips)
    return PlannedMotion(message.plan_id, times_ns, tips, widths)
