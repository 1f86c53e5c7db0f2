"""
Camera, depth, cloud and obstacles live in Rerun, while they are estimated.

    python examples/07_live.py [SOURCE] [MODEL] [FRAMES] [FILE.rrd]

SOURCE: a camera such as /dev/video0 or 0, or a folder, video or bag; without arguments a drive
through the synthetic world. With FILE.rrd it records instead of opening a window. Install Rerun
with: pip install '.[view]'. For the topics of a running node: depth-node view --live.
"""

from __future__ import annotations

import dataclasses
from itertools import islice
import sys
import time

from depth_node import Camera, Config, DepthEstimator, open_model
from depth_node.sources.frames import open_source
from depth_node.viewer.drawing import library
from depth_node.viewer.recording import Recorder
from depth_node.viewer.serving import open_window

HFOV_DEG = 70.0  # of a camera without a calibration
CAMERA_HEIGHT, PITCH_DEG = 0.6, 5.0  # m, degrees: how it is mounted, for obstacles and scan


def main(
    source: str = 'world:7', model: str = 'embedded', frames: str = '100', record: str = ''
) -> None:
    """Draw every frame as soon as its depth is known."""
    config = Config().replaced({
        'ground.camera_height': CAMERA_HEIGHT, 'ground.camera_pitch_deg': PITCH_DEG,
    })
    stream = library().RecordingStream('live')
    if record:
        stream.save(record)
    else:
        open_window(stream)
    recorder, estimator = Recorder(stream, config), DepthEstimator(open_model(model), config)
    count, begin = 0, time.perf_counter()
    for frame in islice(open_source(source), int(frames)):
        camera = frame.camera or Camera.from_hfov(*frame.size, HFOV_DEG)
        seen = dataclasses.replace(frame, camera=camera)
        start = time.perf_counter()
        estimate = estimator.estimate(seen, confidence=True)
        recorder.add(seen, estimate, 1000 * (time.perf_counter() - start))
        count += 1
    recorder.flush()
    estimator.close()
    print(f'{count} frames, {count / (time.perf_counter() - begin):.1f} per second')


if __name__ == '__main__':
    main(*sys.argv[1:])
