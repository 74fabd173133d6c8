"""The lifecycle manager's decisions, step by step, in made-up time."""

from __future__ import annotations

import pytest

from foley_bringup.lifecycle import (
    ACTIVE,
    AFTER,
    FINALIZED,
    INACTIVE,
    UNCONFIGURED,
    Change,
    Kill,
    LifecycleCore,
    ManagerConfig,
    Stage,
)


class World:
    """Nodes that obey at once, beat every half second, and can be killed, hung and taught to refuse."""

    def __init__(self, names: str = "abc", **config: object) -> None:
        self.core = LifecycleCore(list(names), ManagerConfig(**config))  # type: ignore[arg-type]
        self.states: dict[str, str] = dict.fromkeys(names, UNCONFIGURED)
        self.silent: set[str] = set()
        self.refusing: dict[str, str] = {}
        self.deaf: set[str] = set()
        self.log: list[str] = []
        self.now = 0.0
        self._beat_at: dict[str, float] = dict.fromkeys(names, 0.0)
        self._beats: dict[str, int] = dict.fromkeys(names, 0)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now = round(self.now + 0.1, 6)
            for name, state in self.states.items():
                quiet_s = self.now - self._beat_at[name]
                if name not in self.silent and quiet_s >= 0.5:
                    self._beats[name] += 1
                    self.core.heartbeat(name, state, self.now, self._beats[name])
                    self._beat_at[name] = self.now
                elif quiet_s > 3.0:
                    self.core.lost(name, self.now)
            for action in self.core.step(self.now):
                self.log.append(
                    f"{action.node} {action.transition if isinstance(action, Change) else 'kill'}"
                )
                if isinstance(action, Change) and not {action.node} & (self.silent | self.deaf):
                    refused = self.refusing.get(action.node, "")
                    if refused:
                        self.core.complained(action.node, refused)
                    else:
                        self.states[action.node] = AFTER[action.transition]
                    self.core.answered(action.node, action.transition, not refused, self.now)
                elif isinstance(action, Kill):
                    self.restart(action.node)

    def restart(self, name: str) -> None:
        """Another process of the same name."""
        self.states[name] = UNCONFIGURED
        self._beats[name] = 0
        self.silent.discard(name)


def up(**config: object) -> World:
    world = World(**config)
    world.core.startup(world.now)
    world.run(5)
    assert world.core.stage is Stage.RUNNING
    world.log.clear()
    return world


def test_nothing_happens_before_start_up() -> None:
    world = World()
    world.run(3)
    assert not world.log and world.core.stage is Stage.IDLE


def test_nodes_are_activated_in_order() -> None:
    world = World()
    world.silent = {"a"}  # appears last
    world.core.startup(0.0)
    world.run(2)
    assert world.log == ["b configure", "c configure"]
    world.restart("a")
    world.run(4)
    assert [line for line in world.log if "activate" in line] == ["a activate", "b activate", "c activate"]
    assert world.core.stage is Stage.RUNNING and world.core.count_active() == 3


def test_a_manager_that_comes_later_leaves_active_nodes_alone() -> None:
    world = World()
    world.states = dict.fromkeys("abc", ACTIVE)
    world.core.startup(0.0)
    world.run(2)
    assert not world.log and world.core.stage is Stage.RUNNING


def test_a_node_that_returns_is_taken_back_alone() -> None:
    world = up()
    world.restart("b")
    world.run(3)
    assert world.log == ["b configure", "b activate"]
    assert world.core.nodes["b"].returns == 1 and world.core.nodes["a"].returns == 0


@pytest.mark.parametrize("state", [INACTIVE, UNCONFIGURED])
def test_a_transition_that_somebody_else_asked_for_is_left_alone(state: str) -> None:
    world = up()
    world.states["b"] = state
    world.run(30)
    assert not world.log and world.core.nodes["b"].held
    assert world.core.states()["b"].startswith(f"{state} (not by the lifecycle manager")
    assert world.core.count_active() == 2 and world.core.nodes["b"].returns == 0


def test_what_is_held_is_free_again_when_somebody_activates_it() -> None:
    world = up()
    world.states["b"] = INACTIVE
    world.run(3)
    world.states["b"] = ACTIVE
    world.run(2)
    assert not world.log and world.core.states()["b"] == ACTIVE and not world.core.nodes["b"].held


