"""An executor that survives exceptions of callbacks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
import inspect
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.service import Service

from depth_node.errors import DepthNodeError
from depth_node.text import printable

REASON = 300
"""Maximum length of an error in a response (characters)."""


class FaultError(Exception):
    """Ends the process on purpose; the only error that is not caught."""


class GuardedExecutor(SingleThreadedExecutor):
    """
    Runs callbacks one at a time, and reports their exceptions instead of raising them.

    In rclpy an exception of a callback ends spinning, and an exception while a message is taken
    (a damaged one, or one that rclpy cannot convert) leaves its callback group locked forever. A
    service that raises an exception never responds; here its response reports the failure.

    :param caught: called with the place and the exception.
    :param context: context of rclpy; None: the default one.
    """

    def __init__(self, caught: Callable[[str, Exception], None], context: Any = None) -> None:
        super().__init__(context=context)
        self._caught = caught

    def _make_handler(self, entity: Any, node: Any, take: Any, *rest: Any) -> Any:
        # Humble hands over the call as a fourth argument, later ones get it from `take`
        if isinstance(entity, Service):
            _answering(entity, self._caught)
        guarded = [self._guarded_call(entity, call) for call in rest]
        return super()._make_handler(entity, node, self._guarded_take(take), *guarded)

    def _guarded_take(self, take: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def taken(entity: Any) -> Any:
            try:
                work = take(entity)
            except Exception as error:  # noqa: BLE001  whatever a stranger has sent
                self._caught(described(entity), error)
                return None
            return self._guarded_call(entity, work) if inspect.iscoroutinefunction(work) else work

        return taken

    def _guarded_call(
        self, entity: Any, call: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        async def called(*arguments: Any) -> Any:
            try:
                return await call(*arguments)
            except FaultError:
                raise
            except Exception as error:  # noqa: BLE001  whatever a stranger has sent
                self._caught(described(entity), error)
                return None

        return called


def described(entity: Any) -> str:
    """
    Return the name of a callback's entity.

    :param entity: an rclpy subscription, service, timer and so on.
    :returns: its topic or service, otherwise its kind.
    """
    for attribute in ('topic_name', 'srv_name'):
        name = getattr(entity, attribute, '')
        if name:
            return str(name)
    return f'a {type(entity).__name__.lower()}'


def refusal(request: Any, response: Any, reason: str) -> Any:
    """
    Fill a response that reports a failed request.

    :param request: as received.
    :param response: an empty response.
    :param reason: the reason.
    :returns: the response: `success`, or the results of a parameter change, are False.
    """
    from rcl_interfaces.msg import SetParametersResult

    failed = SetParametersResult(successful=False, reason=reason)
    if hasattr(response, 'success'):
        response.success = False
        if hasattr(response, 'message'):
            response.message = reason
    elif isinstance(getattr(response, 'result', None), SetParametersResult):
        response.result = failed
    elif hasattr(response, 'results') and hasattr(request, 'parameters'):
        response.results = [failed] * len(request.parameters)
    return response


def _answering(service: Any, caught: Callable[[str, Exception], None]) -> None:
    """Let a service respond even if its callback raises an exception."""
    callback = service.callback
    if getattr(callback, 'answers_always', False):
        return

    def answer(request: Any, response: Any) -> Any:
        try:
            return callback(request, response)
        except FaultError:
            raise
        except Exception as error:  # noqa: BLE001  whatever a stranger has sent
            caught(described(service), error)
            kind = '' if isinstance(error, DepthNodeError) else f'{type(error).__name__}: '
            reason = printable(f'{kind}{error}', REASON)
            # a new one: the callback may have filled half of the other
            return refusal(request, type(response)(), reason)

    answer.answers_always = True  # type: ignore[attr-defined]
    service.callback = answer
