"""The live page's node in a thread, its server in this one."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Sequence

import rclpy
import uvicorn
from rclpy.signals import SignalHandlerOptions

from foley_bringup.ros.watcher import WatchNode
from foley_bringup.watch.server import LOOPBACK, make_app
from foley_ros.executor import GuardedExecutor


def serve(listener: socket.socket, ros_arguments: Sequence[str], *, token: str, alone: bool) -> int:
    """Until Ctrl-C. Returns the exit code.

    Args:
        alone: whether only this machine may ask.
    """
    rclpy.init(args=list(ros_arguments), signal_handler_options=SignalHandlerOptions.NO)
    node = WatchNode()
    executor = GuardedExecutor(node.failed)
    executor.add_node(node)
    ended = threading.Event()

    def spin() -> None:
        while not ended.is_set():
            try:
                executor.spin_once(timeout_sec=0.2)
            except Exception as error:  # noqa: BLE001 - the page must outlive a bad message
                node.failed("executor", error)
                ended.wait(0.05)

    thread = threading.Thread(target=spin, name="executor", daemon=True)
    try:
        node.trigger_configure()
        node.trigger_activate()
        if not node.active:
            sys.stderr.write("foley watch: error: a parameter is refused, see above\n")
            return 2
        thread.start()
        app = make_app(node, token=token, hosts=LOOPBACK if alone else ("*",))
        config = uvicorn.Config(app, log_level="warning", server_header=False, date_header=False)
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        ended.set()
        if thread.is_alive():
            thread.join(5)
        executor.remove_node(node)
        executor.shutdown()
        node.trigger_shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
    return 0
