"""The live table of the sorting example beside a real `sim_world`, with what `material` would say said by the test."""

import math

import pytest
import yaml

pytest.importorskip("rclpy")

pytestmark = pytest.mark.nodes

QUIET = {"scene_seed": 3, "explore": False, "camera_rate_hz": 0.0, "depth_rate_hz": 0.0}


def test_a_place_is_of_the_thing_that_it_lies_on():
    from foley_bringup.ros.sorting_live import _beside

    item = {"position": [0.1, 0.0, 0.02], "yaw": math.pi / 2, "size": [0.16, 0.04, 0.04]}
    assert _beside(item, (0.1, 0.07)) == 0.0, "along its length, which lies along y"
    assert _beside(item, (0.17, 0.0)) == pytest.approx(0.05)
    assert _beside(item, (0.15, 0.12)) == pytest.approx(0.05)


def test_touches_looks_beliefs_and_truth_of_a_live_table(ros_context, start_node):
    from foley_bringup.examples.sorting.task import SortingTask
    from foley_bringup.ros.sorting_live import LiveWorld
    from foley_common import topics
    from foley_common.predicate_view import State
    from foley_msgs.msg import MaterialEstimate, Predicate, PredicateArray, VocabularyInfo
    from foley_ros import convert
    from foley_ros.topics import message_type, profile

    start_node("foley_sim.nodes.sim_world", parameters=QUIET)
    ros_context.transition("sim_world", "configure", "activate")
    voice = ros_context.create_node("material")
    send = {
        t: voice.create_publisher(message_type(t), t.name, profile(t))
        for t in (topics.VOCABULARY, topics.MATERIAL_ESTIMATES, topics.PREDICATES)
    }
    send[topics.VOCABULARY].publish(VocabularyInfo(name="v", version="1", labels=["metal", "rubber"]))
    told, sequence, heard = [], [0], [0]

    def say(name, probability, position):
        estimate = MaterialEstimate(object_id=name)
        estimate.position.x, estimate.position.y, estimate.position.z = position
        send[topics.MATERIAL_ESTIMATES].publish(estimate)
        sequence[0] += 1
        now = voice.get_clock().now().nanoseconds
        fact = Predicate(
            name="is_hard",
            arguments=[name],
            probability=probability,
            state=Predicate.TRUE,
            newest_evidence=convert.to_stamp(now),
            valid_until=convert.to_stamp(now + 600 * 10**9),
            contacts=heard[0],
        )
        snapshot = PredicateArray(sequence=sequence[0], predicates=[fact])
        snapshot.header.stamp = convert.to_stamp(now)
        send[topics.PREDICATES].publish(snapshot)

    contacts = []

    def on_contact(message):
        contacts.append(message)
        heard[0] += 1
        p = message.position
        say("object_77_1", 0.97, (p.x, p.y, p.z))

    true_contacts = topics.TRUE_CONTACTS
    voice.create_subscription(
        message_type(true_contacts), true_contacts.name, on_contact, profile(true_contacts)
    )
    say("place_77_1", 0.6, (9.0, 9.0, 0.0))
    table = LiveWorld(ros_context.create_node("sorting"), ros_context.executor, SortingTask(), told.append)
    table.wait()
    first, *_ = table.things
    assert table.believed() == {}, "what is believed of a place where nothing stands is of no thing"
    assert table._ask(first, look=True).error_code != 0 and not contacts, "a look touches nothing"
    assert table.touch(first), told
    fact = table.believed()[first]
    assert (fact.state, fact.contacts) == (State.TRUE, 1) and fact.probability == pytest.approx(0.97)
    assert [c.object_id for c in contacts] == [first] and told == []
    scene = {item["id"]: item for item in yaml.safe_load(yaml.safe_dump(list(table._scene.values())))}
    assert table.truth(first) == (scene[first]["log10_youngs_modulus"] > 10.3)
    with pytest.raises(ValueError, match="`worth` is not live"):
        table.savings()
