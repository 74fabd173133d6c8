"""Processes that work for this one."""

from __future__ import annotations

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """To be called first in a worker process: it ends at once when the process that it works for is gone.

    Without this the workers of a killed command would live on, and write beside those of the next one.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="end with parent", daemon=True).start()
