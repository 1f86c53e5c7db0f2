"""Check this machine: one page about what `depth_node` finds here, for people and bug reports."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
import importlib.util
from pathlib import Path

from depth_node import __version__
from depth_node.cli.numbers import real
from depth_node.cli.results import output_file, write_json
from depth_node.config import Config
from depth_node.errors import DepthNodeError
from depth_node.evaluation.checkup import (
    engines,
    Finding,
    models,
    parameter_file,
    problem,
    software,
)
from depth_node.evaluation.checkup_gpu import gpu
from depth_node.text import printable


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options.

    :param parser: of this verb.
    """
    parser.add_argument(
        '--params-file', type=Path, metavar='YAML',
        help='parameter file of the node; it and the files it refers to are checked as well',
    )
    parser.add_argument(
        '--seconds', type=real(0.0, 600.0), default=3.0, metavar='S',
        help='how long to listen to the cameras of the ROS domain; 0: not at all (s, default 3)',
    )
    parser.add_argument(
        '--json', type=output_file, metavar='FILE', help='also write the findings as JSON'
    )


def run(args: argparse.Namespace) -> int:
    """
    Run all checks and print the findings.

    :param args: the parsed options.
    :returns: 0 if nothing is wrong, 1 if there are problems.
    :raises DataError: the JSON file cannot be written.
    """
    findings = [Finding('machine', 'depth_node', __version__), *software()]
    config, read = Config(), list[Finding]()
    if args.params_file is not None:
        try:
            config, read = parameter_file(args.params_file)
        except DepthNodeError as error:
            read = [problem('parameters', str(args.params_file), 'refused', error)]
    name = config.model.name
    findings += [*engines(config.engine), *gpu(name), *read, *models(name)]
    findings += _ros(args.seconds)
    _print(findings)
    write_json(args.json, {
        'findings': [finding.as_json() for finding in findings],
        'problems': sum(bool(finding.problem) for finding in findings),
    })
    return int(any(finding.problem for finding in findings))


def _ros(seconds: float) -> Iterable[Finding]:
    if importlib.util.find_spec('rclpy') is None:
        return [Finding('ros', 'rclpy', 'not installed: no node on this machine, only the tools')]
    from depth_node.ros.checkup import cameras, middleware

    return [*middleware(), *(cameras(seconds) if seconds else ())]


def _print(findings: list[Finding]) -> None:
    section = ''
    for finding in findings:
        if finding.section != section:
            section = finding.section
            print(f'\n{section}')
        print(f'  {finding.name}: {printable(finding.value)}')
        if finding.problem:
            print(f'    PROBLEM: {finding.problem}')
            print(f'    Remedy: {finding.remedy}')
    count = sum(bool(finding.problem) for finding in findings)
    print(f'\n{count or "no"} problem{"" if count == 1 else "s"} found')
