"""Everything that the synthesizer publishes, and plans as it reads them."""

from __future__ import annotations

import numpy as np

from foley_common import topics
from foley_msgs.msg import HandTrajectory, MaterialEstimate, PredictedAudio
from foley_perception.action.gripper import HandError
from foley_perception.action.tip import in_fixed_frame
from foley_perception.action.trajectory import TipPath, ToolTrajectory
from foley_perception.ros.sensed_scene import SensedScene
from foley_ros import convert as common
from foley_ros.entities import Entities
from foley_synthesis.checkpoint import Checkpoint
from foley_synthesis.live.synthesis_core import CannotPredict, Predicted, Reason
from foley_synthesis.ros import convert


class SynthesizerOutput:
    """`predicted_audio` and `predicted_material`."""

    def __init__(self, entities: Entities, content: Checkpoint, fixed_frame: str) -> None:
        self._vocabulary = content.vocabulary
        self._model_id, self._model_domain = content.model_id, content.domain
        self._frame = fixed_frame
        self._audio = entities.publish(topics.PREDICTED_AUDIO)
        self._material = entities.publish(topics.PREDICTED_MATERIAL)

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


def hand_plan(message: HandTrajectory, scene: SensedScene, side: str) -> TipPath:
    """A plan of hand poses as the path of the tip in the fixed frame: of an asker who has no plan of the tool.

    Raises:
        CannotPredict: the trajectory is malformed or lacks the hand, or tf does not know its frame.
    """
    fixed = scene.config.fixed_frame
    try:
        times_ns, keypoints = common.trajectory_to_arrays(message)
        poses, widths = scene.hand.recover(keypoints, side)
        poses = in_fixed_frame(poses, message.header.frame_id, fixed, int(times_ns[0]), scene.lookup)
    except (common.ConversionError, HandError, np.linalg.LinAlgError, LookupError) as error:
        raise CannotPredict(Reason.BAD_TRAJECTORY, str(error)) from error
    return ToolTrajectory(message.plan_id, times_ns, poses, widths).tip_path(scene.tx_tool_tip())
