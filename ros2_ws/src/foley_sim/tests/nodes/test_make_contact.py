"""The action `make_contact` of `sim_world` over real middleware."""

import pytest

pytest.importorskip("rclpy")

pytestmark = pytest.mark.nodes

QUIET = {"scene_seed": 3, "explore": False, "camera_rate_hz": 0.0, "depth_rate_hz": 0.0}


class Asker:
    """A client, what the robot publishes, and the feedback that came."""

    def __init__(self, ros_context):
        from rclpy.action import ActionClient

        from foley_msgs.action import MakeContact
        from foley_sim.ros import topics

        self._context = ros_context
        node = ros_context.create_node("asker")
        self.plans, self.contacts, self.stages = [], [], []
        for topic, found in ((topics.PLAN, self.plans), (topics.CONTACTS, self.contacts)):
            node.create_subscription(topic.type, topic.name, found.append, topic.qos)
        self._client = ActionClient(node, MakeContact, "make_contact")
        ros_context.spin_until(self._client.server_is_ready, 20.0, "the action's server")

    def goal(self, *, object_id="", position=None, frame="world", action=1, speed=0.0, deadline=0.0):
        from foley_msgs.action import MakeContact

        goal = MakeContact.Goal(deadline=deadline)
        goal.contact.object_id, goal.contact.action, goal.contact.speed = object_id, action, speed
        if position is not None:
            goal.contact.header.frame_id = frame
            goal.contact.position.x, goal.contact.position.y, goal.contact.position.z = position
        return goal

    def send(self, **asked):
        sent = self._client.send_goal_async(
            self.goal(**asked), feedback_callback=lambda m: self.stages.append(m.feedback.stage)
        )
        self._context.spin_until(sent.done, 20.0, "the goal's acceptance")
        handle = sent.result()
        assert handle.accepted
        return handle, handle.get_result_async()

    def answer(self, future):
        self._context.spin_until(future.done, 60.0, "the answer")
        return future.result().result

    def ask(self, **asked):
        return self.answer(self.send(**asked)[1])


@pytest.fixture
def asker(ros_context, start_node):
    start_node("foley_sim.nodes.sim_world", parameters=QUIET)
    ros_context.transition("sim_world", "configure", "activate")
    return Asker(ros_context)


def test_a_contact_is_planned_published_made_and_answered(ros_context, asker):
    import numpy as np

    from foley_common.plan_ids import plan_id_of
    from foley_msgs.action import MakeContact
    from foley_ros import convert
    from foley_sim.scene import make_scene

    item = make_scene(3, "test").objects[2]
    _, answer = asker.send(object_id="object_77_1", position=(*item.position[:2], item.top))
    ros_context.spin_until(lambda: asker.plans, 30.0, "the plan")
    assert not asker.contacts, "the plan comes before the touch"
    # One at a time: who asks meanwhile is told.
    assert asker.ask(object_id=item.object_id).error_code == MakeContact.Result.ERROR_BUSY
    result = asker.answer(answer)
    assert (result.error_code, result.error_msg) == (MakeContact.Result.ERROR_NONE, "")
    ros_context.spin_until(lambda: asker.contacts, 20.0, "the true contact")
    plan, contact = asker.plans[0], asker.contacts[0]
    positions = np.array([p.positions for p in plan.points])
    assert result.plan_id == plan_id_of(convert.to_ns(plan.header.stamp), positions)
    assert contact.object_id == item.object_id and contact.action == contact.ACTION_TAP
    late_ns = convert.to_ns(contact.header.stamp) - convert.to_ns(result.contact_time)
    assert abs(late_ns) < 20_000_000
    assert asker.stages == ["approach", "contact", "retreat"]

    refusals = {
        MakeContact.Result.ERROR_OUT_OF_REACH: {"position": (0.9, 0.0, 0.02)},
        MakeContact.Result.ERROR_BAD_CONTACT: {"object_id": "object_77_1"},
    }
    for code, asked in refusals.items():
        assert asker.ask(**asked).error_code == code
    other_frame = asker.ask(position=(0.0, 0.0, 0.02), frame="camera_optical")
    assert other_frame.error_code == MakeContact.Result.ERROR_BAD_CONTACT
    assert "frame_id is `camera_optical`" in other_frame.error_msg
    assert len(asker.plans) == len(asker.contacts) == 1, "nothing else was done"


def test_a_cancelled_contact_is_not_made_and_the_next_one_is(ros_context, asker):
    from foley_msgs.action import MakeContact
    from foley_sim.scene import make_scene

    name = make_scene(3, "test").objects[0].object_id
    handle, answer = asker.send(object_id=name)
    ros_context.spin_until(lambda: asker.stages == ["approach"], 30.0, "the approach")
    cancelled = handle.cancel_goal_async()
    ros_context.spin_until(cancelled.done, 20.0, "the cancellation")
    assert asker.answer(answer).error_code == MakeContact.Result.ERROR_CANCELLED
    too_short = asker.ask(object_id=name, deadline=0.2)
    assert (
        too_short.error_code == MakeContact.Result.ERROR_DEADLINE and "the arm rises" in too_short.error_msg
    )
    assert not asker.contacts
    ros_context.spin_until(lambda: asker.ask(object_id=name).error_code == 0, 60.0, "a contact")
    assert [c.object_id for c in asker.contacts] == [name]
