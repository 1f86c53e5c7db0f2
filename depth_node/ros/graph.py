"""What the ROS graph says about this node."""

from __future__ import annotations

from rclpy.node import Node


def namesake(node: Node) -> str:
    """
    Look for another node of the same name.

    Both answer to one name: a change of parameters reaches one of them by chance, both publish on
    the same topics, and TF, services and diagnostics mix.

    :param node: the node.
    :returns: what is wrong and what to do; empty where the name is its own.
    """
    own = (node.get_name(), node.get_namespace())
    count = sum(found == own for found in node.get_node_names_and_namespaces())
    if count < 2:
        return ''
    return (
        f'{count} nodes are called {node.get_fully_qualified_name()}: services reach any of them, '
        'and all publish on the same topics. End the others, or give this one a name of its own '
        '(-r __node:=NAME). One that was killed is listed for up to 20 s.'
    )
