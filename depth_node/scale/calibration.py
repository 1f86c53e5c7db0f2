"""Files with a recovered scale, which are bound to their model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
import math
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from depth_node.errors import ConfigError
from depth_node.files import read_yaml, replacing, write_error
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale.fit import Floats
from depth_node.scale.measurement import Measurement, relative_sigma
from depth_node.scale.plausibility import plausible

FORMAT = 1
"""Version of the file format; others are refused."""
LARGEST = 1e9
"""Scales larger than this, or smaller than its inverse, are not those of a network."""
ROUNDED = 1e-3
"""Relative difference by which the sigma of a file may differ from its covariance."""
UNITS = {
    OutputKind.METRIC_DEPTH: 'z [m] = scale * output [m]',
    OutputKind.CANONICAL_DEPTH: 'z [m] = scale * focal / canonical focal * output',
    OutputKind.SIGMOID_DISPARITY: 'z [m] = scale / (1/max + (1/min - 1/max) * output)',
    OutputKind.RELATIVE_DEPTH: 'z [m] = scale [m] * output + shift [m]',
    OutputKind.RELATIVE_DISPARITY: '1/z [1/m] = scale [1/m] * output + shift [1/m]',
}


@dataclass(frozen=True)
class ScaleCalibration:
    """
    A recovered scale.

    :param model: name of the model.
    :param sha256: hash of its ONNX file.
    :param kind: meaning of its output.
    :param scale: see `UNITS`.
    :param shift: see `UNITS`; 0 for kinds without one.
    :param covariance: rows of the covariance of (log scale, shift); 1x1 for kinds without one.
    :param typical: output of the network for which `sigma` holds.
    :param source: source of the scale.
    :param date: date, ISO 8601 in UTC.
    """

    model: str
    sha256: str
    kind: OutputKind
    scale: float
    shift: float
    covariance: tuple[tuple[float, ...], ...]
    typical: float
    source: str
    date: str = ''

    @property
    def value(self) -> Floats:
        """Log scale, and shift for kinds that have one."""
        both = [math.log(self.scale), self.shift]
        return np.array(both[: len(self.covariance)])

    @property
    def sigma(self) -> float:
        """Relative standard deviation of metres at the typical distance."""
        return relative_sigma(self.value, np.array(self.covariance), self.typical)

    def check(self, spec: ModelSpec, sha256: str, where: str) -> None:
        """
        Check that the calibration belongs to a model.

        :param spec: the model in use.
        :param sha256: hash of its ONNX file.
        :param where: the file, for error messages.
        :raises ConfigError: it belongs to another model, or its metres cannot be.
        """
        if self.sha256 != sha256 or self.kind is not spec.kind:
            raise ConfigError(
                f'{where}: was made for {self.model} ({self.kind.value}, sha256 '
                f'{self.sha256[:12]}...), but the model in use is {spec.name} '
                f'({spec.kind.value}, sha256 {sha256[:12]}...).',
                'Calibrate again with this model (doc/scale.md), or use the model it was made '
                'for.',
            )
        covariance = np.array(self.covariance)
        found = Measurement(
            self.value, covariance, np.zeros_like(covariance), self.typical, 0, 0
        )
        why = plausible(spec, found)
        if why is not None:
            raise ConfigError(f'{where}: holds no possible scale: {why.reason}.',
                              'Calibrate again (doc/scale.md).')


def write_scale(path: Path, calibration: ScaleCalibration) -> None:
    """
    Write a calibration atomically.

    :param path: the YAML file; its folder is created if missing.
    :param calibration: the calibration; an empty date becomes the current one.
    :raises DataError: the file cannot be written.
    """
    now = datetime.now(timezone.utc).isoformat(timespec='seconds')
    fields: dict[str, Any] = {
        'format': FORMAT,
        'model': calibration.model,
        'sha256': calibration.sha256,
        'kind': calibration.kind.value,
        'units': UNITS[calibration.kind],
        'scale': calibration.scale,
        'shift': calibration.shift,
        'sigma': round(calibration.sigma, 6),
        'covariance': [list(row) for row in calibration.covariance],
        'typical': calibration.typical,
        'source': calibration.source,
        'date': calibration.date or now,
    }
    text = '# Scale of a depth network, made by depth_node; refused for any other model.\n'
    text += yaml.safe_dump(fields, sort_keys=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(path.parent, error) from error
    with replacing(path, durable=True) as temporary:
        temporary.write_text(text, encoding='utf-8')


def read_scale(path: Path) -> ScaleCalibration:
    """
    Read a calibration.

    :param path: the YAML file.
    :returns: the calibration; :meth:`ScaleCalibration.check` checks whether it fits the model.
    :raises ConfigError: not readable, of another format, or with impossible values.
    """
    fields = read_yaml(path, raised=ConfigError)
    if not isinstance(fields, dict):
        raise ConfigError(f'{path}: is not a scale calibration.')
    if fields.get('format') != FORMAT:
        raise ConfigError(
            f'{path}: has format {fields.get("format")!r:.40}, but this version reads {FORMAT}.',
            'Calibrate again, or update depth_node.',
        )
    try:
        return _parsed(fields)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        what = f'{error.args[0]} is missing' if isinstance(error, KeyError) else str(error)
        raise ConfigError(
            f'{path}: is not a scale calibration ({what}).', 'Calibrate again.'
        ) from error


def _parsed(fields: dict[str, Any]) -> ScaleCalibration:
    kind = OutputKind(fields['kind'])
    size = 2 if kind.has_shift else 1
    covariance = np.array(fields['covariance'], np.float64)
    numbers = [_number(fields, key) for key in ('scale', 'shift', 'typical')]
    if covariance.shape != (size, size):
        raise ValueError(f'covariance is not {size}x{size}')
    if not np.isfinite(covariance).all() or not all(map(math.isfinite, numbers)):
        raise ValueError('a number is not finite')
    if (np.linalg.eigvalsh((covariance + covariance.T) / 2) < -1e-9).any():
        raise ValueError('the covariance is not positive')
    scale, shift, typical = numbers
    if not scale > 0:
        raise ValueError(f'scale is {scale}, expected a positive number')
    if not 1 / LARGEST <= scale <= LARGEST:
        raise ValueError(f'scale is {scale:g}, expected {1 / LARGEST:g} to {LARGEST:g}')
    if shift and not kind.has_shift:
        raise ValueError(f'shift is {shift:g}, expected 0 for {kind.value}')
    if not (typical if kind.has_shift else typical > 0):
        raise ValueError(f'typical is {typical:g}, expected the usual output of the network')
    if not covariance[0, 0] > 0:
        raise ValueError('the covariance says that the scale is known exactly')
    texts = [fields[key] for key in ('model', 'sha256', 'source', 'date')]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError('model, sha256, source and date are text')
    model, sha256, source, date = texts
    found = ScaleCalibration(
        model, sha256, kind, scale, shift, tuple(map(tuple, covariance.tolist())), typical,
        source, date,
    )
    if 'sigma' in fields:
        stated, follows = _number(fields, 'sigma'), found.sigma
        if not abs(stated - follows) <= ROUNDED * follows + 1e-6:
            raise ValueError(
                f'sigma is {stated:g}, but {follows:.6g} follows from the other numbers: one of '
                'them was changed'
            )
    return found


def _number(fields: dict[str, Any], key: str) -> float:
    value = fields[key]
    if isinstance(value, bool):
        raise ValueError(f'{key} is {value}, expected a number')
    return float(value)
