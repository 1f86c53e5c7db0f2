"""Power mode and clocks of a Jetson, read from a tree like its own."""

from __future__ import annotations

import pytest

from depth_node.engine.tensorrt.board import advice, power_state


@pytest.fixture
def orin(tmp_path):
    """An Orin NX, as its files say."""
    for path, content in {
        'proc/device-tree/model': 'NVIDIA Jetson Orin NX Engineering Reference Developer Kit\0',
        'var/lib/nvpmodel/status': 'pmode:0003 fmode:quiet',
        'etc/nvpmodel.conf': '# FILE\n< POWER_MODEL ID=0 NAME=MAXN >\nCPU_ONLINE CORE_0 1\n'
                             '< POWER_MODEL ID=3 NAME=25W >\n',
        'sys/class/devfreq/17000000.gpu/min_freq': '306000000\n',
        'sys/class/devfreq/17000000.gpu/max_freq': '918000000\n',
        'sys/class/devfreq/15380000.nvjpg/max_freq': '1\n',
    }.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return tmp_path


def test_what_a_jetson_says(orin):
    state = power_state(orin)
    assert state == {
        'board': 'NVIDIA Jetson Orin NX Engineering Reference Developer Kit',
        'power mode': '3 (25W)',
        'GPU clock': '306 to 918 MHz, by load',
    }
    problem, remedy = advice(state)
    assert 'vary with the load' in problem
    assert 'jetson_clocks' in remedy
    assert 'nvpmodel' in remedy


def test_fixed_clocks_need_no_advice(orin):
    (orin / 'sys/class/devfreq/17000000.gpu/min_freq').write_text('918000000\n')
    state = power_state(orin)
    assert state['GPU clock'] == '918 MHz, fixed'
    assert advice(state) == ('', '')


@pytest.mark.parametrize('gone', [
    'var/lib/nvpmodel/status', 'etc/nvpmodel.conf', 'sys/class/devfreq/17000000.gpu/min_freq',
])
def test_what_cannot_be_read_is_left_out(orin, gone):
    (orin / gone).unlink()
    state = power_state(orin)
    assert 'board' in state
    advice(state)
    assert ('conf' in gone) == (state.get('power mode') == '3')


def test_no_jetson_says_nothing(tmp_path):
    assert power_state(tmp_path) == {}
    assert advice({}) == ('', '')


def test_it_is_recorded_with_the_engine(machine, monkeypatch, orin):
    monkeypatch.setattr(
        'depth_node.engine.tensorrt.board.power_state', lambda: power_state(orin)
    )
    machine.open().close()
    assert machine.metadata()['board']['power mode'] == '3 (25W)'
    assert any('jetson_clocks' in line for line in machine.warnings)
