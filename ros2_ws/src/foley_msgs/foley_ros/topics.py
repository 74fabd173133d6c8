"""Entries of the registry of topics (``foley_common.topics``) as message classes and QoS profiles."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
from pathlib import Path
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


def offered(topic: Topic) -> QoSProfile:
    """The QoS of its publisher: as :func:`profile`, but of what is latched only the newest is kept for who comes late.
    Those before it would reach him first, the oldest at once, and what they say may not hold any more.
    """
    return qos.NEWEST if profile(topic) is qos.LATCHED else profile(topic)


def type_name(message_type: type[Any]) -> str:
    """``package/msg/Name`` of a message class."""
    package, kind = message_type.__module__.split(".")[:2]
    return f"{package}/{kind}/{message_type.__name__}"


def installed(package: str) -> bool:
    """Whether a package's Python module is there, whatever it holds."""
    return importlib.util.find_spec(package) is not None


def installed_hash(message_type: str) -> str:
    """The hash of the definition that ``package/msg/Name`` has here, as RIHS01_...; empty where it is not told."""
    package, kind, name = message_type.split("/")
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        path = Path(prefix) / "share" / package / kind / f"{name}.json"
        if prefix and path.is_file():
            hashes = json.loads(path.read_text(encoding="utf-8")).get("type_hashes", [])
            return next((str(h["hash_string"]) for h in hashes if h["type_name"] == message_type), "")
    return ""


def hash_text(told: Any) -> str:
    """A publisher's type hash likewise; empty where it does not tell it."""
    text = str(told)
    return text if text.startswith("RIHS") else ""


def node_of(endpoint: Any) -> str:
    """The full name of the node that a publisher or subscription of the graph belongs to."""
    return f"{endpoint.node_namespace.rstrip('/')}/{endpoint.node_name}"
