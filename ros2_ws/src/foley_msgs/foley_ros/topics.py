"""Entries of the registry of topics (``foley_common.topics``) as message classes and QoS profiles."""

from __future__ import annotations

import importlib
from typing import Any

from rclpy.qos import QoSProfile

from foley_common.topics import Topic
from foley_ros import qos


def message_class(message_type: str) -> type[Any]:
    """The class of ``package/msg/Name``.

    Raises:
        ModuleNotFoundError, AttributeError: it is not installed.
    """
    package, kind, name = message_type.split("/")
    found: type[Any] = getattr(importlib.import_module(f"{package}.{kind}"), name)
    return found


def message_type(topic: Topic) -> type[Any]:
    """The message class of a topic.

    Raises:
        ModuleNotFoundError, AttributeError: its package is not installed, or has no such message.
    """
    return message_class(topic.type)


def profile(topic: Topic) -> QoSProfile:
    """The QoS that its publisher and the nodes that listen to it use."""
    return qos.PROFILES[topic.qos]


def type_name(message_type: type[Any]) -> str:
    """``package/msg/Name`` of a message class."""
    package, kind = message_type.__module__.split(".")[:2]
    return f"{package}/{kind}/{message_type.__name__}"
