"""What this machine has for `depth_node`, without ROS: Python, engines, models, parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
import os
from pathlib import Path
import platform
import sys

from depth_node.camera.calibration_file import read_calibration
from depth_node.catalogue import CATALOGUE, Form
from depth_node.catalogue.opening import open_model
from depth_node.catalogue.store import is_present, Request
from depth_node.config import Config, EngineConfig
from depth_node.config.parameter_file import read_parameters
from depth_node.engine.base import Request as EngineRequest
from depth_node.engine.table import ENGINES, Row, rows
from depth_node.engine.tensorrt.board import advice, power_state
from depth_node.errors import ConfigError, DataError, DepthNodeError, ModelError
from depth_node.model import Model
from depth_node.model.network import inspect
from depth_node.model.sizes import choose_size
from depth_node.scale import keeper_for

PACKAGES = (
    'numpy', 'opencv-python-headless', 'opencv-python', 'onnx', 'openvino', 'onnxruntime',
    'onnxruntime-gpu', 'tensorrt', 'cuda-python', 'rosbags', 'huggingface_hub', 'torch',
)


@dataclass(frozen=True)
class Finding:
    """
    One line of the page about a machine.

    :param section: the part of the page.
    :param name: what was looked at.
    :param value: what was found.
    :param problem: what is wrong with it; empty: nothing.
    :param remedy: what to do about that.
    """

    section: str
    name: str
    value: str
    problem: str = ''
    remedy: str = ''

    def as_json(self) -> dict[str, str]:
        """
        Return the finding for a file.

        :returns: its fields; problem and remedy only where there are some.
        """
        return {key: text for key, text in vars(self).items() if text or key == 'value'}


def problem(section: str, name: str, value: str, error: DepthNodeError) -> Finding:
    """
    Make a finding of an error.

    :param section: the part of the page.
    :param name: what was looked at.
    :param value: what was found.
    :param error: with its remedy.
    :returns: the finding.
    """
    return Finding(section, name, value, error.problem, error.remedy)


def software() -> Iterator[Finding]:
    """
    Look at Python, the machine and the packages that matter.

    :returns: one finding each.
    """
    yield Finding('machine', 'python', f'{platform.python_version()} ({sys.executable})')
    cores = len(os.sched_getaffinity(0))
    yield Finding(
        'machine', 'system',
        f'{platform.system()} {platform.release()}, {platform.machine()}, {cores} cores',
    )
    state = power_state()
    for name, value in state.items():
        yield Finding('machine', name, value, *(advice(state) if name == 'GPU clock' else ()))
    installed = {
        found.metadata['Name']: found.version for found in metadata.distributions()
    }
    for name in PACKAGES:
        if name in installed:
            yield Finding('packages', name, installed[name])


def engines(config: EngineConfig | None = None) -> Iterator[Finding]:
    """
    Open every engine of the table with the network inside the package.

    An engine for a GPU would be built, which takes minutes: of that one only GPU and library are
    looked for.

    :param config: the engine the node is to use; None: the default.
    :returns: one finding for each engine, and one problem where none works that the node may use.
    """
    config = config or EngineConfig()
    model = open_model('embedded')
    allowed = rows(config.name)
    working: list[str] = []
    for row in ENGINES:
        try:
            value = _opened(row, model)
        except DepthNodeError as error:
            yield Finding('engines', row.name, f'not available: {error} It needs {row.needs}.')
            continue
        except Exception as error:  # noqa: BLE001  a broken library: the next may work
            yield Finding('engines', row.name, f'broken: {type(error).__name__}: {error}')
            continue
        if row not in allowed:
            taken = f'not taken by engine.name {config.name}'
        elif working:
            taken = f'not taken: {working[0]} comes first'
        else:
            taken = f'taken by engine.name {config.name}'
        if row in allowed:
            working.append(row.name)
        yield Finding('engines', row.name, f'works: {value}, {taken}')
    if not working and config.name == 'auto':
        yield Finding(
            'engines', 'any', 'none', 'No engine works on this machine.',
            "Install one: pip install 'depth_node[cpu]', or see doc/install.md for a GPU.",
        )
    elif not working:
        yield Finding(
            'engines', 'engine.name', config.name,
            f'engine.name is {config.name}, which does not work on this machine.',
            f'Install what it needs ({allowed[0].needs}), or set engine.name to auto.',
        )


def _opened(row: Row, model: Model) -> str:
    runtime, gpus = row.current()
    if runtime:
        return f'{runtime} on {" and ".join(gpus)}'
    size = choose_size(model.spec, inspect(model.path), 'auto')
    engine = row.open(EngineRequest(model, EngineConfig(), size))
    try:
        return engine.description
    finally:
        engine.close()


def models(name: str = '') -> Iterator[Finding]:
    """
    Look for the models of the catalogue on this machine.

    :param name: the model the node is to run; empty: the default.
    :returns: one finding for all that are here, and one for the one in use.
    """
    present = [
        entry.name for entry in CATALOGUE.values()
        if entry.form is Form.EMBEDDED or is_present(entry, Request())
    ]
    yield Finding('models', 'on this machine', ', '.join(present))
    name = name or Config().model.name
    if name in CATALOGUE and name not in present:
        yield Finding(
            'models', name, 'not here',
            f'{name} has not been fetched; its first use needs the network.',
            f'Run `depth-node fetch {name}` while there is a network, or see doc/using_models.md.',
        )
    elif name not in CATALOGUE and not Path(name).expanduser().is_file():
        yield Finding(
            'models', name, 'not here', f'{name} is neither a file nor a model of the catalogue.',
            'Correct model.name; `depth-node models` lists the catalogue.',
        )
    else:
        yield Finding('models', name, 'here')


def parameter_file(path: Path) -> tuple[Config, list[Finding]]:
    """
    Look at a parameter file of the node, and at the files that it names.

    :param path: YAML, as ``params_file`` of the launch files.
    :returns: the configuration, and the findings.
    :raises ConfigError: it is no parameter file.
    """
    config = Config().replaced(read_parameters(path))
    found = [Finding('parameters', str(path), 'read')]
    if config.input.calibration_file:
        file = config.input.calibration_file
        try:
            numbers = read_calibration(file)
            found.append(
                Finding('calibration', file, f'{numbers.width}x{numbers.height}')
            )
        except DataError as error:
            found.append(problem('calibration', file, 'cannot be used', error))
    if config.scale.calibration_file:
        file = config.scale.calibration_file
        try:
            model = open_model(config.model.name, offline=True)
            keeper_for(config, model.spec, model.path)
            value = f'belongs to {model.spec.name}' if Path(file).exists() else 'not written yet'
            found.append(Finding('calibration', file, value))
        except (ConfigError, DataError, ModelError) as error:
            found.append(problem('calibration', file, 'stale or unusable', error))
    return config, found
