"""Versions of TensorRT and GPUs with public reports of silently wrong engines."""

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
    :param first: first version of TensorRT it is of, like 10.3.
    :param before: first version that it is not reported of; empty: none yet.
    :param capabilities: compute capabilities it was seen on; empty: any.
    :param operators: the network has to have one of them; empty: any network.
    :param wrong: precisions that were wrong.
    :param what: happens, in one sentence.
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
        Return whether an engine would be of this kind.

        :param version: of TensorRT.
        :param capability: compute capability of the GPU.
        :param operators: types of the network's nodes.
        :returns: whether version, GPU and network are those of the report.
        """
        return (
            version >= numbers(self.first)
            and (not self.before or version < numbers(self.before))
            and (not self.capabilities or capability in self.capabilities)
            and (not self.operators or not set(self.operators).isdisjoint(operators))
        )

    def __str__(self) -> str:
        """Write it in one line."""
        until = f' to before {self.before}' if self.before else ' and later'
        return f'TensorRT {self.first}{until}: {self.what} ({self.issue})'


@functools.cache
def advisories() -> tuple[Advisory, ...]:
    """
    Read the reports that came with this version of the package.

    :returns: in the order of the file.
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
    Find the reports that are about an engine.

    :param version: of TensorRT.
    :param capability: compute capability of the GPU.
    :param operators: types of the network's nodes.
    :returns: those that apply.
    """
    return tuple(a for a in advisories() if a.applies(version, capability, operators))


def safe_first(
    ladder: Sequence[Precision], found: Sequence[Advisory]
) -> tuple[Precision, ...]:
    """
    Put the precisions that were reported wrong behind the others.

    They are not left out: every engine is verified, and a report is of one network.

    :param ladder: precisions in the order to try them.
    :param found: what applies.
    :returns: the same precisions.
    """
    reported = {precision for advisory in found for precision in advisory.wrong}
    return tuple(sorted(ladder, key=lambda precision: precision in reported))
