"""Import heavy modules while the process waits for its first transition.

After a crash a node has to be back within seconds, and importing torch takes half of them. The manager needs
a second or two to find the new process; the import is done by then.
"""

from __future__ import annotations

import contextlib
import importlib
import threading


def preload(*modules: str) -> threading.Thread:
    """Begin to import modules in a thread. What cannot be imported is said where it is used."""

    def load() -> None:
        for module in modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(module)

    thread = threading.Thread(target=load, name="preload")
    thread.start()
    return thread
