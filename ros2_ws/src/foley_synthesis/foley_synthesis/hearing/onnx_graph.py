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

from foley_synthesis.weights import Array

_OPSET, _IR = 17, 8
_EPSILON = 1e-5  # of torch's normalisations
_LARGE = 1024  # values of a constant that is kept outside of the graph
_BESIDE = "memory"  # where they are said to be; no file is ever opened


class Graph:
    """A graph with one input, built operator by operator; values are named by strings."""

    def __init__(self, dims: int) -> None:
        """Its input is named `in` and has so many axes, of any size."""
        self._dims = dims
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._large: dict[str, NDArray[Any]] = {}

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
        return Runner(self._model(outputs), self._large, threads)

    def _constant(self, value: NDArray[Any]) -> str:
        name, value = f"c{len(self._constants)}", np.ascontiguousarray(value)
        if value.size < _LARGE:
            self._constants.append(numpy_helper.from_array(value, name))
            return name
        # Handed over beside the graph, which would hold a copy of its own, as would each step of its reading.
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        outside = onnx.TensorProto(name=name, data_type=kind, dims=value.shape)
        outside.data_location = onnx.TensorProto.EXTERNAL
        outside.external_data.add(key="location", value=_BESIDE)
        self._constants.append(outside)
        self._large[name] = value
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

    def __init__(self, model: bytes, large: Mapping[str, NDArray[Any]], threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Memory goes back after each run, and no thread spins between contacts.
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in large.values()]
        options.add_external_initializers(list(large), values)
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def __call__(self, values: NDArray[np.floating]) -> list[Array]:
        """All outputs of one input."""
        given = np.ascontiguousarray(values, np.float32)
        return [np.asarray(out, np.float32) for out in self._session.run(None, {"in": given})]
