"""From the parameters to the keeper of a scale."""

from __future__ import annotations

from pathlib import Path

from depth_node.config import Config
from depth_node.errors import ConfigError
from depth_node.model import ModelSpec
from depth_node.model.fingerprint import fingerprint
from depth_node.scale.calibration import read_scale
from depth_node.scale.keeper import ScaleKeeper
from depth_node.scale.table import SOURCES


def keeper_for(config: Config, spec: ModelSpec, path: Path | None) -> ScaleKeeper:
    """
    Make a keeper, with the calibration that the parameters name.

    :param config: of which `scale` and `ground` are used.
    :param spec: the network.
    :param path: its ONNX file, whose hash a calibration has to name; None: unknown.
    :returns: the keeper.
    :raises ConfigError: a source that cannot serve the network, or a calibration that is not
        there, cannot be read, or was made for another model.
    """
    file = config.scale.calibration_file
    calibration = None
    needed = SOURCES[config.scale.source].file_needed
    if file and not needed and not Path(file).exists():
        # where a scale is known without it, the file is one that will be written
        note = f'{file} does not exist yet; ~/save_calibration writes it'
        return ScaleKeeper(config, spec, note=note)
    if file:
        if path is None:
            raise ConfigError(
                f'{file}: whether it belongs to {spec.name} cannot be checked without the file '
                'of the model.'
            )
        calibration = read_scale(Path(file))
        calibration.check(spec, fingerprint(path), file)
    return ScaleKeeper(config, spec, calibration)
