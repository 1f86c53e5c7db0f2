"""The configuration of a running node, from its parameter service."""

from __future__ import annotations

import time
from typing import Any

from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter

from depth_node.config import Config, parameters
from depth_node.errors import ConfigError

PERIOD_S = 2.0
"""How often it is asked; parameters can change while it runs (s)."""
PATIENCE_S = 10.0
"""How long to wait for an answer (s)."""


class AskedConfig:
    """
    Asks a node for those of its parameters that say where its clouds and scans lie.

    :param node: the node that asks.
    :param groups: of the parameters, such as `ground`.
    """

    def __init__(self, node: Node, *groups: str) -> None:
        self._node = node
        self._names = [n for n, _, _ in parameters() if n.partition('.')[0] in groups]
        self._client: Any = None
        self._name = ''
        self._future: Any = None
        self._asked = -PERIOD_S
        self.config = Config()
        """What it answered last; the defaults until it has."""
        self.known = False
        """Whether it has answered."""

    def ask(self, name: str) -> None:
        """
        Ask again, if it is time to.

        :param name: full name of the node.
        """
        now = time.monotonic()
        if name != self._name:
            self.close()
            self._name = name
            self._client = self._node.create_client(GetParameters, f'{name}/get_parameters')
        waiting = self._future is not None and now - self._asked < PATIENCE_S
        if waiting or now - self._asked < PERIOD_S or not self._client.service_is_ready():
            return
        if self._future is not None:  # of a node that has gone
            self._client.remove_pending_request(self._future)
        self._asked = now
        self._future = self._client.call_async(GetParameters.Request(names=self._names))
        self._future.add_done_callback(self._answered)

    def _answered(self, future: Any) -> None:
        """Take the values; one the node does not have keeps its default."""
        if future is not self._future:
            return
        self._future = None
        values: dict[str, object] = {}
        for name, value in zip(self._names, future.result().values, strict=False):
            found = Parameter.from_parameter_msg(ParameterMessage(name=name, value=value))
            if found.type_ != Parameter.Type.NOT_SET:
                plain = isinstance(found.value, bool | int | float | str)
                values[name] = found.value if plain else list(found.value)
        try:
            config = Config().replaced(values)
        except ConfigError:  # of another version, with other bounds
            return
        self.known = True
        if config != self.config:
            self.config = config

    def close(self) -> None:
        """Stop asking."""
        if self._client is not None:
            self._node.destroy_client(self._client)
        self._client = self._future = None
        self._asked = -PERIOD_S
