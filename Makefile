# Foley: `make setup`, `make demo`. Everything runs in the venv and the workspace that setup makes.
SHELL := /bin/bash
RUN := set -eo pipefail; . ./env.sh;
PYTEST_ARGS ?=

.PHONY: help setup demo evaluate world test bench lint format lock clean

help:  ## what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22
	@echo '  Options: FOLEY_EXTRAS="base" make setup (recording machine), FOLEY_ROS=system|wheels, PYTHON=python3.12,'
	@echo '           PYTEST_ARGS="-k recorder" make test'

setup:  ## system libraries, venv and workspace; seconds when nothing changed
	@scripts/setup.sh

demo: setup  ## the whole loop in a simulated world; table, out/demo/metrics.json and report.html
	@$(RUN) foley demo

# Scenes that no model has seen or been tuned on: the training recipe takes seeds below, the demo those from 0. Measured
# twice: with the stills that live nodes take, and with those that the shipped model was trained with (`--clear 0`).
HELD_OUT := --split test --scenes 24 --duration 20 --seed 5000
CHECKPOINT ?= shipped

evaluate: setup  ## the shipped model (or CHECKPOINT=DIR) on some 250 contacts in held-out scenes; out/evaluate/metrics.json
	@$(RUN) foley sim generate --out out/held_out/bags $(HELD_OUT); \
	foley dataset build out/held_out/bags/* --out out/held_out/dataset_live; \
	foley evaluate $(CHECKPOINT) out/held_out/dataset_live --split test --out out/evaluate_live --require-above-chance; \
	foley dataset build out/held_out/bags/* --out out/held_out/dataset --clear 0; \
	foley evaluate $(CHECKPOINT) out/held_out/dataset --split test --out out/evaluate --require-above-chance

# The whole set (6 h, about 9 GB) instead of the mini collection: `COLLECTION=foleysim-1 make world`.
COLLECTION ?= foleysim-1-mini

world: setup  ## FoleySim-1 and its judge: bags, check, datasheet, data sets, what sight and sound tell; 20 minutes, 2 GB
	@$(RUN) out=out/$(COLLECTION); \
	foley sim generate --collection $(COLLECTION) --out $$out/bags --metrics $$out; \
	foley sim generate --collection foleysim-b --out out/foleysim-b/bags --metrics out/foleysim-b; \
	foley sim check $$out/bags; foley sim check out/foleysim-b/bags; \
	foley sim render-audio $$out/bags --no-compare --metrics $$out/render_audio; \
	foley sim datasheet $$out/bags --out $$out/datasheet.md; \
	foley dataset build $$out/bags --out $$out/dataset; \
	foley dataset build out/foleysim-b/bags --out out/foleysim-b/dataset; \
	foley probe $$out/dataset --judge out/foleysim-b/dataset --out out/probe_material; \
	foley probe $$out/dataset --judge out/foleysim-b/dataset --target action --out out/probe_action; \
	foley probe $$out/dataset --judge out/foleysim-b/dataset --target reaction --out out/probe_reaction; \
	foley probe $$out/dataset --shortcuts --out out/probe_shortcuts

test: lint  ## ruff, mypy and every test
	@$(RUN) scripts/test.sh $(PYTEST_ARGS)

bench: setup  ## timed measurements of benchmarks/
	@$(RUN) python -m benchmarks

lint: setup  ## ruff and strict mypy on the pure modules
	@$(RUN) scripts/lint.sh

format: setup  ## let ruff put imports and layout right
	@$(RUN) ruff check --fix . && ruff format .

lock: setup  ## write requirements/constraints.txt from the venv as it is
	@$(RUN) python scripts/lock.py

clean:  ## remove what was built (the venv stays; `rm -rf .venv` for that)
	rm -rf ros2_ws/build ros2_ws/install ros2_ws/log out .mypy_cache .ruff_cache .pytest_cache