def test_what_is_held_is_taken_up_by_startup() -> None:
    world = up()
    world.states["b"] = UNCONFIGURED
    world.run(3)
    world.core.startup(world.now)
    assert world.core.stage is Stage.STARTING, "so that ~/startup answers when it is up"
    world.run(3)
    assert world.log == ["b configure", "b activate"] and world.core.stage is Stage.RUNNING


def test_what_cannot_be_taken_up_again_does_not_end_what_runs() -> None:
    world = up(startup_attempts=2)
    world.states["b"] = INACTIVE
    world.run(3)
    world.refusing = {"b": "could not activate: no camera"}
    world.core.startup(world.now)
    world.run(5)
    assert world.core.stage is Stage.RUNNING and world.core.failure == "b: could not activate: no camera"
    assert world.log.count("b activate") > 2, "it is tried again"


def test_a_held_node_whose_process_is_another_comes_back() -> None:
    world = up()
    world.states["b"] = INACTIVE
    world.run(3)
    world.restart("b")
    world.run(3)
    assert world.log == ["b configure", "b activate"] and world.core.count_active() == 3


def test_a_beat_that_was_on_its_way_holds_nothing() -> None:
    world = up()
    world.core.heartbeat("b", INACTIVE, world.now, 50)  # sent before the answer that was heard first
    assert world.core.step(world.now) == [] and not world.core.nodes["b"].held
    world.core.heartbeat("b", ACTIVE, world.now, 51)
    world.core.heartbeat("b", INACTIVE, world.now, 52)
    assert world.core.step(world.now) == [] and not world.core.nodes["b"].held


def test_a_node_may_ask_for_more_patience() -> None:
    world = up(hang_timeout_s=2.0)
    world.core.asks_patience("b", 30.0)
    world.silent.add("b")
    world.run(32)
    assert not world.log, "3 s until lost, 30 s of patience"
    world.run(5)
    assert world.log == ["b kill", "b configure", "b activate"]


def test_a_dead_node_is_lost_then_taken_back() -> None:
    world = up(hang_timeout_s=0.0)
    world.silent.add("b")
    world.run(5)
    assert world.core.states()["b"] == "lost" and world.core.count_active() == 2 and not world.log
    world.restart("b")
    world.run(3)
    assert world.core.count_active() == 3 and world.core.nodes["b"].returns == 1


def test_a_hung_node_is_killed_once_after_patience() -> None:
    world = up(hang_timeout_s=2.0)
    world.silent.add("b")
    world.run(5)
    assert not world.log, "3 s until lost, 2 s of patience"
    world.run(4)
    assert world.log == ["b kill", "b configure", "b activate"]


def test_a_hang_in_configuring_is_killed_after_a_patience_of_its_own() -> None:
    world = World(hang_timeout_s=1.0, configure_hang_timeout_s=6.0)
    world.core.startup(0.0)
    world.deaf = {"b"}
    world.run(1)
    world.silent.add("b")
    world.run(6)
    assert "b kill" not in world.log
    world.run(4)
    assert world.log.count("b kill") == 1
    world.deaf.clear()
    world.run(5)
    assert world.core.stage is Stage.RUNNING and world.core.nodes["b"].refusals == 0


def test_a_node_that_beats_while_it_configures_may_take_long() -> None:
    world = World(hang_timeout_s=1.0, configure_hang_timeout_s=1.0)
    world.core.startup(0.0)
    world.deaf = {"b"}
    world.run(1)
    world.states["b"] = "configuring"
    world.run(30)
    assert "b kill" not in world.log


def test_a_long_transition_is_not_a_hang() -> None:
    world = World(hang_timeout_s=1.0, configure_hang_timeout_s=0.0)
    world.core.startup(0.0)
    world.deaf = {"b"}
    world.run(1)
    world.silent.add("b")  # busy configuring
    world.run(20)
    assert "b kill" not in world.log
    world.states["b"] = INACTIVE
    world.silent.discard("b")
    world.deaf.clear()
    world.core.answered("b", "configure", True, world.now)
    world.run(5)
    assert world.core.stage is Stage.RUNNING and world.core.nodes["b"].returns == 0


def test_a_hang_in_activation_is_not_waited_out() -> None:
    world = World(hang_timeout_s=2.0, transition_timeout_s=90.0)
    world.deaf = {"b"}
    world.states["b"] = INACTIVE
    world.core.startup(0.0)
    world.run(1)
    assert "b activate" in world.log
    world.silent.add("b")
    world.run(8)
    assert "b kill" in world.log


