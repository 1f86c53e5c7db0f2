"""What others may make the node do: its policy file, and where its services can write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from dummy_networks import write_red_network
import pytest
from rclpy.parameter import Parameter
from rig import Rig
from std_srvs.srv import Trigger
import test_scale

from depth_node.ros.node import DepthNode
from depth_node.scale.table import SOURCES

POLICY = Path(__file__).parents[2] / 'config' / 'sros2_policy.xml'
# by tf2_ros, which the wheels do not have, and by newer distributions than Humble
NOT_HERE = {
    'subscribe': {'/tf', '/tf_static'}, 'reply': {'/depth_node/get_type_description'},
    'publish': set(), 'request': set(),
}
SCHEMA = {
    'policy': ({'version'}, {'enclaves'}),
    'enclaves': (set(), {'enclave'}),
    'enclave': ({'path'}, {'profiles'}),
    'profiles': (set(), {'profile'}),
    'profile': ({'ns', 'node'}, {'topics', 'services', 'actions'}),
    'topics': ({'publish', 'subscribe'}, {'topic'}),
    'services': ({'reply', 'request'}, {'service'}),
    'actions': ({'call', 'execute'}, {'action'}),
}
"""Of SROS 2's policy.xsd: element to its attributes and children."""


def allowed() -> dict[str, set[str]]:
    """Return the full names the policy allows as sros2 expands them, by what may be done."""
    profile, = ET.parse(POLICY).iter('profile')
    space = f'{profile.get("ns").rstrip("/")}/'
    found: dict[str, set[str]] = {kind: set() for kind in NOT_HERE}
    for group in profile:
        for kind, rule in group.attrib.items():
            assert rule == 'ALLOW'
            for item in group:
                name = str(item.text)
                if name.startswith('~'):  # nothing is put between the node's name and the rest
                    name = f'{space}{profile.get("node")}{name[1:]}'
                found[kind].add(name if name.startswith('/') else f'{space}{name}')
    return found


@pytest.fixture
def made() -> Iterator[Callable[..., DepthNode]]:
    """Make a node of this process with some arguments."""
    import rclpy

    nodes: list[DepthNode] = []

    def make(*words: str) -> DepthNode:
        rclpy.init()
        node = DepthNode(['--ros-args', '-p', 'autostart:=false', *words])
        nodes.append(node)
        return node

    yield make
    for node in nodes:
        node.close()
        node.destroy_node()
    rclpy.try_shutdown()


def test_the_policy_is_of_the_documented_form() -> None:
    for element in ET.parse(POLICY).iter():
        if element.tag in ('topic', 'service'):
            assert str(element.text).strip() == element.text
            assert not len(element)
            continue
        attributes, children = SCHEMA[element.tag]
        assert set(element.attrib) <= attributes
        assert element.attrib or not attributes
        assert len(element)
        assert {child.tag for child in element} <= children


def test_the_policy_is_what_the_node_does(
    made: Callable[..., DepthNode], tmp_path: Path
) -> None:
    """Exactly: nothing it needs is missing, nothing is allowed that it never does."""
    model = write_red_network(tmp_path / 'red.onnx')
    node = made('-p', f'model.name:={model}', '-p', 'use_sim_time:=true')
    used: dict[str, set[str]] = {kind: set() for kind in NOT_HERE}

    def note() -> None:
        for kind, method in (
            ('publish', node.get_publisher_names_and_types_by_node),
            ('subscribe', node.get_subscriber_names_and_types_by_node),
            ('reply', node.get_service_names_and_types_by_node),
            ('request', node.get_client_names_and_types_by_node),
        ):
            names = {name for name, _ in method(node.get_name(), node.get_namespace())}
            used[kind] |= names

    for transport in ('raw', 'compressed'):
        assert node.set_parameters([Parameter('input.transport', value=transport)])[0].successful
        node.trigger_configure()
        node.trigger_activate()
        node._transforms.lookup('base_link', 'camera', 0, 0.0)
        for source in (row.name for row in SOURCES.values() if row.message):
            assert node.set_parameters([Parameter('scale.source', value=source)])[0].successful
            node._scaling.match(node._settings.config)
            note()
        node.trigger_deactivate()
        node.trigger_cleanup()
    may = allowed()
    for kind, names in used.items():
        assert names <= may[kind], f'{kind}: the policy lacks them'
        assert may[kind] - names <= NOT_HERE[kind], f'{kind}: the node never does it'


