"""A problem expert and domain expert with PlanSys2's services, and what tells it predicates: two processes.

    python fake_problem_expert.py expert      # the services; its problem as JSON on /problem, latched
    python fake_problem_expert.py mirror      # foley_bringup.ros.plansys2.ProblemExpert beside a PredicateClient

Both need an overlay with `plansys2_msgs`. The expert refuses what PlanSys2's refuses: a type that the domain does not
have, an instance of another type, a predicate that the domain does not have or of arguments that are no instances.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import rclpy
from std_msgs.msg import String

from foley_ros import qos

DOMAIN = dict.fromkeys(("is_made_of_metal", "unknown_is_made_of_metal", "is_hollow", "robot_at"), ("thing",))
TYPES = ("thing", "robot")


def expert() -> None:
    from plansys2_msgs.msg import Node, Param
    from plansys2_msgs.srv import AffectNode, AffectParam, GetProblemInstances, GetStates

    node = rclpy.create_node("problem_expert")
    publisher = node.create_publisher(String, "problem", qos.LATCHED)
    instances: dict[str, str] = {}
    held: list[Any] = [
        Node(node_type=Node.PREDICATE, name="robot_at", parameters=[Param(name="dock", type="thing")])
    ]
    history: list[str] = []

    def atom(predicate: Any) -> str:
        return " ".join((predicate.name, *(p.name for p in predicate.parameters)))

    def tell(what: str) -> None:
        history.append(what)
        problem = {"instances": instances, "predicates": sorted(map(atom, held)), "history": history}
        publisher.publish(String(data=json.dumps(problem)))

    def valid(predicate: Any) -> bool:
        types = DOMAIN.get(predicate.name)
        found = tuple(instances.get(p.name) for p in predicate.parameters)
        return predicate.node_type == Node.PREDICATE and types == found

    def add_instance(request: Any, response: Any) -> Any:
        kind = request.param.type.lower()
        response.success = kind in TYPES and instances.get(request.param.name, kind) == kind
        if response.success:
            instances[request.param.name] = kind
            tell(f"add {request.param.name}")
        else:
            response.error_info = f"Instance {request.param.name} not valid"
        return response

    def add(request: Any, response: Any) -> Any:
        response.success = atom(request.node) in map(atom, held) or valid(request.node)
        if response.success:
            held.append(request.node)
            tell(f"add {atom(request.node)}")
        else:
            response.error_info = f"Predicate [({atom(request.node)})] not valid"
        return response

    def remove(request: Any, response: Any) -> Any:
        response.success = valid(request.node)
        if response.success:
            held[:] = [one for one in held if atom(one) != atom(request.node)]
            tell(f"remove {atom(request.node)}")
        else:
            response.error_info = "Error removing predicate"
        return response

    def get_instances(request: Any, response: Any) -> Any:
        response.success = True
        response.instances = [Param(name=name, type=kind) for name, kind in instances.items()]
        return response

    def get_predicates(request: Any, response: Any) -> Any:
        response.success, response.states = True, held
        return response

    def get_domain(request: Any, response: Any) -> Any:
        response.success = True
        response.states = [
            Node(
                node_type=Node.PREDICATE,
                name=name,
                parameters=[Param(name=f"?x{i}", type=kind) for i, kind in enumerate(types)],
            )
            for name, types in DOMAIN.items()
        ]
        return response

    node.create_service(AffectParam, "problem_expert/add_problem_instance", add_instance)
    node.create_service(AffectNode, "problem_expert/add_problem_predicate", add)
    node.create_service(AffectNode, "problem_expert/remove_problem_predicate", remove)
    node.create_service(GetProblemInstances, "problem_expert/get_problem_instances", get_instances)
    node.create_service(GetStates, "problem_expert/get_problem_predicates", get_predicates)
    node.create_service(GetStates, "domain_expert/get_domain_predicates", get_domain)
    tell("begin")
    rclpy.spin(node)


def mirror() -> None:
    from foley_bringup.ros.plansys2 import ProblemExpert
    from foley_ros.predicate_client import PredicateClient

    node = rclpy.create_node("mirror")
    publisher = node.create_publisher(String, "report", qos.LATCHED)
    expert = ProblemExpert(node, PredicateClient(node), owned=["is_made_of_metal"], patience_s=60.0)
    said: list[Any] = [None]

    def tell() -> None:
        if expert.report != said[0]:
            said[0] = expert.report
            publisher.publish(String(data=json.dumps([expert.report.told, expert.report.troubles])))

    node.create_timer(0.05, tell)
    rclpy.spin(node)


if __name__ == "__main__":
    rclpy.init()
    {"expert": expert, "mirror": mirror}[sys.argv[1]]()
