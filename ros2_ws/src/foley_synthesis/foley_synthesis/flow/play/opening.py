"""What a checkpoint is played with."""

from __future__ import annotations

from pathlib import Path

from foley_perception.action.gripper import GripperHand
from foley_perception.episodes.names import Naming
from foley_synthesis.flow.contact.model import is_contact_flow
from foley_synthesis.flow.contact.model import load_model as load_contact_flow
from foley_synthesis.flow.inference.model import load_model
from foley_synthesis.flow.play.contact_player import ContactPlayer
from foley_synthesis.flow.play.motions import FINE_MOMENTS_S
from foley_synthesis.flow.play.player import Player, ScenePlayer, open_scene_context
from foley_synthesis.flow.sight.inference import open_sight
from foley_synthesis.flow.sight.model_file import sight_within
from foley_synthesis.vision.encoders import load_encoder


def open_player(
    checkpoint: Path,
    scene: Path,
    bag: Path,
    *,
    start_s: float = 0.0,
    hand: str,
    threads: int,
    naming: Naming | None = None,
    sight: Path | None = None,
) -> ScenePlayer:
    """What `foley flow play` plays on; the checkpoint's schema says what it is.

    Args:
        sight: for a contact flow, of what looks at what is touched; None: the one within its folder, if there is.

    Raises:
        CorruptCheckpoint: the flow, or sight, cannot be read.
        ValueError: sight, for a flow that is given views themselves; or its encoder is not here.
        MotionError, SceneError, EpisodeError, PlyError, OSError: bag or scene cannot be used.
    """
    gripper = GripperHand.from_yaml(hand)
    if is_contact_flow(checkpoint):
        flow = load_contact_flow(checkpoint)
        sight = sight or sight_within(checkpoint)
        eyes = None if sight is None else open_sight(sight, threads=threads)
        context = open_scene_context(scene, bag, gripper, start_s, naming, moments_s=FINE_MOMENTS_S)
        return ContactPlayer(flow, context, gripper, eyes)
    if sight is not None:
        raise ValueError(f"sight is for a contact flow; {checkpoint} is given the views themselves")
    model = load_model(checkpoint)
    encoder = load_encoder(str(model.facts["encoder"]["name"]), threads=threads)
    return Player(model, encoder, open_scene_context(scene, bag, gripper, start_s, naming), gripper)
