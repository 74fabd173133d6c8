"""PlanSys2's problem expert is told what Foley believes, whenever that changes.

    expert = ProblemExpert(node, client)    # a PredicateClient of the same node
    expert.report                           # what was told last, and what could not be

It needs `plansys2_msgs`, which is looked for when it is made. What it tells stays in the problem expert when this
process is killed, because PlanSys2 knows no lease: let whoever plans end with it, or look at `predicates` before it
acts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from rclpy.node import Node

from foley_bringup.planners.optional import needed
from foley_bringup.planners.plansys2 import Service, Write, writes
from foley_ros.predicate_client import PredicateClient
from foley_ros.questions import AskedError, Questions

CURE = "install ros-jazzy-plansys2-msgs, or source the workspace that PlanSys2 was built in"
_PERIOD_S = 0.1
_AGAIN_S = 2.0  # after a failure


@dataclasses.dataclass(frozen=True)
class Report:
    """What came of telling it."""

    told: int  # calls that were made
    troubles: tuple[str, ...]  # what could not be told, and why


class ProblemExpert:
    """Keeps the problem of PlanSys2 as Foley's predicates are.

    Args:
        owned: names of Foley's predicates, so that those left by a process before this one are taken back as well.
        namespace: of PlanSys2's nodes; relative to the node's own, or absolute.

    Raises:
        PlannerMissingError: plansys2_msgs is not installed.
    """

    def __init__(
        self,
        node: Node,
        client: PredicateClient,
        *,
        owned: Iterable[str] = (),
        namespace: str = "",
        patience_s: float = 5.0,
    ) -> None:
        self._msg, self._srv = needed("plansys2_msgs.msg", CURE), needed("plansys2_msgs.srv", CURE)
        self.report = Report(0, ("nothing was told yet",))
        self._node, self._client, self._owned = node, client, set(owned)
        self._questions = Questions(node, patience_s)
        prefix = f"{namespace.rstrip('/')}/" if namespace else ""
        of = {
            "domain_expert/get_domain_predicates": self._srv.GetStates,
            "problem_expert/get_problem_predicates": self._srv.GetStates,
            "problem_expert/get_problem_instances": self._srv.GetProblemInstances,
            f"problem_expert/{Service.ADD_INSTANCE.value}": self._srv.AffectParam,
            f"problem_expert/{Service.ADD_PREDICATE.value}": self._srv.AffectNode,
            f"problem_expert/{Service.REMOVE_PREDICATE.value}": self._srv.AffectNode,
        }
        self._clients = {name: node.create_client(kind, prefix + name) for name, kind in of.items()}
        self._changed, self._busy, self._not_before_ns = True, False, 0
        client.on_change(lambda facts: self.tell())
        self._timer = node.create_timer(_PERIOD_S, self._tick)

    def tell(self) -> None:
        """Bring the problem to what is known now, although nothing changed: as when PlanSys2 was started again."""
        self._changed = True

    def destroy(self) -> None:
        """Take everything out of the node. What was told stays told."""
        self._node.destroy_timer(self._timer)
        self._questions.give_up("it was destroyed")
        for client in self._clients.values():
            self._node.destroy_client(client)

    def _tick(self) -> None:
        self._questions.look()
        now_ns = self._node.get_clock().now().nanoseconds
        if self._changed and not self._busy and now_ns >= self._not_before_ns:
            self._changed, self._busy = False, True
            self._node.executor.create_task(self._bring)

    async def _bring(self) -> None:
        told, troubles = 0, []
        try:
            domain = {
                node.name: tuple(parameter.type for parameter in node.parameters)
                for node in (await self._ask("domain_expert/get_domain_predicates")).states
            }
            instances = (await self._ask("problem_expert/get_problem_instances")).instances
            states = (await self._ask("problem_expert/get_problem_predicates")).states
            found = writes(
                self._client.facts(),
                domain,
                {instance.name for instance in instances},
                {(node.name, tuple(p.name for p in node.parameters)) for node in states},
                owned=self._owned,
            )
            troubles += found.troubles
            for write in found.writes:
                try:
                    await self._write(write)
                    told += 1
                except AskedError as error:
                    troubles.append(f"{write}: {error}")
        except AskedError as error:
            troubles.append(str(error))
            self._changed = True
            self._not_before_ns = self._node.get_clock().now().nanoseconds + round(_AGAIN_S * 1e9)
        if troubles and tuple(troubles) != self.report.troubles:
            self._node.get_logger().warning("PlanSys2: " + "; ".join(troubles))
        self.report = Report(told, tuple(troubles))
        self._busy = False

    async def _write(self, write: Write) -> None:
        types = write.types
        if write.service is Service.ADD_INSTANCE:
            await self._ask(write.service, param=self._msg.Param(name=write.name, type=types[0]))
            return
        node = self._msg.Node(node_type=self._msg.Node.PREDICATE, name=write.name)
        node.parameters = [
            self._msg.Param(name=name, type=kind) for name, kind in zip(write.arguments, types, strict=True)
        ]
        await self._ask(write.service, node=node)

    def _ask(self, service: str | Service, **fields: Any) -> Any:
        """A future of the response. It fails where PlanSys2 refuses."""
        name = f"problem_expert/{service.value}" if isinstance(service, Service) else service
        client = self._clients[name]

        def read(response: Any) -> Any:
            if not response.success:
                raise ValueError(response.error_info or "refused")
            return response

        return self._questions.call(client, client.srv_type.Request(**fields), read)
