"""The camera in a thread of its own: snapshots in, image messages out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_ros.worker import Worker
from foley_sim.rendering.camera import Camera
from foley_sim.ros.encode import Encoder, Outgoing
from foley_sim.spec import CameraSpec
from foley_sim.world.readings import Frame

_WARM_UP_S = 60.0
_BEHIND = 6  # snapshots waiting before the oldest is dropped


class CameraThread:
    """Draws with an OpenGL context that lives in its thread alone.

    The first picture is drawn at once, so that activation meets no delay and no surprise.

    Raises:
        OSError: nothing can be drawn; the message says what to install.
    """

    def __init__(self, model: Any, camera: CameraSpec, configuration: NDArray[np.float64]) -> None:
        self._model, self._spec = model, camera
        self._camera: Camera | None = None
        self._target: tuple[Encoder, Callable[[Outgoing], None]] | None = None
        self._worker: Worker[Frame | None] = Worker(self._handle, name="camera", capacity=_BEHIND)
        self._worker.put(Frame(0, configuration, colour=True, depth=True))
        if not self.idle(_WARM_UP_S) or self._worker.errors:
            reason = self._worker.last_error or f"no image within {_WARM_UP_S:.0f} s"
            self.close()
            raise OSError(reason)

    @property
    def skipped(self) -> int:
        """Snapshots that were not drawn because the machine was too slow."""
        return self._worker.dropped

    @property
    def trouble(self) -> str:
        """The newest error; empty if there was none."""
        return self._worker.last_error

    def aim(self, encoder: Encoder, send: Callable[[Outgoing], None]) -> None:
        """Where images go from now on."""
        self._target = (encoder, send)

    def put(self, frame: Frame) -> None:
        """Draw this soon."""
        self._worker.put(frame)

    def idle(self, timeout_s: float = 2.0) -> bool:
        """Wait until everything is drawn; False if that takes too long."""
        deadline = time.monotonic() + timeout_s
        while self._worker.pending():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True

    def close(self) -> None:
        """Draw what waits, then free the context in its own thread."""
        self._worker.put(None)
        self._worker.stop(drain=True)

    def _handle(self, frame: Frame | None) -> None:
        if frame is None:
            if self._camera is not None:
                self._camera.close()
            return
        if self._camera is None:
            self._camera = Camera(self._model, self._spec)
        self._camera.pose(frame.qpos)
        colour = self._camera.colour() if frame.colour else None
        depth = self._camera.depth_mm() if frame.depth else None
        if self._target is None:
            return
        encoder, send = self._target
        if colour is not None:
            for message in encoder.colour(frame.time_ns, colour):
                send(message)
        if depth is not None:
            send(encoder.depth(frame.time_ns, depth))
