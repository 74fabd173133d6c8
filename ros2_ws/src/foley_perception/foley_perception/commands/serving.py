"""A page that a command serves until Ctrl-C."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable


def serve(host: str, port: int, may: str, close: Callable[[], None]) -> int:
    """Say where a page is, and what strangers ``may`` do there; keep it until Ctrl-C, then close it. Exit code 0."""
    from foley_perception.gaussians.viewer import is_loopback

    if not is_loopback(host):
        print(f"foley: anyone who reaches {host}:{port} can {may}", file=sys.stderr)
    print(f"http://{host}:{port}  (Ctrl-C ends it)", flush=True)
    try:
        while True:
            time.sleep(1.0)
    except KeyboardInterrupt:
        return 0
    finally:
        close()
