"""XML that BehaviorTree.CPP reads, and what is refused before it would refuse it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from foley_bringup.planners.behavior_tree_cpp import (
    TreeError,
    action,
    check,
    document,
    is_predicate,
    knowing,
    model,
    observe_predicate,
    sequence,
)

GRASP = model("Grasp", "Action", "object")


def grasping() -> str:
    return document(
        {"Main": sequence(knowing("is_made_of_metal", "mug", budget_s=20.0), action("Grasp", object="mug"))},
        models=[GRASP],
    )


def test_what_is_written() -> None:
    root = ET.fromstring(grasping())
    assert root.attrib == {"BTCPP_format": "4", "main_tree_to_execute": "Main"}
    (tree,) = root.findall("BehaviorTree")
    told = [(node.tag, node.attrib) for node in tree.iter() if node.tag not in ("Sequence", "BehaviorTree")]
    asked = {"predicate": "is_made_of_metal", "arguments": "mug"}
    assert told == [
        ("Fallback", {}),
        ("IsPredicate", {**asked, "expected": "KNOWN"}),
        ("ObservePredicate", {**asked, "budget": "20"}),
        ("IsPredicate", {**asked, "expected": "TRUE"}),
        ("Grasp", {"object": "mug"}),
    ]
    ports = {n.get("ID"): [p.get("name") for p in n] for n in root.findall("TreeNodesModel/*")}
    assert ports["Grasp"] == ["object"] and ports["IsPredicate"][:3] == ["predicate", "arguments", "expected"]


def test_arguments_and_bounds() -> None:
    condition = is_predicate("rattles_in", "{what}", "a box", expected="FALSE", least_confidence=0.95)
    assert condition.attrib == {
        "predicate": "rattles_in",
        "arguments": "{what};a box",
        "expected": "FALSE",
        "least_confidence": "0.95",
    }
    observe = observe_predicate("is_hollow", "mug", most_contacts=3)
    assert observe.attrib == {"predicate": "is_hollow", "arguments": "mug", "most_contacts": "3"}
    for argument in ("", "a;b", "{half"):
        with pytest.raises(TreeError, match="is no object id"):
            is_predicate("is_hollow", argument)
    with pytest.raises(TreeError, match="expected is 'true'"):
        is_predicate("is_hollow", "mug", expected="true")


HEAD = '<root BTCPP_format="4" main_tree_to_execute="A"><BehaviorTree ID="A">'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<root>", "no XML"),
        ("<tree/>", "root is <tree>"),
        (
            '<root BTCPP_format="3"><BehaviorTree ID="A"><AlwaysSuccess/></BehaviorTree></root>',
            "BTCPP_format is '3'",
        ),
        (HEAD + "</BehaviorTree></root>", "has 0 children"),
        (HEAD + "<Sequence/></BehaviorTree></root>", "control `Sequence` has no children"),
        (
            HEAD + "<Inverter><AlwaysSuccess/><AlwaysSuccess/></Inverter></BehaviorTree></root>",
            "has 2 children",
        ),
        (HEAD + "<Sequense><AlwaysSuccess/></Sequense></BehaviorTree></root>", "`Sequense` is not known"),
        (HEAD + '<Action ID="Fly"/></BehaviorTree></root>', "`Fly` is not known"),
        (HEAD + '<SubTree ID="B"/></BehaviorTree></root>', "SubTree `B` is no tree"),
        (
            HEAD.replace('"A">', '"B">', 1) + "<AlwaysSuccess/></BehaviorTree></root>",
            "main_tree_to_execute is 'B'",
        ),
        (
            HEAD
            + "<AlwaysSuccess/></BehaviorTree><BehaviorTree ID='A'><AlwaysSuccess/></BehaviorTree></root>",
            "IDs",
        ),
    ],
)
def test_what_the_library_would_not_read_is_told(text: str, told: str) -> None:
    assert any(told in trouble for trouble in check(text)), check(text)


def test_ports_are_those_of_the_model() -> None:
    good = grasping()
    assert check(good) == ()
    assert check(good.replace('budget="20"', 'bugdet="20"')) == ("`ObservePredicate` has no port `bugdet`",)
    assert check(good.replace('arguments="mug" expected="TRUE"', 'expected="TRUE"')) == (
        "`IsPredicate` needs port `arguments`",
    )
    with pytest.raises(TreeError, match="`Grasp` is not known"):
        document({"Main": action("Grasp")})


def test_the_library_itself_reads_and_runs_it() -> None:
    """Its Python bindings declare no ports, so that only structure, kinds and names are put to it here."""
    library = pytest.importorskip("behaviortreepy")
    root = ET.fromstring(grasping())
    for node in (node for tree in root.findall("BehaviorTree") for node in tree.iter()):
        if node.tag in ("IsPredicate", "ObservePredicate", "Grasp"):
            node.attrib.clear()
    factory, ticked = library.BehaviorTreeFactory(), []

    def node(name: str, status: object) -> object:
        return lambda _: (ticked.append(name), status)[1]

    known = iter((library.NodeStatus.FAILURE, library.NodeStatus.SUCCESS))
    factory.register_simple_condition("IsPredicate", lambda _: (ticked.append("is"), next(known))[1])
    factory.register_simple_action("ObservePredicate", node("observe", library.NodeStatus.SUCCESS))
    factory.register_simple_action("Grasp", node("grasp", library.NodeStatus.SUCCESS))
    factory.register_behavior_tree_from_text(ET.tostring(root, encoding="unicode"))
    assert factory.create_tree("Main").tick_while_running() == library.NodeStatus.SUCCESS
    assert ticked == ["is", "observe", "is", "grasp"]
