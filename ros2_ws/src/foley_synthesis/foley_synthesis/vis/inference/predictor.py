"""From what is seen and how the robot will move (or moved) to the sound it makes, and what that says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_perception.clips.action import motion_known
from foley_synthesis.checkpoint import Checkpoint, Vocabulary, load_checkpoint
from foley_synthesis.sound_model import Mode, PredictedSound


@dataclasses.dataclass(frozen=True, eq=False)
class PredictionInput:
    """One contact on the clip's grid: it starts 0.25 s before the contact and lasts 1 s."""

    still: NDArray[np.uint8]  # [128, 128, 3], crop around the contact point before the tool came near
    frames: NDArray[np.uint8] | None  # [30, 128, 128, 3] at 30 Hz; None: planned mode
    action: NDArray[
        np.float32
    ]  # [90, 8] at 90 Hz: planned where frames is None, else measured; NaN: not known


class Predictor:
    """Planned mode sees the still and the planned action; executed mode frames and the measured action too."""

    vocabulary: Vocabulary
    model_id: str
    domain: str  # `sim` or `real`

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        threads: int = 1,
        synthesis: str = "example",  # or `parametric`
        match_level: bool = True,  # scale the exemplar to the predicted loudness
    ) -> None:
        from foley_synthesis.vis.inference.loaded import open_session
        from foley_synthesis.vis.synthesis.waveform import Synthesiser
        from foley_synthesis.vision.encoders import load_encoder

        self._session = open_session(checkpoint)
        self.vocabulary = checkpoint.vocabulary
        self.model_id = checkpoint.model_id
        self.domain = checkpoint.domain
        self.synthesis = synthesis
        self._encoder = load_encoder(self._session.config.encoder, threads=threads)
        self._synthesise = Synthesiser(self._session, synthesis, match_level=match_level)

    @classmethod
    def load(
        cls, path: str | Path | None = None, *, threads: int = 1, synthesis: str = "example"
    ) -> Predictor:
        """From a checkpoint folder; None means the one that ships. Raises CorruptCheckpoint."""
        return cls(load_checkpoint(path), threads=threads, synthesis=synthesis)

    def warm_up(self) -> None:
        """Both modes once, so that the first real prediction is as fast as the rest."""
        config = self._session.config
        still = np.full((128, 128, 3), 127, np.uint8)
        frames = np.full((config.sound_frames // 3, 128, 128, 3), 127, np.uint8)
        action = np.zeros((config.sound_frames, config.action_dims), np.float32)
        for seen in (None, frames):
            self.predict(PredictionInput(still, seen, action))

    def predict(self, contact: PredictionInput) -> PredictedSound:
        """Raises ValueError where a shape or type is wrong or the action is not finite."""
        from foley_synthesis.beliefs.decode import belief_of
        from foley_synthesis.vis.networks.decoding import decode_sounds

        self._check(contact)
        s = self._session
        mode: Mode = "planned" if contact.frames is None else "executed"
        sound, said = s.predict(*self._inputs(contact))
        decoded = decode_sounds(sound, s.pca, s.predict.background)
        belief = belief_of(said, s.calibrations[mode], self.vocabulary.labels)
        features, cochleagram = decoded.keys[0], decoded.frames[0]
        made = self._synthesise(decoded, 0)
        return PredictedSound(
            made.waveform,
            s.cochlea.sample_rate,
            made.onset_s,
            mode,
            self.model_id,
            features=features,
            cochleagram=cochleagram,
            belief=belief,
            exemplar_id=made.exemplar_id,
            distance=made.distance,
        )

    def _inputs(
        self, contact: PredictionInput
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.float32]]:
        """Still and frames as the encoder sees them, and the action."""
        from foley_synthesis.vision.views import encoded_spacetime, still_views

        config = self._session.config
        images = still_views(contact.still, config.still_views)
        if contact.frames is not None:
            images = np.concatenate([images, encoded_spacetime(contact.frames, config.frame_stride)])
        # Half precision, as the features of training were kept.
        encoded = self._encoder.encode(images).astype(np.float16).astype(np.float32)
        frames = None if contact.frames is None else encoded[config.still_views :]
        return encoded[: config.still_views], frames, contact.action.astype(np.float32)

    def _check(self, contact: PredictionInput) -> None:
        config = self._session.config
        if contact.still.shape != (128, 128, 3) or contact.still.dtype != np.uint8:
            raise ValueError(
                f"still is {contact.still.dtype} {contact.still.shape}, must be uint8 (128, 128, 3)"
            )
        frames, wanted = contact.frames, (config.sound_frames // 3, 128, 128, 3)
        if frames is not None and (frames.shape != wanted or frames.dtype != np.uint8):
            raise ValueError(f"frames are {frames.dtype} {frames.shape}, must be uint8 {wanted}")
        if contact.action.shape != (config.sound_frames, config.action_dims):
            raise ValueError(
                f"action has shape {contact.action.shape}, must be ({config.sound_frames}, {config.action_dims})"
            )
        # A recording without a robot has no motion at all: the model sees rest, as it did in training.
        nothing = frames is not None and bool(np.isnan(contact.action).all())
        if np.isinf(contact.action).any() or not (nothing or motion_known(contact.action)):
            raise ValueError(
                "tip or velocity of the action hold NaN or infinity; a motion must cover the whole clip"
            )
