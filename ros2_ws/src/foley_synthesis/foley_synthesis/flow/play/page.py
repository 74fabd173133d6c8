"""The interactive scene in the browser: move the hand, hear the sound (Hearing Hands, section 5.2; by viser).

Callbacks of the page store or start; one worker makes the sounds, one at a time.
"""

from __future__ import annotations

import base64
import io
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.clips.grid import FRAME_RATE, WINDOW_S
from foley_perception.gaussians.viewer import open_viewer
from foley_perception.geometry.se3 import SE3
from foley_perception.hands.draw import BONES, COLOURS
from foley_synthesis.flow.networks.mel import RATE
from foley_synthesis.flow.networks.rectified_flow import SampleConfig
from foley_synthesis.flow.play.motions import performed
from foley_synthesis.flow.play.player import Played, ScenePlayer

_SHOWN = 4  # moments of the views that are shown
_WIDTH = 160  # of a shown view [pixel]


class Page:
    """Serves a player until it is closed.

    Args:
        scene: folder of the reconstructed scene.

    Raises:
        OSError: the port is taken.
    """

    def __init__(
        self,
        player: ScenePlayer,
        scene: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 8080,
        sampling: SampleConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.server = open_viewer(scene, host=host, port=port)
        self._player, self._seed = player, seed
        self._sampling = sampling or player.sampling
        self._moments: list[tuple[float, SE3]] | None = None  # while the hand is performed
        self._began = 0.0
        self._closing = threading.Event()
        self._busy = threading.Lock()
        self._taken = threading.Event()  # somebody moved the hand
        self._add_hand(player.scene.motion[0])
        self._add_controls()

    def close(self) -> None:
        """End it."""
        self._closing.set()
        with self._busy:  # what is being made is finished first
            self.server.stop()

    # ---- the hand --------------------------------------------------------------------------------------
    def _add_hand(self, pose: SE3) -> None:
        scene, (x, y, z, w) = self.server.scene, pose.quaternion
        self._bones = scene.add_line_segments(
            "/bones", np.zeros((1, 2, 3)), COLOURS[1], thickness=5.0, thickness_units="screen"
        )
        self._grip = scene.add_transform_controls(
            "/hand",
            scale=0.15,
            line_width=4.0,
            depth_test=False,
            wxyz=(w, x, y, z),
            position=pose.translation,
        )
        self._grip.on_update(self._on_moved)
        self._show(pose)

    def _pose(self) -> SE3:
        w, x, y, z = self._grip.wxyz
        return SE3(np.array([x, y, z, w]), np.array(self._grip.position))

    def _show(self, pose: SE3) -> None:
        """The hand's bones at a pose, and its tool as one more."""
        hands = self._player.keypoints(pose[None])[0]
        known = hands[np.isfinite(hands).all(axis=(1, 2))]
        bones = [hand[list(bone)] for hand in known for bone in BONES]
        tool = [np.stack([pose.translation, self._player.tip(pose)])]
        self._bones.points = np.stack(bones + tool).astype(np.float32)

    def _on_moved(self, _event: Any) -> None:
        pose, moments = self._pose(), self._moments
        self._taken.set()
        if moments is not None:
            moments.append((time.monotonic() - self._began, pose))
        self._show(pose)

    # ---- the panel -------------------------------------------------------------------------------------
    def _add_controls(self) -> None:
        gui = self.server.gui
        gui.add_markdown(
            "Drag the hand's arrows. **Perform** records what you do with it for 8 s; the others move it for you."
        )
        buttons: dict[str, Callable[[], SE3]] = {
            "Perform for 8 s": self._perform,
            "Tap here": lambda: self._player.preset("tap", self._pose()),
            "Stroke here": lambda: self._player.preset("stroke", self._pose()),
            "As recorded": lambda: self._player.preset("recorded", self._pose()),
        }
        for label, motion in buttons.items():
            gui.add_button(label).on_click(lambda _event, motion=motion: self._start(motion))
        initial = self._sampling.guidance
        self._guidance = gui.add_slider(
            "guidance", min(1.0, initial), max(8.0, initial), 0.1, initial_value=initial
        )
        self._status = gui.add_markdown("Ready.")
        self._progress = gui.add_progress_bar(0.0, visible=False)
        self._sound = gui.add_html("")
        self._mel = gui.add_image(np.zeros((80, 500, 3), np.uint8), label="spectrogram", visible=False)
        self._seen = gui.add_image(np.zeros((1, 1, 3), np.uint8), label="what it saw", visible=False)

    def _start(self, motion: Callable[[], SE3]) -> None:
        """Make a sound beside the page's own thread, unless one is being made."""
        if not self._closing.is_set() and self._busy.acquire(blocking=False):
            threading.Thread(target=self._make, args=(motion,), name="player", daemon=True).start()

    # ---- worker ----------------------------------------------------------------------------------------
    def _make(self, motion: Callable[[], SE3]) -> None:
        try:
            path = motion()
            self._status.content = "Looking and listening ..."
            config = SampleConfig(self._sampling.steps, float(self._guidance.value))
            began = time.monotonic()
            played = self._player.play(path, self._seed, config)
            self._seed += 1
            self._publish(played, time.monotonic() - began)
        except Exception as error:  # noqa: BLE001 - shown to who made the motion; the page goes on
            self._status.content = f"**Not possible:** {error}"
            return
        finally:
            self._progress.visible = False
            self._busy.release()
        self._follow(path)

    def _perform(self) -> SE3:
        self._began, self._moments = time.monotonic(), [(0.0, self._pose())]
        self._status.content, self._progress.visible = "**Move the hand now**", True
        try:
            while (elapsed := time.monotonic() - self._began) < WINDOW_S and not self._closing.is_set():
                self._progress.value = 100.0 * elapsed / WINDOW_S
                self._closing.wait(0.1)
        finally:
            moments, self._moments = self._moments, None
        return performed(moments, self._player.moments_s)

    def _publish(self, played: Played, seconds: float) -> None:
        self._mel.image, self._mel.visible = spectrogram(played.mel), True
        self._seen.image, self._seen.visible = sheet(played), bool(played.pictures)
        parts = ", ".join(f"{name} {value:.1f} s" for name, value in played.seconds.items())
        self._status.content = f"8 s of sound in {seconds:.1f} s ({parts})."
        source = f"data:audio/wav;base64,{wav(played.sound, played.rate)}"
        self._sound.content = f'<audio controls autoplay style="width: 100%" src="{source}"></audio>'

    def _follow(self, path: SE3) -> None:
        """Move the hand as the sound goes on, until another one is made or somebody takes it."""
        self._taken.clear()
        began, moments_s = time.monotonic(), self._player.moments_s
        while (elapsed := time.monotonic() - began) < moments_s[-1]:
            k = int(np.searchsorted(moments_s, elapsed))
            if self._taken.is_set() or self._busy.locked() or self._closing.wait(1.0 / FRAME_RATE):
                return
            self._show(path[k])
        self._show(self._pose())


def wav(sound: NDArray[np.float32], rate: int = RATE) -> str:
    """A sound as the base64 of a WAV file of 16 bits."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, sound.clip(-1.0, 1.0), rate, format="WAV", subtype="PCM_16")
    return base64.b64encode(file.getvalue()).decode("ascii")


def spectrogram(mel: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A mel spectrogram [80, n] as a picture [80, n, 3], low tones at the bottom."""
    from matplotlib import colormaps

    shade = colormaps["magma"](np.clip((mel[::-1] + 1.0) / 2.0, 0.0, 1.0))[..., :3]
    return np.asarray(np.round(255 * shade), dtype=np.uint8)


def sheet(played: Played) -> NDArray[np.uint8]:
    """Some moments of each view that was seen, a view a row."""
    import cv2

    rows = []
    for pictures in played.pictures.values():
        if pictures:
            chosen = np.linspace(0, len(pictures) - 1, _SHOWN).round().astype(int)
            rows.append(np.hstack([cv2.resize(pictures[k], (_WIDTH, _WIDTH)) for k in chosen]))
    return np.vstack(rows) if rows else np.zeros((1, 1, 3), np.uint8)
