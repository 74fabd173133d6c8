"""Networks of convolutions run by ONNX Runtime straight from their weights, where torch would cost half a gigabyte.

A graph is put together here from the tensors of a checkpoint; nothing is exported and no further file is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Array = NDArray[np.float32]
_OPSET, _IR = 17, 8
_EPSILON = 1e-5  # of torch's normalisations


class WrongWeights(ValueError):
    """A tensor is missing or of another shape: the weights are of another network."""


class Weights:
    """Tensors by name, in any precision, as float32; each is checked where it is asked for."""

    def __init__(self, tensors: Mapping[str, NDArray[Any]], prefix: str = "") -> None:
        self._tensors, self._prefix = tensors, prefix

    def __call__(self, name: str, *shape: int) -> Array:
        """The tensor of this name. Raises WrongWeights."""
        found = self._tensors.get(self._prefix + name)
        if found is None or found.shape != shape:
            what = "is missing" if found is None else f"has shape {found.shape}"
            raise WrongWeights(f"`{self._prefix}{name}` {what}, must be {shape}")
        return np.ascontiguousarray(found, np.float32)


class Graph:
    """A graph with one input, built operator by operator; values are named by strings."""

    def __init__(self, dims: int) -> None:
        """Its input is named `in` and has so many axes, of any size."""
        self._dims = dims
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def op(self, kind: str, *inputs: str | NDArray[Any], **attributes: Any) -> str:
        """The output of one operator; arrays among its inputs are constants."""
        names = [i if isinstance(i, str) else self._constant(i) for i in inputs]
        out = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, names, [out], **attributes))
        return out

    def silu(self, x: str) -> str:
        """x sigmoid(x)."""
        return self.op("Mul", x, self.op("Sigmoid", x))

    def group_norm(self, x: str, groups: int, scale: Array, shift: Array) -> str:
        """Of [n, channels, height, width]."""
        ones, zeros = np.ones(groups, np.float32), np.zeros(groups, np.float32)
        grouped = self.op("Reshape", x, np.array([0, groups, -1], np.int64))
        normal = self.op("InstanceNormalization", grouped, ones, zeros, epsilon=_EPSILON)
        back = self.op("Reshape", normal, self.op("Shape", x))
        return self.op("Add", self.op("Mul", back, scale.reshape(1, -1, 1, 1)), shift.reshape(1, -1, 1, 1))

    def runner(self, *outputs: str, threads: int = 1) -> Runner:
        """Ready to run, with these values as its outputs."""
        return Runner(self._model(outputs), threads)

    def _constant(self, value: NDArray[Any]) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _model(self, outputs: tuple[str, ...]) -> bytes:
        def told(name: str, dims: int | None) -> Any:
            shape = None if dims is None else [None] * dims
            return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)

        graph = helper.make_graph(
            self._nodes,
            "foley",
            [told("in", self._dims)],
            [told(name, None) for name in outputs],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
        return bytes(model.SerializeToString())


class Runner:
    """A graph in ONNX Runtime, on the CPU."""

    def __init__(self, model: bytes, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Memory goes back after each run, and no thread spins between contacts.
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def __call__(self, values: NDArray[np.floating]) -> list[Array]:
        """All outputs of one input."""
        given = np.ascontiguousarray(values, np.float32)
        return [np.asarray(out, np.float32) for out in self._session.run(None, {"in": given})]
