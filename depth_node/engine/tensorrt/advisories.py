"""Public reports of silently wrong engines, by version of TensorRT and GPU."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
import functools
from importlib import resources
import json

from depth_node.engine.precision import Precision
from depth_node.engine.tensorrt.library import numbers


@dataclass(frozen=True)
class Advisory:
    """
    One public report.

    :param issue: its address.
    :param first: first affected version of TensorRT, like 10.3.
    :param before: first version that is not affected; empty: none yet.
    :param capabilities: affected compute capabilities; empty: any.
    :param operators: operators of affected networks; empty: any network.
    :param wrong: affected precisions.
    :param what: the effect, in one sentence.
    """

    issue: str
    first: str
    before: str
    capabilities: tuple[str, ...]
    operators: tuple[str, ...]
    wrong: tuple[Precision, ...]
    what: str

    def applies(
        self, version: tuple[int, ...], capability: str, operators: Collection[str]
    ) -> bool:
        """
        Return whether the report applies to an engine.

        :param version: version of TensorRT.
        :param capability: compute capability of the GPU.
        :param operators: types of the network's nodes.
        :returns: whether version, GPU and network match the report.
        """
        return (
            version >= numbers(self.first)
            and (not self.before or version < numbers(self.before))
            and (not self.capabilities or capability in self.capabilities)
            and (not self.operators or not set(self.operators).isdisjoint(operators))
        )

    def __str__(self) -> str:
        """Return the report in one line."""
        until = f' to before {self.before}' if self.before else ' and later'
        return f'TensorRT {self.first}{until}: {self.what} ({self.issue})'


@functools.cache
def advisories() -> tuple[Advisory, ...]:
    """
    Return the reports in this version of the package.

    :returns: the reports, in the order of the file.
    """
    text = (resources.files('depth_node') / 'data/tensorrt_advisories.json').read_text('utf-8')
    return tuple(
        Advisory(
            row['issue'], row['first'], row['before'], tuple(row['capabilities']),
            tuple(row['operators']), tuple(Precision(name) for name in row['wrong']), row['what'],
        )
        for row in json.loads(text)
    )


def known(
    version: tuple[int, ...], capability: str, operators: Collection[str]
) -> tuple[Advisory, ...]:
    """
    Return the reports that apply to an engine.

    :param version: version of TensorRT.
    :param capability: compute capability of the GPU.
    :param operators: types of the network's nodes.
    :returns: the reports that apply.
    """
    return tuple(a for a in advisories() if a.applies(version, capability, operators))


def safe_first(
    ladder: Sequence[Precision], found: Sequence[Advisory]
) -> tuple[Precision, ...]:
    """
    Move precisions that were reported wrong behind the others.

    They are not omitted, because every engine is verified, and a report concerns one network.

    :param ladder: precisions in the order to try them.
    :param found: the reports that apply.
    :returns: the same precisions, in the new order.
    """
    reported = {precision for advisory in found for precision in advisory.wrong}
    return tuple(sorted(ladder, key=lambda precision: precision in reported))
