# Every target sets up what it needs in .venv; a second run is quick.
PYTHON ?= python3
# The wheels of ROS 2 for every target: jazzy, or kilted in an environment of its own, as in
# `make test ROS=kilted`
ROS ?= jazzy
ROS_EXTRA := $(if $(filter kilted,$(ROS)),ros-kilted,$(if $(filter jazzy,$(ROS)),ros,\
    $(error ROS=$(ROS): expected jazzy or kilted, of which there are wheels)))
VENV := .venv$(if $(filter kilted,$(ROS)),-kilted)
BIN := $(VENV)/bin
# The OpenCV and NumPy of current ROS distributions, beside the newest ones
COMPAT := $(VENV)-compat
COMPAT_PINS := opencv-python-headless==4.10.0.84 numpy==1.26.4
COMPAT_TESTS := test/image test/sources test/camera test/ros/test_messages.py
CALM := camera cloud config depth evaluation image mapping model output scale sources training world
TORCH := 2.13.0
# The library alone, for a Python that has no wheels of ROS yet: `make core PYTHON=python3.14`
CORE := .venv-core
CORE_TESTS := test/image test/sources test/camera test/cloud test/config test/depth test/scale

# the longest that one command may take on a borrowed GPU (s)
BUDGET := 540

.PHONY: demo test compat core lint generate pictures bench gpu-pack gpu fuzz endurance hostile floods soak audit clean

demo: $(VENV)/.run
	$(BIN)/python -m depth_node.ros.trial.demo

# What depends on no clock runs in two processes; the rest, with the nodes, alone
test: lint compat
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(CALM:%=test/%)
	$(BIN)/python -m pytest $(CALM:%=--ignore=test/%)

# Decoders and messages once more with older libraries; NumPy 1.26 has wheels up to Python 3.12
compat: $(COMPAT)/.done
	$(COMPAT)/bin/python -m pytest --quiet $(COMPAT_TESTS)

core: $(CORE)/.done
	$(CORE)/bin/python -m pytest --quiet $(CORE_TESTS)

bench: $(VENV)/.test
	$(BIN)/python bench/run.py

# Wheels for a machine with a GPU and without a network, in parts (doc/measurements/gpu.md)
gpu-pack: $(VENV)/.test
	$(BIN)/python tools/gpu/pack.py

# The measurements on a GPU; without one the same steps on the CPU. Goes on where it was cut;
# exit code 1 of the first command: some rows or parts are not there yet
gpu: $(VENV)/.test
	$(BIN)/python tools/gpu/gpu_run.py --budget $(BUDGET) || test $$? -eq 1
	$(BIN)/python tools/gpu/page.py

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint docker/Dockerfile*
	$(BIN)/python tools/generate.py --check

generate: $(VENV)/.run
	$(BIN)/python tools/generate.py

$(VENV)/.run: setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[cpu,$(ROS_EXTRA),frames,fetch]'
	touch $@

# torch alone first: a range that it satisfies then pulls in no CUDA
$(VENV)/.test: $(VENV)/.run
	$(BIN)/python -m pip install --quiet torch==$(TORCH)
	$(BIN)/python -m pip install --quiet --editable '.[cpu,$(ROS_EXTRA),frames,fetch,training,export,test,lint]'
	touch $@

$(COMPAT)/.done: setup.py Makefile
	$(PYTHON) -m venv $(COMPAT)
	$(COMPAT)/bin/python -m pip install --quiet --editable '.[$(ROS_EXTRA),frames]' $(COMPAT_PINS) \
	    onnxruntime 'pytest>=8' pytest-timeout hypothesis pillow scipy psutil
	touch $@

# The README's pictures, of the synthetic world, into doc/images/
pictures: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --editable '.[mapping]'
	$(BIN)/python tools/pictures.py

$(CORE)/.done: setup.py Makefile
	$(PYTHON) -m venv $(CORE)
	$(CORE)/bin/python -m pip install --quiet --editable '.[cpu,frames,fetch]' \
	    'pytest>=8' pytest-timeout hypothesis pillow scipy psutil
	touch $@

# Coverage-guided, 100,000 cases per parser: tens of minutes
fuzz: $(VENV)/.test
	$(BIN)/python -m pip install --quiet 'atheris>=3'
	$(BIN)/python tools/fuzz.py

# 10,000 transitions, 200 signals, 200 kills of every writer: about an hour
endurance: $(VENV)/.test
	DEPTH_NODE_LONG=1 $(BIN)/python -m pytest -s --timeout 3600 \
	    test/ros/test_endurance.py test/test_killed.py

# 10,000 hostile messages for every callback, 2000 argument lists for every verb: an hour
hostile: $(VENV)/.test
	DEPTH_NODE_LONG=1 $(BIN)/python -m pytest --timeout 0 \
	    test/fuzz/test_fuzz_cli.py test/ros/test_hostile_messages.py

# An hour's worth of every flood, compressed in time; writes doc/measurements/floods.md
floods: $(VENV)/.run
	$(BIN)/python tools/floods.py

# Half an hour, or MINUTES=5; writes doc/measurements/soak.md
soak: $(VENV)/.run
	$(BIN)/python tools/soak.py --minutes $(or $(MINUTES),30)

# Asks the Python packages' database of known vulnerabilities: needs the network
audit: $(VENV)/.test
	$(BIN)/python -m pip install --quiet pip-audit
	$(BIN)/pip-audit --skip-editable

clean:
	rm -rf .venv .venv-* build install log dist demo gpu-pack gpu-run .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
	rm -rf *.egg-info
