"""The ReconstructScene action: a recorded scan to a scene of Gaussians. The work is done in the worker's thread."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from foley_perception.ros.reconstruct import Reconstructor
from foley_perception.scene.config import SceneReconstructorConfig
from foley_ros.node import FoleyNode, Health, run
from foley_ros.worker import Worker


class SceneReconstructorNode(FoleyNode[SceneReconstructorConfig]):
    """See the module's docstring."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("scene_reconstructor", SceneReconstructorConfig, **kwargs)
        self._worker: Worker[Callable[[], None]] | None = None
        self._options: dict[str, Any] = {}
        self._server = Reconstructor(self, self._put, lambda: self._options)

    def setup(self, config: SceneReconstructorConfig) -> None:
        self._options = dataclasses.asdict(config)
        self._worker = Worker(lambda job: job(), name="scene_reconstructor", capacity=1)

    def teardown(self) -> None:
        if self._worker is not None:
            self._worker.stop()
        self._worker = None

    def _put(self, job: Callable[[], None]) -> None:
        if self._worker is not None:
            self._worker.put(job)

    def health(self) -> Health:
        return Health.ok(busy=self._server.busy, done=self._server.done, failed=self._server.failed)


def main(args: Sequence[str] | None = None) -> int:
    return run(SceneReconstructorNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
