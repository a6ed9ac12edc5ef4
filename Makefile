# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# make demo    a drive is played over ROS 2 topics into the localizer; results in results/demo
# make test    all tests, with the coverage of what needs no network; WORKERS=4 on a machine with more cores, and
#              TESTS=test/ros for some of them without the coverage
# make docs    the documentation site, in build/site; a broken link is an error
# make fuzz    the decoders and readers of files, some minutes in all; FUZZ="--inputs 60000" for longer
# make spconv  the sparse convolution beside spconv's, in a folder of its own: it brings another lark than ROS has
# make lint    style and types
# make setup   only the virtual environment .venv, which the others make when it is missing or out of date
#
# PYTHON=python3.12 chooses another interpreter; ROS=kilted takes ROS 2 Kilted, in an environment .venv-kilted of its own.

SHELL := /bin/bash
PYTHON ?= python3
ROS ?= jazzy
VENV := $(if $(filter jazzy,$(ROS)),.venv,.venv-$(ROS))
EXTRA := $(if $(filter jazzy,$(ROS)),ros,ros-$(ROS))
READY := $(VENV)/.ready
BIN := $(VENV)/bin

export OMP_NUM_THREADS ?= 2
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: setup demo test docs fuzz spconv lint

setup: $(READY)

$(READY): setup.py constraints.txt pip_ros/$(ROS).txt $(shell find pip_ros -name '*.py')
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 10) <= v <= (3, 14) or sys.exit("Python 3.10 to 3.14 is needed, this is %d.%d: make PYTHON=python3.12" % v)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV): a few minutes, and a few GB where torch comes with CUDA"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --constraint pip_ros/$(ROS).txt --editable .[$(EXTRA),train,dev]
	$(BIN)/python pip_ros/install.py
	touch $@

demo: $(READY)
	$(BIN)/i2p demo

WORKERS ?= 2
TESTS ?=
COVERED := core pnp sources search alignment writers

test: export OMP_NUM_THREADS = 1
test: $(READY)
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder $(COVERED:%=--cov=i2p_ros/%) --cov-report= $(TESTS)
	$(if $(TESTS),,$(foreach part,$(COVERED),$(BIN)/coverage report --include='i2p_ros/$(part)/*' --fail-under=90 &&)) true

docs: $(READY)
	$(BIN)/python -m documentation

FUZZ ?= --inputs 12000

fuzz: $(READY)
	$(BIN)/python -m fuzz $(FUZZ)

spconv: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --target build/spconv spconv==2.3.8
	PYTHONPATH=build/spconv $(BIN)/python -m pytest test/networks/test_sparse.py test/networks/test_spconv.py test/runtime/test_choosing.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
