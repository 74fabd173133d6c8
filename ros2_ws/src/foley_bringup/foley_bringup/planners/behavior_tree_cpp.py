"""XML of BehaviorTree.CPP 4 in which conditions are Foley's predicates.

    tree = sequence(knowing("is_made_of_metal", "mug"), action("Grasp", object="mug"))
    text = document({"Main": tree}, models=[model("Grasp", "Action", "object")])

Two nodes stand in it, which a robot's executor registers: the condition `IsPredicate`, of a generic subscriber that
keeps the newest snapshot of `predicates`, and the action `ObservePredicate`, of a client of `contact_advisor/observe`.
`arguments` is a list as BehaviorTree.CPP reads it, separated by `;`. A value in braces is an entry of the blackboard.

:func:`check` holds a text against the rules that the library checks when it reads one, and ports against the model.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping

FORMAT = "4"
IS_PREDICATE = "IsPredicate"
OBSERVE = "ObservePredicate"
EXPECTED = ("TRUE", "FALSE", "UNKNOWN", "KNOWN")
_CONTROL = frozenset(
    (
        *(
            "AsyncFallback",
            "AsyncSequence",
            "Fallback",
            "IfThenElse",
            "ManualSelector",
            "Parallel",
            "ParallelAll",
        ),
        *(
            "ReactiveFallback",
            "ReactiveSequence",
            "Sequence",
            "SequenceWithMemory",
            "TryCatch",
            "WhileDoElse",
        ),
        *("Switch2", "Switch3", "Switch4", "Switch5", "Switch6"),
    )
)
_DECORATOR = frozenset(
    (
        *(
            "Delay",
            "ForceFailure",
            "ForceSuccess",
            "Inverter",
            "KeepRunningUntilFailure",
            "Precondition",
            "Repeat",
        ),
        *("RetryUntilSuccessful", "RunOnce", "SkipUnlessUpdated", "Timeout", "WaitValueUpdate"),
    )
)
_LEAF = frozenset(
    (
        *("AlwaysFailure", "AlwaysSuccess", "Script", "ScriptCondition", "SetBlackboard", "Sleep"),
        "UnsetBlackboard",
    )
)
_OF_ALL_NODES = frozenset(
    [
        "ID",
        "name",
        "_skipIf",
        "_successIf",
        "_failureIf",
        "_while",
        "_onSuccess",
        "_onFailure",
        "_onHalted",
        "_post",
        "_autoremap",
    ]
)
_PORTS = {
    IS_PREDICATE: (
        ("predicate", None, "for example is_made_of_metal"),
        ("arguments", None, "object ids, separated by ;"),
        ("expected", "TRUE", f"one of {', '.join(EXPECTED)}"),
        ("least_confidence", "0", "[0, 1] of the state; less sure is UNKNOWN; 0: any"),
        ("greatest_age", "0", "[s] of its newest evidence; older is UNKNOWN; 0: any"),
        ("topic_name", "predicates", "of foley_msgs/PredicateArray: reliable, transient local"),
    ),
    OBSERVE: (
        ("predicate", None, "for example is_made_of_metal"),
        ("arguments", None, "object ids, separated by ;"),
        ("least_confidence", "0", "[0.5, 1) of the answer; 0: the predicate's own thresholds"),
        ("most_contacts", "0", "0: as many as Foley thinks fit"),
        ("budget", "0", "[s] for all of it; 0: no bound"),
        ("action_name", "contact_advisor/observe", "of foley_msgs/Observe"),
    ),
}


class TreeError(ValueError):
    """A node that cannot stand in a tree; the text names the value and the cure."""


def is_predicate(
    predicate: str,
    *arguments: str,
    expected: str = "TRUE",
    least_confidence: float = 0.0,
    greatest_age_s: float = 0.0,
) -> ET.Element:
    """A condition that succeeds while the predicate is as ``expected``, and fails otherwise.

    UNKNOWN is neither TRUE nor FALSE. Raises TreeError.
    """
    if expected not in EXPECTED:
        raise TreeError(f"expected is {expected!r}, must be one of {', '.join(EXPECTED)}")
    bounds = {"least_confidence": least_confidence, "greatest_age": greatest_age_s}
    return _leaf(IS_PREDICATE, predicate, arguments, {"expected": expected, **_set(bounds)})


def observe_predicate(
    predicate: str,
    *arguments: str,
    least_confidence: float = 0.0,
    most_contacts: int = 0,
    budget_s: float = 0.0,
) -> ET.Element:
    """An action that has the predicate observed and succeeds once it is known, TRUE or FALSE. Raises TreeError."""
    how = {"least_confidence": least_confidence, "most_contacts": most_contacts, "budget": budget_s}
    return _leaf(OBSERVE, predicate, arguments, _set(how))


def knowing(predicate: str, *arguments: str, expected: str = "TRUE", budget_s: float = 0.0) -> ET.Element:
    """Succeeds where the predicate is as ``expected``; observed first where it is not known. Raises TreeError."""
    known = is_predicate(predicate, *arguments, expected="KNOWN")
    observe = observe_predicate(predicate, *arguments, budget_s=budget_s)
    fallback = _node("Fallback", known, observe)
    return _node("Sequence", fallback, is_predicate(predicate, *arguments, expected=expected))


def sequence(*children: ET.Element) -> ET.Element:
    """All of them, one after the other."""
    return _node("Sequence", *children)


def action(name: str, **ports: str) -> ET.Element:
    """A node of the robot's own."""
    return ET.Element(name, ports)


