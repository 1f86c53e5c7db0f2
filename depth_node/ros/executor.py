"""An executor that no message, request or timer can end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
import inspect
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.service import Service

from depth_node.errors import DepthNodeError
from depth_node.text import printable

REASON = 300
"""Characters of an error that an answer repeats."""


class FaultError(Exception):
    """Ends the process on purpose; the only error that passes."""


class GuardedExecutor(SingleThreadedExecutor):
    """
    Run callbacks one at a time, and report whatever they raise instead of raising it.

    rclpy lets an exception of a callback end the spinning, and one that is raised while a message
    is taken (a damaged one, or one that rclpy cannot convert) leaves its callback group locked
    for ever. A service that raises never answers; here its answer says that it failed.

    :param caught: called with where it happened and what was raised.
    :param context: of rclpy; None: the default one.
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
    Name what a callback belongs to.

    :param entity: of rclpy: a subscription, service, timer and so on.
    :returns: its topic or service, else its kind.
    """
    for attribute in ('topic_name', 'srv_name'):
        name = getattr(entity, attribute, '')
        if name:
            return str(name)
    return f'a {type(entity).__name__.lower()}'


def refusal(request: Any, response: Any, reason: str) -> Any:
    """
    Fill an answer that says that the request has failed.

    :param request: as received.
    :param response: an empty answer.
    :param reason: why.
    :returns: the answer: `success`, or the results of a change of parameters, are False.
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
    """Let a service answer also where its callback raises; once for each."""
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
