"""Services and actions, asked without waiting: futures that fail where nobody serves them or answers in time."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from typing import Any

from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future

_FOR_EVER_S = float("inf")
_LOOK_S = 0.01


class AskedError(RuntimeError):
    """A question was refused or nobody answers it; the text says what to do.

    Attributes:
        code: ``ERROR_*`` of the service or action; 0 where nobody answered.
    """

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


def over(future: Future) -> bool:
    """Whether nothing will come of it any more."""
    return bool(future.done() or future.cancelled())


def fail(future: Future, error: AskedError) -> None:
    """Unless it is over."""
    if not over(future):
        future.set_exception(error)


def answer(future: Future, timeout_s: float | None = None) -> Any:
    """Wait for a future in a thread that is not the executor's, such as a planner's; its result.

    Raises:
        AskedError: it failed, was cancelled, or the time is over.
    """
    deadline = time.monotonic() + (_FOR_EVER_S if timeout_s is None else timeout_s)
    while not over(future):
        if time.monotonic() > deadline:
            raise AskedError(
                f"no answer within {timeout_s:g} s: does another thread spin the node's executor?"
            )
        time.sleep(_LOOK_S)
    if future.cancelled():
        raise AskedError("it was cancelled")
    return future.result()


@dataclasses.dataclass
class _Question:
    future: Future
    server: str
    ready: Callable[[], bool]
    send: Callable[[], None]
    answers_late: bool
    deadline_s: float  # of the monotonic clock
    sent: bool = False


class Questions:
    """Questions that wait for their server or for the answer; any thread may ask.

    Args:
        patience_s: for which a server is waited for, and then again for its answer.
    """

    def __init__(self, node: Node, patience_s: float) -> None:
        self._node = node
        self._patience_s = patience_s
        self._lock = threading.RLock()
        self._waiting: list[_Question] = []

    def call(
        self, client: Client, request: Any, read: Callable[[Any], Any] = lambda response: response
    ) -> Future:
        """A future of what ``read`` makes of a service's response.

        It fails where that has an ``error_code``, or ``read`` raises ValueError.
        """
        future = Future(executor=self._node.executor)

        def answered(response_future: Future) -> None:
            response = response_future.result()
            if code := getattr(response, "error_code", 0):
                fail(future, AskedError(response.error_msg, int(code)))
                return
            try:
                answer = read(response)
            except ValueError as error:
                fail(future, AskedError(f"{client.srv_name}: {error}"))
            else:
                if not over(future):
                    future.set_result(answer)

        self.ask(
            future,
            client.srv_name,
            client.service_is_ready,
            lambda: client.call_async(request).add_done_callback(answered),
        )
        return future

    def ask(
        self,
        future: Future,
        server: str,
        ready: Callable[[], bool],
        send: Callable[[], None],
        *,
        answers_late: bool = False,
    ) -> None:
        """Have ``send`` called once ``ready``. With ``answers_late`` no deadline is set for the answer."""
        question = _Question(future, server, ready, send, answers_late, time.monotonic() + self._patience_s)
        with self._lock:
            self._waiting.append(question)
        self.look()

    def look(self) -> None:
        """Send what has a server now, and give up what waited too long; to be called now and then."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            for question in waiting:
                self._one(question)
            self._waiting += [question for question in waiting if not over(question.future)]

    def give_up(self, why: str) -> None:
        """Fail all that wait."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for question in waiting:
            fail(question.future, AskedError(f"{question.server}: {why}"))

    def _one(self, question: _Question) -> None:
        now = time.monotonic()
        if over(question.future):
            return
        if not question.sent and question.ready():
            question.sent = True
            question.deadline_s = _FOR_EVER_S if question.answers_late else now + self._patience_s
            question.send()
        elif now > question.deadline_s:
            what = "does not answer" if question.sent else "is not there"
            cure = "is its node up, active, and in this namespace and ROS domain?"
            fail(question.future, AskedError(f"{question.server} {what}: {cure}"))
