"""The profile reaches Fast DDS, malloc keeps its blocks, and the user's own choice stands."""

from __future__ import annotations

import collections
import importlib.metadata
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

from depth_node import process
from depth_node.ros import dds, folders

NODE = """
import sys
from rclpy.node import Node
from depth_node.ros import runtime

class Quiet(Node):
    def __init__(self, arguments):
        super().__init__('quiet')
        self.get_logger().info('started')

    def caught(self, where, error):
        raise error

    def close(self):
        pass

sys.exit(runtime.run(Quiet))
"""
Usage = collections.namedtuple('Usage', 'free')


def plenty(monkeypatch):
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: Usage(2**33))


@pytest.mark.parametrize(('version', 'names'), [
    ('3.3.15', ['FASTRTPS_DEFAULT_PROFILES_FILE']), ('7.1.5', ['FASTRTPS_DEFAULT_PROFILES_FILE']),
    ('9.1.2', ['FASTDDS_DEFAULT_PROFILES_FILE']),
    ('odd', ['FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE']),
])
def test_the_variable_that_this_ros_reads_points_to_the_profile(monkeypatch, version, names):
    """Kilted warns at every start when both are set."""
    plenty(monkeypatch)
    monkeypatch.setattr(importlib.metadata, 'version', lambda _: version)
    environment = dds.transport({}).environment
    assert list(environment) == names
    (path,) = set(environment.values())
    root = ET.parse(path).getroot()
    assert [e.text for e in root.iter() if e.tag.endswith('segment_size')] == [str(2**26)]


@pytest.mark.parametrize('name', [
    'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE',
    'FASTDDS_BUILTIN_TRANSPORTS',
])
def test_what_the_user_set_stands(monkeypatch, name):
    plenty(monkeypatch)
    decision = dds.transport({name: ''})
    assert not decision.environment
    assert name in decision.reason


def test_a_small_shared_memory_is_left_alone(monkeypatch):
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: Usage(64 * 2**20))
    decision = dds.transport({})
    assert not decision.environment
    assert '64 MiB free' in decision.reason
    assert '--shm-size' in decision.reason


@pytest.mark.parametrize('before', ['', dds.PROFILE, dds.UDP_PROFILE])
def test_a_full_shared_memory_is_not_used(monkeypatch, before):
    """Fast DDS writes to its segments without looking, and SIGBUS ends the process."""
    config = folders.share_folder() / 'config'
    environ = dict.fromkeys(dds.variables(), str(config / before)) if before else {}
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: Usage(2**20))
    decision = dds.transport(environ)
    (path,) = set(decision.environment.values())
    kinds = [e.text for e in ET.parse(path).getroot().iter() if e.tag.endswith('}type')]
    assert kinds == ['UDPv4']
    assert decision.warn
    assert 'UDP' in decision.reason
    assert '1 MiB free' in decision.reason


def test_the_profile_of_the_launch_file_is_given_up_where_there_is_no_room(monkeypatch):
    config = folders.share_folder() / 'config'
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: Usage(64 * 2**20))
    decision = dds.transport(dict.fromkeys(dds.variables(), str(config / dds.PROFILE)))
    assert set(decision.environment.values()) == {''}


def test_the_profile_comes_back_with_the_room(monkeypatch):
    config = folders.share_folder() / 'config'
    plenty(monkeypatch)
    before = dict.fromkeys(dds.variables(), str(config / dds.UDP_PROFILE))
    (path,) = set(dds.transport(before).environment.values())
    assert path.endswith(dds.PROFILE)


def test_profile_of_the_workspace_comes_first(monkeypatch, tmp_path):
    folder = tmp_path / 'share' / 'depth_node'
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'{tmp_path}:/elsewhere')
    assert folders.share_folder() == Path(folders.__file__).parents[2]
    (folder / 'config').mkdir(parents=True)
    (folder / 'config' / dds.PROFILE).touch()
    assert folders.share_folder() == folder


@pytest.mark.parametrize('profile', [True, False])
def test_the_segment_has_the_size_of_the_profile(processes, profile):
    if shutil.disk_usage('/dev/shm').free < 2**28:
        pytest.skip('/dev/shm is too small')
    off = {} if profile else {'FASTDDS_BUILTIN_TRANSPORTS': 'DEFAULT'}
    process = processes.python('-c', NODE, env=off)
    process.wait_for('started')
    process.note_segments()
    sizes = [path.stat().st_size for path in process.segments if 'port' not in path.name]
    assert (max(sizes) > 2**26) is profile
    assert process.stop() == 0


@pytest.mark.parametrize('tuned', [True, False])
def test_large_blocks_come_from_the_heap(tuned):
    code = (
        'import ctypes, re\n'
        'from depth_node import process\n'
        f'done = {tuned} and process.keep_large_blocks()\n'
        'block = bytearray(6 << 20)\n'
        'at = ctypes.addressof(ctypes.c_char.from_buffer(block))\n'
        "maps = open('/proc/self/maps').read()\n"
        "low, high = re.search(r'(\\w+)-(\\w+) .*\\[heap\\]', maps).groups()\n"
        'print(done, int(low, 16) <= at < int(high, 16))\n'
    )
    env = {key: value for key, value in os.environ.items() if not re.match('MALLOC|GLIBC', key)}
    output = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True, env=env
    ).stdout
    assert output.split() == [str(tuned)] * 2


def test_malloc_settings_of_the_user_stand(monkeypatch):
    monkeypatch.setenv('MALLOC_MMAP_THRESHOLD_', '1000000')
    assert not process.keep_large_blocks()


def test_log_folder(tmp_path):
    assert folders.writable_log_folder({'HOME': str(tmp_path)}) is None
    assert folders.writable_log_folder({'HOME': '/dev/null', 'ROS_LOG_DIR': 'x'}) is None
    for environ in ({}, {'HOME': ''}, {'HOME': 'relative'}, {'HOME': '/' + 'x' * 300}):
        assert os.access(folders.writable_log_folder(environ), os.W_OK)
    elsewhere = folders.writable_log_folder({'HOME': '/dev/null'})
    assert elsewhere is not None
    assert os.access(elsewhere, os.W_OK)
