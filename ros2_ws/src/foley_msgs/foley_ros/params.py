"""ROS parameters from a frozen dataclass, by reflection.

A node's configuration is a frozen dataclass in a pure module. Its fields become ROS parameters here, and
only here: the field's name is the parameter's name, its default the default, and ``metadata["doc"]`` the
description that ``ros2 param describe`` shows. The dataclass refuses bad values in ``__post_init__`` by
raising ``ValueError`` that names the field and the value.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from typing import Any, TypeVar

from rcl_interfaces.msg import ParameterDescriptor, ParameterType
from rclpy.exceptions import InvalidParameterTypeException, ParameterUninitializedException
from rclpy.node import Node

Config = TypeVar("Config")

_SCALARS: dict[type, int] = {
    bool: ParameterType.PARAMETER_BOOL,
    int: ParameterType.PARAMETER_INTEGER,
    float: ParameterType.PARAMETER_DOUBLE,
    str: ParameterType.PARAMETER_STRING,
}
_ELEMENTS: dict[type, int] = {
    bool: ParameterType.PARAMETER_BOOL_ARRAY,
    int: ParameterType.PARAMETER_INTEGER_ARRAY,
    float: ParameterType.PARAMETER_DOUBLE_ARRAY,
    str: ParameterType.PARAMETER_STRING_ARRAY,
}


class ConfigError(ValueError):
    """A configuration was refused; the message names the parameter, its value and the cure."""


def _element_type(annotation: Any) -> type | None:
    """The element type of ``tuple[X, ...]``, or None for a scalar."""
    origin = typing.get_origin(annotation)
    if origin is tuple:
        arguments = typing.get_args(annotation)
        if len(set(arguments) - {Ellipsis}) == 1:
            return typing.cast(type, arguments[0])
    return None


def _check_supported(owner: type, name: str, annotation: Any) -> None:
    element = _element_type(annotation)
    kind = _ELEMENTS.get(element) if element is not None else _SCALARS.get(annotation)
    if kind is None or isinstance(annotation, types.UnionType):
        raise TypeError(
            f"{owner.__name__}.{name}: {annotation!r} cannot be a ROS parameter; "
            "use bool, int, float, str or a tuple of one of them"
        )


def declare(node: Node, config_type: type[Config]) -> None:
    """Declare one ROS parameter per field of the dataclass ``config_type``."""
    hints = typing.get_type_hints(config_type)
    for field in dataclasses.fields(config_type):  # type: ignore[arg-type]
        annotation = hints[field.name]
        _check_supported(config_type, field.name, annotation)
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if default is dataclasses.MISSING:
            raise TypeError(f"{config_type.__name__}.{field.name} needs a default to be a ROS parameter")
        # An empty list carries no element type in ROS, so sequences are declared dynamically typed
        # and checked when read.
        sequence = _element_type(annotation) is not None
        descriptor = ParameterDescriptor(
            description=str(field.metadata.get("doc", "")),
            dynamic_typing=sequence or annotation is float,  # `rate: 30` in YAML is an integer
        )
        node.declare_parameter(field.name, list(default) if sequence else default, descriptor)


def read(node: Node, config_type: type[Config]) -> Config:
    """Build ``config_type`` from the node's current parameters.

    Raises:
        ConfigError: a value has the wrong type or is refused by the dataclass.
    """
    hints = typing.get_type_hints(config_type)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(config_type):  # type: ignore[arg-type]
        try:
            value = node.get_parameter(field.name).value
        except (ParameterUninitializedException, InvalidParameterTypeException) as error:
            raise ConfigError(f"parameter `{field.name}`: {error}") from error
        values[field.name] = _coerce(field.name, value, hints[field.name])
    try:
        return config_type(**values)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def unknown(node: Node) -> list[str]:
    """A sentence for each parameter that the node was given and does not have, such as one that is misspelt.

    They are told, not refused: a file for several nodes (``/**``) names parameters of the others too.
    """
    found = []
    for name in sorted(node._parameter_overrides):  # rclpy shows undeclared ones nowhere else
        if node.has_parameter(name) or name.startswith("qos_overrides."):
            continue
        near = difflib.get_close_matches(name, node.list_parameters([], 0).names, n=1)
        cure = f"; is `{near[0]}` meant?" if near else ""
        found.append(
            f"parameter `{name}` was given, this node has none of that name, and it changes nothing{cure}"
        )
    return found


def _coerce(name: str, value: Any, annotation: Any) -> Any:
    element = _element_type(annotation)
    if element is not None:
        if value is None:
            return ()
        if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
            raise ConfigError(f"parameter `{name}` is {value!r}, expected a list of {element.__name__}")
        return tuple(_coerce(f"{name}[{i}]", item, element) for i, item in enumerate(value))
    if annotation is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, annotation) or (annotation is int and isinstance(value, bool)):
        raise ConfigError(
            f"parameter `{name}` is {value!r} ({type(value).__name__}), expected {annotation.__name__}"
        )
    return value
