"""Shared options for model, engine and camera, with the defaults of the node."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from depth_node.camera import Camera
from depth_node.camera.calibration_file import read_calibration
from depth_node.camera.info import CameraNumbers
from depth_node.camera.rectified import choose
from depth_node.catalogue.opening import open_model, overrides_from
from depth_node.cli.interrupts import cancelling
from depth_node.cli.numbers import real
from depth_node.cli.progress import build_bar
from depth_node.cli.results import output_file
from depth_node.config import Config, parameters
from depth_node.engine import open_for
from depth_node.errors import ConfigError
from depth_node.estimator import DepthEstimator
from depth_node.image.size import Size
from depth_node.model import Model

# option: parameter of the configuration, whose default, choices and meaning it has
_MODEL = {
    '--size': 'model.input_size',
    '--kind': 'model.kind',
    '--mean': 'model.mean',
    '--std': 'model.std',
    '--bgr': 'model.bgr',
    '--min-depth': 'model.min_depth',
    '--max-depth': 'model.max_depth',
    '--train-focal': 'model.train_focal',
    '--canonical-focal': 'model.canonical_focal',
    '--output': 'model.output',
    '--accept-licence': 'model.accept_licence',
}
_ENGINE = {
    '--engine': 'engine.name',
    '--precision': 'engine.precision',
    '--threads': 'engine.threads',
    '--device': 'engine.device',
}
_FILTER = {
    '--edge-threshold': 'filter.edge_threshold',
    '--min-confidence': 'filter.min_confidence',
}
_SCALE = {'--scale': 'scale.value', '--shift': 'scale.shift'}


def add_network_options(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """
    Add the options for network and engine.

    :param parser: the parser of a verb.
    :param required: whether `--model` is required.
    """
    group = parser.add_argument_group('model')
    group.add_argument(
        '--model', metavar='M', required=required,
        help='catalogue name, or path of NAME.onnx with its sidecar NAME.json',
    )
    add_parameters(group, _MODEL)
    add_parameters(parser.add_argument_group('engine'), _ENGINE)


def add_model_options(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """
    Add the options for network, engine and the meaning of the output.

    :param parser: the parser of a verb.
    :param required: whether `--model` is required.
    """
    add_network_options(parser, required=required)
    scale = parser.add_argument_group('scale')
    add_parameters(scale, _SCALE)
    scale.add_argument(
        '--no-focal-correction', action='store_true',
        help='do not correct depth for the focal length of the camera',
    )
    for name in ('scale', 'shift'):
        # not given means that the model says
        parser.set_defaults(**{name: None})


def add_filter_options(parser: argparse.ArgumentParser) -> None:
    """
    Add the options for filters.

    :param parser: the parser of a verb.
    """
    add_parameters(parser.add_argument_group('filter'), _FILTER)


def add_camera_options(parser: argparse.ArgumentParser) -> None:
    """
    Add the options for the camera.

    :param parser: the parser of a verb.
    """
    camera = parser.add_argument_group('camera')
    add_parameters(camera, {'--rectified': 'input.rectified'})
    group = camera.add_mutually_exclusive_group()
    group.add_argument(
        '--camera', metavar='YAML',
        help='calibration file of camera_calibration, OpenCV (YAML) or Kalibr (camchain)',
    )
    group.add_argument(
        '--hfov', metavar='DEG', type=real(1.0, 179.0),
        help='horizontal field of view of an uncalibrated camera (deg)',
    )


def config_from(args: argparse.Namespace, changes: dict[str, object] | None = None) -> Config:
    """
    Return the configuration of options.

    :param args: parsed options of :func:`add_model_options` or :func:`add_network_options`.
    :param changes: more parameters to set.
    :returns: the configuration.
    :raises ConfigError: a value out of bounds.
    """
    values: dict[str, object] = {
        parameter: getattr(args, _attribute(option))
        for option, parameter in {**_MODEL, **_ENGINE, **_FILTER}.items()
        if hasattr(args, _attribute(option))
    }
    if not hasattr(args, 'scale'):
        return Config().replaced({**values, **(changes or {})})
    if args.scale is not None or args.shift is not None:
        values['scale.source'] = 'fixed'
        values |= {p: getattr(args, _attribute(o)) for o, p in _SCALE.items()
                   if getattr(args, _attribute(o)) is not None}
    values['depth.focal_correction'] = not args.no_focal_correction
    return Config().replaced({**values, **(changes or {})})


def model_from(args: argparse.Namespace, config: Config, frame: Size | None = None) -> Model:
    """
    Open the model of options.

    :param args: parsed options with `--model`.
    :param config: the result of :func:`config_from`.
    :param frame: size of the images (pixels), for models that are exported for a size.
    :returns: the model.
    :raises ModelError: the model is not available.
    """
    return open_model(
        args.model,
        overrides=overrides_from(config.model),
        accept_licence=config.model.accept_licence,
        input_size=config.model.input_size,
        frame=frame,
    )


def estimator_from(
    args: argparse.Namespace, config: Config, frame: Size | None = None
) -> DepthEstimator:
    """
    Return the estimator of options.

    :param args: parsed options of :func:`add_model_options`.
    :param config: the result of :func:`config_from`.
    :param frame: size of the images (pixels).
    :returns: the estimator, to be closed by the caller.
    :raises ModelError: the model is not available.
    :raises EngineError: no engine works.
    """
    model = model_from(args, config, frame)
    if frame is None:
        return DepthEstimator(model, config)
    # opened here and not at the first frame, because a build takes minutes and wants a bar
    with cancelling() as cancelled, build_bar() as on_progress:
        engine = open_for(model, config, frame, on_progress=on_progress, cancelled=cancelled)
    return DepthEstimator(engine, config)


def numbers_from(args: argparse.Namespace) -> CameraNumbers | None:
    """
    Read the calibration file of `--camera`.

    :param args: parsed options of :func:`add_camera_options`.
    :returns: its numbers, or None; the source of frames decides which of them apply.
    :raises DataError: the file cannot be read.
    """
    if args.camera is None:
        return None
    numbers = read_calibration(args.camera)
    doubt = choose(numbers, rectified=args.rectified).doubt
    if doubt:
        print(f'depth-node {args.verb}: {args.camera}: {doubt}', file=sys.stderr)
    return numbers


def calibration_from(args: argparse.Namespace) -> Camera | None:
    """
    Return the camera of `--camera`, for images without a topic.

    :param args: parsed options of :func:`add_camera_options`.
    :returns: the camera, or None.
    :raises DataError: the file cannot be read.
    """
    numbers = numbers_from(args)
    if numbers is None:
        return None
    choice = choose(numbers, rectified=args.rectified)
    return Camera.from_numbers(numbers, rectified=choice.rectified)


def chosen_camera(args: argparse.Namespace, known: Camera | None, frame: Size) -> Camera | None:
    """
    Return the camera of an image: that of the source, otherwise that of `--hfov`.

    :param args: parsed options of :func:`add_camera_options`.
    :param known: the camera of the source, or None.
    :param frame: size of the image (pixels).
    :returns: the camera, or None.
    :raises DataError: an impossible field of view.
    """
    if known is not None or args.hfov is None:
        return known
    return Camera.from_hfov(*frame, args.hfov)


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """
    Add `--json`.

    :param parser: the parser of a verb.
    """
    parser.add_argument(
        '--json', metavar='FILE', type=output_file, help='also write the results as JSON'
    )


def add_upright_option(parser: argparse.ArgumentParser, frame: str) -> None:
    """
    Add `--upright`: how PLY files stand, by one rule for every verb.

    :param parser: the parser of a verb.
    :param frame: the frame they are in otherwise, with its axes.
    """
    parser.add_argument(
        '--upright', action='store_true',
        help='PLY files with x right, y up and z towards the viewer, so that they stand as '
             f'MeshLab, CloudCompare and Open3D open them; without it they are in {frame}',
    )


def add_parameters(group: Any, options: dict[str, str]) -> None:
    """
    Add options for parameters of the configuration, with their defaults and descriptions.

    :param group: a parser or a group of one.
    :param options: option to dotted parameter.
    """
    known = {name: (default, spec) for name, default, spec in parameters()}
    for option, parameter in options.items():
        default, spec = known[parameter]
        # argparse reads % as the start of a value to fill in
        text = f'{spec.doc} [{spec.unit}]' if spec.unit else spec.doc
        keywords: dict[str, Any] = {'default': default, 'help': text.replace('%', '%%')}
        if isinstance(default, bool):
            keywords['action'] = 'store_true'
        elif isinstance(default, list):
            keywords |= {'type': _numbers, 'metavar': 'N,N,...'}
        else:
            keywords |= {'type': type(default), 'metavar': _attribute(option).upper()}
            if spec.choices:
                keywords['choices'] = spec.choices
                keywords['metavar'] = '{' + ','.join(filter(None, spec.choices)) + '}'
        group.add_argument(option, **keywords)


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(',')]
    except ValueError:
        raise ConfigError(f'{text!r} is not a list of numbers like 0.5,0.5,0.5.') from None


def _attribute(option: str) -> str:
    return option.lstrip('-').replace('-', '_')