def model(name: str, kind: str, *ports: str) -> ET.Element:
    """What a node of the robot's own is: ``kind`` is Action, Condition, Control or Decorator; its input ports."""
    found = ET.Element(kind, ID=name)
    for port in ports:
        ET.SubElement(found, "input_port", name=port)
    return found


def document(trees: Mapping[str, ET.Element], *, models: Iterable[ET.Element] = ()) -> str:
    """The XML of trees by their ID, the first of which is executed.

    Raises:
        TreeError: no library would read it; with all reasons.
    """
    root = ET.Element("root", BTCPP_format=FORMAT, main_tree_to_execute=next(iter(trees), ""))
    for name, tree in trees.items():
        ET.SubElement(root, "BehaviorTree", ID=name).append(tree)
    told = ET.SubElement(root, "TreeNodesModel")
    for name, kind in ((IS_PREDICATE, "Condition"), (OBSERVE, "Action")):
        one = ET.SubElement(told, kind, ID=name)
        for port, default, text in _PORTS[name]:
            attributes = {"name": port} | ({} if default is None else {"default": default})
            ET.SubElement(one, "input_port", attributes).text = text
    for extra in models:
        told.append(extra)
    ET.indent(root)
    text = f'<?xml version="1.0"?>\n{ET.tostring(root, encoding="unicode")}\n'
    if troubles := check(text):
        raise TreeError("; ".join(troubles))
    return text


def check(text: str) -> tuple[str, ...]:
    """Why BehaviorTree.CPP 4 would not read a text, or a port is none; empty where it would.

    Nodes are known that the library has or the text's own TreeNodesModel tells.
    """
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        return (f"it is no XML: {error}",)
    if root.tag != "root":
        return (f"the root is <{root.tag}>, must be <root>",)
    found = []
    if root.get("BTCPP_format") != FORMAT:
        found.append(f"BTCPP_format is {root.get('BTCPP_format')!r}, must be {FORMAT!r}")
    models = root.findall("TreeNodesModel")
    if len(models) > 1:
        found.append(f"there are {len(models)} TreeNodesModel, only one is read")
    kinds, ports = _known(models)
    trees = root.findall("BehaviorTree")
    names = [tree.get("ID", "") for tree in trees]
    main = root.get("main_tree_to_execute")
    if len(set(names)) < len(names) or (len(names) > 1 and "" in names):
        found.append(f"trees have the IDs {names}: each needs one of its own")
    if (len(trees) != 1 or main is not None) and main not in names:
        found.append(f"main_tree_to_execute is {main!r}, there are {names}")
    for tree in trees:
        if tree.get("ID") in kinds:
            found.append(f"tree `{tree.get('ID')}` has the name of a node")
        if len(tree) != 1:
            found.append(f"tree `{tree.get('ID', '')}` has {len(tree)} children, must have 1")
        for node in list(tree.iter())[1:]:
            found += _troubles(node, kinds, ports, names)
    return tuple(found)


def _troubles(
    node: ET.Element, kinds: Mapping[str, str], ports: Mapping[str, Mapping[str, bool]], trees: list[str]
) -> list[str]:
    named = node.tag in ("Action", "Condition", "Control", "Decorator", "SubTree")
    name = node.get("ID", "") if named else node.tag
    if node.tag == "SubTree":
        if name not in trees:
            return [f"SubTree `{name}` is no tree"]
        return [f"SubTree `{name}` has children"] if len(node) else []
    if name not in kinds:
        return [f"node `{name}` is not known: tell it in TreeNodesModel, or see its spelling"]
    kind, found = kinds[name], []
    if kind == "Decorator" and len(node) != 1:
        found.append(f"decorator `{name}` has {len(node)} children, must have 1")
    if kind == "Control" and not len(node):
        found.append(f"control `{name}` has no children")
    if kind in ("Action", "Condition") and len(node):
        found.append(f"`{name}` has children, {kind.lower()}s have none")
    if name in ports:
        given = set(node.attrib) - _OF_ALL_NODES
        found += [f"`{name}` has no port `{port}`" for port in sorted(given - set(ports[name]))]
        required = {port for port, must in ports[name].items() if must}
        if name in _PORTS:
            found += [f"`{name}` needs port `{port}`" for port in sorted(required - given)]
    return found


def _known(models: Iterable[ET.Element]) -> tuple[dict[str, str], dict[str, dict[str, bool]]]:
    """Kind of each node, and of those of the model their ports: whether it has no default."""
    kinds = (
        dict.fromkeys(_CONTROL, "Control")
        | dict.fromkeys(_DECORATOR, "Decorator")
        | dict.fromkeys(_LEAF, "Action")
    )
    ports: dict[str, dict[str, bool]] = {}
    for one in (node for listed in models for node in listed):
        name = one.get("ID", "")
        kinds[name] = one.tag
        ports[name] = {port.get("name", ""): port.get("default") is None for port in one}
    return kinds, ports


def _leaf(kind: str, predicate: str, arguments: tuple[str, ...], more: Mapping[str, str]) -> ET.Element:
    for argument in arguments:
        if (
            not argument
            or ";" in argument
            or ("{" in argument and not (argument[0] == "{" and argument[-1] == "}"))
        ):
            raise TreeError(
                f"argument {argument!r} of {predicate} is no object id, and no {{entry}} of the blackboard"
            )
    return ET.Element(kind, {"predicate": predicate, "arguments": ";".join(arguments), **more})


def _node(kind: str, *children: ET.Element) -> ET.Element:
    found = ET.Element(kind)
    found.extend(children)
    return found


def _set(values: Mapping[str, float]) -> dict[str, str]:
    return {name: f"{value:g}" for name, value in values.items() if value}
