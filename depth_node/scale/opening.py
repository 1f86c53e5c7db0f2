"""From the parameters to the keeper of a scale, and the floor for one that needs it."""

from __future__ import annotations

from pathlib import Path

from depth_node.camera.transforms import TransformSource
from depth_node.config import Config
from depth_node.errors import ConfigError, DataError
from depth_node.model import ModelSpec
from depth_node.model.fingerprint import fingerprint
from depth_node.scale.calibration import read_scale
from depth_node.scale.ground import FloorPose
from depth_node.scale.keeper import ScaleKeeper
from depth_node.scale.table import SOURCES
from depth_node.sources.frame import Frame


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


def find_floor(
    keeper: ScaleKeeper, config: Config, frame: Frame, transforms: TransformSource
) -> None:
    """
    Look up the pose of the floor at a frame, if the keeper's source needs it.

    :param keeper: receives the pose, or why it is not known.
    :param config: the configuration of the frame; a camera height in it comes first.
    :param frame: with its stamp and the name of its optical frame.
    :param transforms: where the transform from `ground.base_frame` is looked up.
    """
    if not keeper.source.floor or config.ground.camera_height > 0:
        return
    found = transforms.lookup(config.ground.base_frame, frame.frame_id, frame.stamp or 0)
    if found is None:
        keeper.set_floor(None, f'set ground.camera_height{transforms.hint}')
        return
    try:
        keeper.set_floor(FloorPose.from_transform(found))
    except DataError as error:
        keeper.set_floor(None, str(error))
