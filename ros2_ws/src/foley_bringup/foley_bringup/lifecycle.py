"""The lifecycle manager's decisions, without ROS.

The manager's node feeds in what it sees (heartbeats, lost liveliness, answers) and carries out the actions that
:meth:`LifecycleCore.step` returns. Truth about a node's state is its heartbeat; the answer to a transition only
anticipates it. Requests and answers may get lost (a service of a killed process stays visible for a
while), so a node that goes on beating in its old state is asked again.

Nodes are configured side by side as they appear, since each has its own process, and activated strictly in order.
After start-up each node is taken back to its target by itself. What somebody else brought down is left so, until
~/startup, an activation by hand, or a new process.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Sequence

UNCONFIGURED, INACTIVE, ACTIVE, FINALIZED = STEADY = ("unconfigured", "inactive", "active", "finalized")

# A beat in the old state this long after a request was sent means that the request was not received:
# transitions run in the thread that beats.
RESEND_AFTER_S = 1.5
UNHEARD_BEFORE_KILL = 5
"""So many requests in a row that were not received mean a process that cannot hear: shared memory that a killed one
held may leave its successor without a port."""
HELD_AFTER_BEATS = 2
"""So many beats in a row below the state that it was brought to: one may have been on its way before an answer."""
HELD = "not by the lifecycle manager: left so until ~/startup or somebody activates it"
# Nodes tell the reason of a refusal in their diagnostics, once a second.
REASON_WAIT_S = 2.0


@dataclasses.dataclass(frozen=True)
class ManagerConfig:
    """Parameters of the lifecycle manager."""

    system_file: str = dataclasses.field(
        default="", metadata={"doc": "system file; empty: the installed one"}
    )
    nodes: tuple[str, ...] = dataclasses.field(
        default=(),
        metadata={"doc": "names of its nodes to manage, in any order; empty: all that need no simulator"},
    )
    autostart: bool = dataclasses.field(
        default=True, metadata={"doc": "begin at once; false: wait for ~/startup"}
    )
    appear_timeout_s: float = dataclasses.field(
        default=60.0, metadata={"doc": "[s] longest wait for a node's first heartbeat during start-up"}
    )
    transition_timeout_s: float = dataclasses.field(default=90.0, metadata={"doc": "[s] longest transition"})
    startup_attempts: int = dataclasses.field(
        default=3, metadata={"doc": "refusals of one transition before start-up counts as failed"}
    )
    retry_delay_s: float = dataclasses.field(
        default=1.0, metadata={"doc": "[s] pause after a refused transition"}
    )
    hang_timeout_s: float = dataclasses.field(
        default=2.0, metadata={"doc": "[s] after lost liveliness a living process is killed; 0: never"}
    )
    configure_hang_timeout_s: float = dataclasses.field(
        default=15.0, metadata={"doc": "[s] the same for one that is being configured; 0: never"}
    )
    exit_on_failure: bool = dataclasses.field(
        default=True, metadata={"doc": "end with exit code 3 when start-up fails"}
    )
    force: bool = dataclasses.field(
        default=False, metadata={"doc": "start although another manager of this name is at work"}
    )
    ready_file: str = dataclasses.field(
        default="", metadata={"doc": "file that exists while the system is up, for scripts; empty: none"}
    )

    def __post_init__(self) -> None:
        for name in ("appear_timeout_s", "transition_timeout_s", "retry_delay_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}, must be positive")
        for name in ("hang_timeout_s", "configure_hang_timeout_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value}, must not be negative (0: never kill)")
        if self.startup_attempts < 1:
            raise ValueError(f"startup_attempts is {self.startup_attempts}, must be at least 1")


class Stage(enum.Enum):
    """What the manager is about."""

    IDLE = "idle"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclasses.dataclass(frozen=True)
class Change:
    """Ask a node for a transition: configure, activate, deactivate or cleanup."""

    node: str
    transition: str


@dataclasses.dataclass(frozen=True)
class Kill:
    """End a process that lives but does not beat."""

    node: str


Action = Change | Kill


@dataclasses.dataclass
class Tracked:
    """What is known of one node."""

    name: str
    state: str = ""  # of the last heartbeat; empty: not there
    lost_at: float | None = None
    pending: str = ""  # transition under way
    pending_since: float = 0.0
    pending_from: str = ""
    refusals: int = 0
    retry_at: float = 0.0
    reason: str = ""  # why the last transition was refused, in the node's own words
    returns: int = 0  # how often it came back from the dead
    killed: bool = False
    unheard: int = 0  # requests in a row that it did not receive
    sequence: int = 0  # of the last heartbeat; a new process counts anew
    lower: int = 0  # beats in a row below its state, which nobody of ours asked for
    held: bool = False  # somebody else brought it down: left alone
    patience_s: float = 0.0  # that it asks for before it is killed

    @property
    def alive(self) -> bool:
        return bool(self.state) and self.lost_at is None


_UP = {UNCONFIGURED: "configure", INACTIVE: "activate"}
_DOWN = {ACTIVE: "deactivate", INACTIVE: "cleanup"}
_RANK = {FINALIZED: 0, UNCONFIGURED: 1, INACTIVE: 2, ACTIVE: 3}
AFTER = {"configure": INACTIVE, "activate": ACTIVE, "deactivate": INACTIVE, "cleanup": UNCONFIGURED}


class LifecycleCore:
    """Where every node stands and what is to be done next. Times are monotonic seconds."""

    def __init__(self, names: Sequence[str], config: ManagerConfig) -> None:
        self.nodes = {name: Tracked(name) for name in names}
        self.config = config
        self.stage = Stage.IDLE
        self.failure = ""
        self._since = 0.0
        self._was_running = False  # before ~/startup

    # ---- what is seen ----------------------------------------------------------------------------------
    def heartbeat(self, name: str, state: str, now: float, sequence: int = 0) -> None:
        """A node's heart beats. ``sequence`` counts its process's beats from 1; 0 is unknown."""
        node = self.nodes[name]
        anew = 0 < sequence <= node.sequence if sequence else (node.state, state) == (ACTIVE, UNCONFIGURED)
        node.sequence = sequence
        if anew:
            node.lower, node.held = 0, False
        if state not in STEADY:
            node.lost_at = None  # in the middle of a transition: alive, and more is told when it is over
            return
        if not anew and self._is_brought_down(node, state):
            return
        silent = node.lost_at is not None and not node.pending  # a long transition is silent as well
        if silent or (anew and self.stage is Stage.RUNNING):
            node.returns += 1
            node.refusals, node.retry_at = 0, 0.0
        if node.pending and state == node.pending_from and now - node.pending_since > RESEND_AFTER_S:
            node.unheard += node.lost_at is None
            node.pending = ""
        elif node.lost_at is not None or (node.pending and state != node.pending_from):
            node.pending = ""
        if state != node.state:
            node.unheard = 0
        node.state, node.lost_at, node.killed = state, None, False
        if state in (INACTIVE, ACTIVE):
            node.reason = ""

    def _is_brought_down(self, node: Tracked, state: str) -> bool:
        """Whether a beat below the node's state is to be waited out; the second in a row holds the node there."""
        if state == ACTIVE:
            node.held = False
        running = self.stage is Stage.RUNNING
        down = running and node.alive and not node.pending and _RANK[state] < _RANK.get(node.state, 0)
        node.lower = node.lower + 1 if down else 0
        node.held |= node.lower >= HELD_AFTER_BEATS
        return 0 < node.lower < HELD_AFTER_BEATS

    def asks_patience(self, name: str, seconds: float) -> None:
        """The node's diagnostics say how long it is to be waited for, should it hang now."""
        self.nodes[name].patience_s = seconds

    def lost(self, name: str, now: float) -> None:
        """No heartbeat within the lease: the process is dead or hangs, or a transition takes long."""
        node = self.nodes[name]
        if node.lost_at is None and node.state:
            node.lost_at = now

    def answered(self, name: str, transition: str, success: bool, now: float) -> None:
        node = self.nodes[name]
        if node.pending != transition:
            return  # given up meanwhile
        node.pending = ""
        node.unheard = 0
        node.lost_at = None  # it was busy, not gone
        if success:
            node.state, node.refusals, node.reason = AFTER[transition], 0, ""
        else:
            node.refusals += 1
            node.retry_at = now + self.config.retry_delay_s

    def complained(self, name: str, reason: str) -> None:
        """A node's diagnostics say what went wrong."""
        self.nodes[name].reason = reason

    # ---- what is wanted --------------------------------------------------------------------------------
    def startup(self, now: float) -> None:
        """Take every node up, also those that somebody else brought down."""
        holding = any(node.held for node in self.nodes.values())
        if self.stage is Stage.STARTING or (self.stage is Stage.RUNNING and not holding):
            return
        self._was_running = self.stage is Stage.RUNNING
        self.stage, self._since, self.failure = Stage.STARTING, now, ""
        for node in self.nodes.values():
            node.refusals, node.retry_at = 0, 0.0
            node.lower, node.held = 0, False

    def shutdown(self, now: float) -> None:
        if self.stage not in (Stage.STOPPING, Stage.STOPPED):
            self.stage, self._since = Stage.STOPPING, now
            for node in self.nodes.values():
                node.pending, node.refusals, node.retry_at = "", 0, 0.0

    # ---- what to do ------------------------------------------------------------------------------------
    def step(self, now: float) -> list[Action]:
        actions: list[Action] = []
        if self.stage in (Stage.STARTING, Stage.RUNNING):
            earlier_active = True
            for node in self.nodes.values():
                actions += self._towards_active(node, earlier_active or self.stage is Stage.RUNNING, now)
                earlier_active = earlier_active and node.alive and node.state == ACTIVE
            if self.stage is Stage.STARTING:
                self._judge_startup(earlier_active, now)
        elif self.stage is Stage.STOPPING:
            later_down = True
            for node in reversed(self.nodes.values()):
                if later_down:
                    actions += self._change(node, _DOWN.get(node.state, ""), now)
                later_down = later_down and not (node.alive and node.state in _DOWN)
            if later_down or now - self._since > self.config.transition_timeout_s:
                self.stage = Stage.STOPPED
        return actions

    def _towards_active(self, node: Tracked, may_activate: bool, now: float) -> list[Action]:
        if node.pending and now - node.pending_since > self.config.transition_timeout_s:
            node.reason = f"{node.pending} took longer than {self.config.transition_timeout_s:g} s"
            node.pending = ""
            node.refusals += 1
            node.killed = True
            return [Kill(node.name)]
        if node.lost_at is not None:
            return self._kill_if_hung(node, now)
        if node.unheard >= UNHEARD_BEFORE_KILL and not node.pending:
            node.unheard = 0
            return [Kill(node.name)]
        if node.held or node.lower:
            return []
        wanted = _UP.get(node.state, "")
        return [] if wanted == "activate" and not may_activate else self._change(node, wanted, now)

    def _change(self, node: Tracked, transition: str, now: float) -> list[Action]:
        if not transition or node.pending or not node.alive or now < node.retry_at:
            return []
        node.pending, node.pending_since, node.pending_from = transition, now, node.state
        return [Change(node.name, transition)]

    def _kill_if_hung(self, node: Tracked, now: float) -> list[Action]:
        assert node.lost_at is not None
        # A node that is being configured beats from a thread of its own, which imports and loading may delay.
        configuring = node.pending == "configure"
        patience = self.config.configure_hang_timeout_s if configuring else self.config.hang_timeout_s
        if not patience or node.killed or now - node.lost_at < max(patience, node.patience_s):
            return []
        node.pending = ""
        node.killed = True
        return [Kill(node.name)]

    def _judge_startup(self, all_active: bool, now: float) -> None:
        if all_active:
            self.stage, self.failure = Stage.RUNNING, ""
            return
        for node in self.nodes.values():
            if node.refusals >= self.config.startup_attempts:
                if not node.reason and now < node.retry_at + REASON_WAIT_S:
                    continue
                refused = f"refused its transition {node.refusals} times"
                self.failure = f"{node.name}: {node.reason or refused}"
            elif not node.state and now - self._since > self.config.appear_timeout_s:
                self.failure = (
                    f"{node.name}: no heartbeat within {self.config.appear_timeout_s:g} s; does it run?"
                )
            elif node.state == FINALIZED:
                self.failure = f"{node.name}: is finalized; start its process again"
            else:
                continue
            # What ran before goes on, and what cannot be taken up is tried again.
            self.stage = Stage.RUNNING if self._was_running else Stage.FAILED
            return

    # ---- what to tell ----------------------------------------------------------------------------------
    def states(self) -> dict[str, str]:
        """One word or sentence per node."""
        return {
            node.name: "not seen yet"
            if not node.state
            else "lost"
            if node.lost_at is not None and not node.pending
            else (node.state + (f", {node.pending} under way" if node.pending else ""))
            + (f" ({node.reason})" if node.reason else "")
            + (f" ({HELD})" if node.held else "")
            for node in self.nodes.values()
        }

    def count_active(self) -> int:
        return sum(node.alive and node.state == ACTIVE for node in self.nodes.values())
