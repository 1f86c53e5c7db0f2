"""Make rclpy's lifecycle survive invalid transition requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode


def guard_transitions(node: LifecycleNode) -> None:
    """
    Respond to impossible transitions with `success: false`.

    In rclpy (Humble to Kilted) the error of a transition that is not possible in the current
    state escapes from the service callback, which ends the executor and with it the process.

    :param node: the node with the change_state service.
    """
    service = getattr(node, '_service_change_state', None)
    if service is None:
        return
    service.callback = _guarded(service.callback, node)


def _guarded(
    callback: Callable[[Any, Any], Any], node: LifecycleNode
) -> Callable[[Any, Any], Any]:
    def answer(request: Any, response: Any) -> Any:
        try:
            return callback(request, response)
        except Exception as error:  # noqa: BLE001  RCLError has no public name on Humble
            wish = request.transition.label or request.transition.id
            node.get_logger().warning(f'transition {wish} is not possible in this state ({error})')
            response.success = False
            return response

    return answer
