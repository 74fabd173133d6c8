"""`~/suggest_contacts`: which contacts are worth making. The worker weighs them, so that nothing waits."""

from __future__ import annotations

import math
from typing import Any

from foley_msgs.srv import SuggestContacts
from foley_ros.node import FoleyNode
from foley_synthesis.live.advisor_core import AdvisorCore
from foley_synthesis.live.asked_predicates import UnknownName, UnknownObject
from foley_synthesis.ros.advisor_messages import actions_of, suggestion_message
from foley_synthesis.ros.waiting import worked

MOST = 8  # suggestions where nobody says
_Response = SuggestContacts.Response


async def suggest_contacts(
    node: FoleyNode[Any],
    core: AdvisorCore,
    request: SuggestContacts.Request,
    response: _Response,
    speed: float,
) -> _Response:
    """Fill in the response."""

    def failed(code: int, message: str) -> _Response:
        response.error_code, response.error_msg = code, message
        return response

    if not node.active:
        return failed(_Response.ERROR_NOT_ACTIVE, "the node is not active: activate it first")
    if not core.objects:
        return failed(_Response.ERROR_NO_BELIEFS, "nothing was seen or heard yet: is `material` running?")
    try:
        actions = actions_of(request.actions)
        if not request.budget >= 0.0:
            raise ValueError(f"budget is {request.budget} s, must be at least 0")
        advice = await worked(
            node,
            lambda: core.suggest(
                request.predicate,
                list(request.object_ids),
                actions,
                budget_s=request.budget or math.inf,
                most=int(request.most) or MOST,
            ),
            lambda: not node.active,
        )
    except UnknownName as error:
        return failed(_Response.ERROR_UNKNOWN_NAME, str(error))
    except UnknownObject as error:
        return failed(_Response.ERROR_UNKNOWN_OBJECT, str(error))
    except ValueError as error:
        return failed(_Response.ERROR_BAD_REQUEST, str(error))
    if advice is None:
        return failed(_Response.ERROR_NOT_ACTIVE, "the node was deactivated")
    now_ns = node.now_ns()
    response.contacts = [
        suggestion_message(s, core.frame_of(s.contact.object_id), now_ns, speed) for s in advice.contacts
    ]
    response.error_msg = advice.note
    return response