def test_a_transition_that_never_ends_is_killed_and_told() -> None:
    world = World(
        transition_timeout_s=10.0, hang_timeout_s=1.0, configure_hang_timeout_s=0.0, startup_attempts=5
    )
    world.core.startup(0.0)
    world.deaf = {"b"}
    world.run(1)
    world.silent.add("b")
    world.run(14)
    assert "b kill" in world.log and "took longer than 10 s" in world.core.nodes["b"].reason


def test_a_lost_request_is_sent_again() -> None:
    world = World()
    world.core.startup(0.0)
    world.deaf = {"a"}
    world.run(5)
    assert world.log.count("a configure") >= 2
    world.deaf.clear()
    world.run(5)
    assert world.core.stage is Stage.RUNNING


def test_a_node_that_beats_but_never_hears_is_killed() -> None:
    world = World()
    world.core.startup(0.0)
    world.deaf = {"a"}
    world.run(7)
    assert "a kill" not in world.log
    world.run(4)
    assert world.log.count("a kill") == 1
    world.deaf.clear()
    world.run(5)
    assert world.core.stage is Stage.RUNNING


def test_configuring_that_never_ends_is_killed_although_it_beats() -> None:
    world = World(transition_timeout_s=10.0, startup_attempts=5)
    world.core.startup(0.0)
    world.deaf = {"b"}
    world.run(1)
    world.states["b"] = "configuring"
    world.run(12)
    assert "b kill" in world.log and "took longer than 10 s" in world.core.nodes["b"].reason


def test_refusals_fail_the_start_up_with_the_nodes_words() -> None:
    world = World(startup_attempts=3, retry_delay_s=0.5)
    world.refusing = {"b": "could not configure: no camera"}
    world.core.startup(0.0)
    world.run(10)
    assert world.core.stage is Stage.FAILED and world.core.failure == "b: could not configure: no camera"
    assert world.log.count("b configure") == 3
    world.refusing = {}
    world.core.startup(world.now)
    world.run(5)
    assert world.core.stage is Stage.RUNNING and world.core.failure == ""


def test_refusals_after_start_up_are_tried_for_ever() -> None:
    world = up(startup_attempts=2, retry_delay_s=1.0)
    world.refusing = {"b": "could not configure: no camera"}
    world.restart("b")
    world.run(20)
    assert world.core.stage is Stage.RUNNING and world.log.count("b configure") > 5
    assert "no camera" in world.core.states()["b"]
    world.refusing = {}
    world.run(3)
    assert world.core.count_active() == 3 and world.core.states()["b"] == ACTIVE


def test_a_node_that_never_appears_fails_the_start_up() -> None:
    world = World(appear_timeout_s=4.0)
    world.silent = {"c"}
    world.core.startup(0.0)
    world.run(6)
    assert world.core.stage is Stage.FAILED and world.core.failure.startswith("c: no heartbeat within 4 s")


def test_a_beat_in_the_middle_of_a_transition_tells_only_that_it_lives() -> None:
    world = up()
    world.core.shutdown(world.now)
    world.deaf = {"c"}
    world.run(0.2)
    world.core.heartbeat("c", "deactivating", world.now)
    assert world.core.nodes["c"].state == ACTIVE and world.core.nodes["c"].pending == "deactivate"
    assert world.core.step(world.now) == [] and world.core.stage is Stage.STOPPING


def test_a_finalized_node_fails_the_start_up() -> None:
    world = World()
    world.states["a"] = FINALIZED
    world.core.startup(0.0)
    world.run(2)
    assert world.core.stage is Stage.FAILED and "a: is finalized" in world.core.failure


def test_shutdown_goes_backwards_and_may_start_again() -> None:
    world = up()
    world.core.shutdown(world.now)
    world.run(8)
    assert world.core.stage is Stage.STOPPED
    assert [line[0] for line in world.log] == ["c", "c", "b", "b", "a", "a"]
    assert set(world.states.values()) == {UNCONFIGURED}
    world.core.startup(world.now)
    world.run(5)
    assert world.core.stage is Stage.RUNNING


@pytest.mark.parametrize(
    ("field", "value"),
    [("appear_timeout_s", 0.0), ("transition_timeout_s", float("nan")), ("retry_delay_s", -1.0),
     ("hang_timeout_s", -0.1), ("startup_attempts", 0)],
)  # fmt: skip
def test_config_names_what_it_refuses(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field} is {value}"):
        ManagerConfig(**{field: value})  # type: ignore[arg-type]
