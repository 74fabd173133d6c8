"""Principal components of the cochleagram: the 10 numbers per frame that the network predicts."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True, eq=False)
class Pca:
    """Affine map from channels to components. One common scale keeps distances in proportion."""

    mean: NDArray[np.float32]  # [channels]
    components: NDArray[np.float32]  # [components, channels], orthonormal rows
    scale: float  # components are divided by it, so that a frame has unit variance

    def encode(self, cochleagram: NDArray[np.floating]) -> NDArray[np.float32]:
        """[..., channels] -> [..., components]."""
        return np.asarray((cochleagram - self.mean) @ self.components.T / self.scale, np.float32)

    def decode(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """[..., components] -> [..., channels], never negative."""
        return np.asarray(np.maximum(features * self.scale @ self.components + self.mean, 0.0), np.float32)

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """For a checkpoint."""
        return {
            "pca.mean": self.mean,
            "pca.components": self.components,
            "pca.scale": np.asarray([self.scale], np.float32),
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, NDArray[np.float32]]) -> Pca:
        """From a checkpoint."""
        return cls(tensors["pca.mean"], tensors["pca.components"], float(tensors["pca.scale"][0]))


def fit_pca(cochleagrams: NDArray[np.floating], components: int) -> Pca:
    """From [n, frames, channels]; the sign of each component is fixed, so that two fits agree."""
    rows = cochleagrams.reshape(-1, cochleagrams.shape[-1]).astype(np.float64)
    mean = rows.mean(axis=0)
    variances, vectors = np.linalg.eigh(np.cov(rows - mean, rowvar=False))
    top = vectors[:, ::-1][:, :components].T
    signs = np.sign(top[np.arange(len(top)), np.abs(top).argmax(axis=1)])
    scale = float(np.sqrt(max(variances[::-1][:components].sum(), 1e-12)))
    return Pca(mean.astype(np.float32), (top * signs[:, None]).astype(np.float32), scale)