@pytest.mark.parametrize('name', ['scale.calibration_file', 'engine.cache_dir'])
def test_where_to_write_is_given_at_start(
    made: Callable[..., DepthNode], tmp_path: Path, name: str
) -> None:
    """No service moves it, not even before configure or after cleanup."""
    node = made('-p', f'{name}:={tmp_path / "given"}')
    answer, = node.set_parameters([Parameter(name, value=str(tmp_path / 'other'))])
    assert not answer.successful
    assert 'read-only' in answer.reason
    assert node.get_parameter(name).value == str(tmp_path / 'given')


def test_no_service_writes_but_to_the_calibration_path(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A calibration is saved, and a link in its place is replaced, not followed."""
    home = tmp_path / 'home'
    home.mkdir()
    monkeypatch.setenv('HOME', str(home))
    monkeypatch.setenv('XDG_CACHE_HOME', str(home / 'cache'))
    monkeypatch.setenv('ROS_LOG_DIR', str(tmp_path / 'log'))
    monkeypatch.chdir(home)
    victim = home / 'victim'
    victim.write_text('precious')
    file = tmp_path / 'robot' / 'scale.yaml'
    scene = test_scale.Scene(rig)
    rig.listen('depth/image')
    process = rig.start(
        write_red_network(tmp_path / 'red.onnx'), scale__source='points',
        scale__extrinsic=test_scale.IDENTITY, scale__rate=100.0, scale__calibration_file=file,
        engine__name='onnxruntime',
    )
    assert scene.until(lambda: len(rig.got['depth/image']) > 10, lidar=True)
    before = sorted(home.rglob('*'))
    accepted, _ = rig.set('scale.calibration_file', str(victim))
    assert not accepted
    file.parent.mkdir()
    file.symlink_to(victim)
    saved, text = scene.call('save_calibration')
    assert saved, text
    assert scene.call('reset_scale')[0]
    assert rig.change_state('deactivate')
    assert rig.change_state('cleanup')
    assert victim.read_text() == 'precious'
    assert file.is_file()
    assert not file.is_symlink()
    assert [path.name for path in file.parent.iterdir()] == ['scale.yaml']
    assert sorted(home.rglob('*')) == before
    assert process.stop() == 0


def test_a_calibration_that_cannot_be_written_is_an_answer(
    rig: Rig, tmp_path: Path
) -> None:
    """One sentence to whoever asked; depth goes on."""
    nowhere = tmp_path / 'nowhere'
    scene = test_scale.Scene(rig)
    rig.listen('depth/image')
    depths = rig.got['depth/image']
    process = rig.start(
        write_red_network(tmp_path / 'red.onnx'), scale__source='points',
        scale__extrinsic=test_scale.IDENTITY, scale__rate=100.0,
        scale__calibration_file=nowhere / 'scale.yaml', engine__name='onnxruntime',
    )
    assert scene.until(lambda: len(depths) > 10, lidar=True)
    nowhere.write_text('a file where the folder should be')
    client = rig.node.create_client(Trigger, 'depth_node/save_calibration')
    assert rig.spin(client.service_is_ready)
    saved, text = scene.call('save_calibration')
    assert not saved
    assert 'cannot be written' in text
    depths.clear()
    assert scene.until(lambda: depths, lidar=True)
    assert process.stop() == 0
    assert 'Traceback' not in process.output
