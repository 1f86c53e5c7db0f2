"""The profile for links that lose packets: Fast DDS reads it, and sends small datagrams."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
import socket
import struct
import time

from processes import Processes

from depth_node.ros import dds

PROFILE = Path(__file__).parents[2] / 'config' / 'fastdds_offboard.xml'
PACKET = 1500
TALK = """
import array, time, rclpy
from sensor_msgs.msg import CompressedImage
rclpy.init()
node = rclpy.create_node('talk')
publisher = node.create_publisher(CompressedImage, 'far', 1)
message = CompressedImage(data=array.array('B', bytes(range(256)) * 400))
while True:
    publisher.publish(message)
    time.sleep(0.2)
"""
HEAR = """
import rclpy
from sensor_msgs.msg import CompressedImage
rclpy.init()
node = rclpy.create_node('hear')
def hear(message):
    print('heard', bytes(message.data) == bytes(range(256)) * 400, flush=True)
node.create_subscription(CompressedImage, 'far', hear, 1)
rclpy.spin(node)
"""


def environment(file: Path) -> dict[str, str]:
    # on localhost alone ROS adds shared memory to what the profile says
    return {
        **dict.fromkeys(dds.variables(), str(file)), 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET',
    }


def payloads(sniffer: socket.socket, seconds: float) -> list[int]:
    """Sizes of the UDP datagrams of this test's domain, whole or in fragments (bytes)."""
    first = 7400 + 250 * int(os.environ['ROS_DOMAIN_ID'])
    sizes, end = [], time.monotonic() + seconds
    sniffer.settimeout(0.2)
    while time.monotonic() < end:
        with contextlib.suppress(TimeoutError):
            frame = sniffer.recv(65536)
            if frame[12:14] == b'\x08\x00' and frame[23] == socket.IPPROTO_UDP:
                port, length = struct.unpack('!HH', frame[36:40])
                if first <= port < first + 250:
                    sizes.append(length - 8)
    return sizes


def test_fast_dds_reads_it_and_messages_arrive_in_single_packets(processes: Processes) -> None:
    hear = processes.python('-c', HEAR, env=environment(PROFILE))
    talk = processes.python('-c', TALK, env=environment(PROFILE))
    hear.wait_for('heard True')
    with contextlib.suppress(PermissionError):  # only root may look at packets
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as sniffer:
            sizes = payloads(sniffer, 3.0)
        assert sum(size > 1000 for size in sizes) > 100
        assert max(sizes) + 28 + 80 <= PACKET
    for process in (hear, talk):
        process.note_segments()
        assert not process.segments  # UDP only
        process.stop()
        assert 'XML' not in process.output, process.output
    assert 'heard False' not in hear.output


def test_it_says_so_when_fast_dds_cannot_read_a_profile(
    processes: Processes, tmp_path: Path
) -> None:
    """What the test before would see."""
    wrong = tmp_path / 'wrong.xml'
    wrong.write_text(PROFILE.read_text().replace('maxMessageSize', 'mostMessageSize'))
    processes.python('-c', TALK, env=environment(wrong)).wait_for('XML')


def test_our_processes_leave_it_to_the_user() -> None:
    assert not dds.transport(environment(PROFILE)).environment
