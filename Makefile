# Every target sets itself up from nothing: a Python of 3.11 or newer is all it needs.
# `make PYTHON=python3.13 test` takes another one; the first that is new enough is taken.
PYTHON ?= python3.11 python3.12 python3.13 python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Quix Streams wants older releases than hookpoint runs with: an environment of its own.
QUIX_VENV := .venv-quix
QUIX_READY := $(QUIX_VENV)/.ready
QUIX_PACKAGES := hookpoint/bench/peers/quix-requirements.txt

# KAFKA=apache: Apache Kafka itself instead of the embedded broker, for one target (docs/brokers.md).
KAFKA ?= embedded
KAFKA_NODES ?= 1
# KAFKA_PORT=9092: where `make kafka` listens; without it, where its folder was last, or a free port.
KAFKA_PORT ?=
# TESTS=tests/faults: only a part of them.
TESTS ?= tests
# CORE=compiled: what decides, compiled to C (docs/adr/0018); it takes a C compiler.
CORE ?= interpreted
COMPILED := build/compiled
ifeq ($(CORE),compiled)
CORE_READY := $(COMPILED)/.ready
ON_CORE := PYTHONPATH=$(CURDIR)/$(COMPILED)
else ifneq ($(CORE),interpreted)
$(error CORE is interpreted or compiled, not $(CORE))
endif

ifeq ($(KAFKA),apache)
ON_KAFKA := $(BIN)/hookpoint kafka --nodes $(KAFKA_NODES) --
else ifneq ($(KAFKA),embedded)
$(error KAFKA is embedded or apache, not $(KAFKA))
endif

.DEFAULT_GOAL := help
.PHONY: help demo test faults check bench bench-quick evaluate compiled up kafka clean

help:
	@echo "make demo    a simulated audience through the whole pipeline, on servers of its own"
	@echo "make test    the whole test suite, on servers of its own"
	@echo "make faults  storms of faults over a running service, on Apache Kafka; SEED=n repeats one"
	@echo "make check   lint, format and types"
	@echo "make bench   how fast it is here, beside others that do the same work"
	@echo "make bench-quick  the same beside one other, in under two minutes; keeps a history"
	@echo "make evaluate  how close it comes to the truth, on simulated audiences"
	@echo "make up      a broker and a Redis to play with, until Ctrl-C"
	@echo "make kafka   Apache Kafka itself, by Maven and Java, until Ctrl-C; KAFKA_NODES=3, KAFKA_PORT=9092"
	@echo "make compiled  the core compiled to C, into $(COMPILED)"
	@echo "make clean   remove what these targets made"
	@echo
	@echo "make test KAFKA=apache and make bench KAFKA=apache run on Apache Kafka;"
	@echo "with CORE=compiled they run with the compiled core"

$(READY): pyproject.toml
	@if [ ! -x $(BIN)/python ]; then \
	  for candidate in $(PYTHON); do \
	    if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	      echo "making $(VENV) with $$candidate"; \
	      $$candidate -m venv $(VENV) || exit 1; \
	      break; \
	    fi; \
	  done; \
	  if [ ! -x $(BIN)/python ]; then \
	    echo "hookpoint needs Python 3.11 or newer; tried: $(PYTHON)." >&2; \
	    echo "Name yours with: make PYTHON=/path/to/python3.12 ..." >&2; \
	    exit 1; \
	  fi; \
	fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

compiled: $(COMPILED)/.ready

# `pip install --target` lays it beside the environment: nothing there is ever out of date unseen.
$(COMPILED)/.ready: $(READY) setup.py $(shell find config consumers hookpoint producers streams -name '*.py' -o -name '*.pyx' -o -name '*.lua')
	rm -rf build
	HOOKPOINT_COMPILE=1 $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --no-deps --target $(COMPILED) .
	@touch $@

demo: $(READY)
	$(BIN)/hookpoint demo

test: $(READY) $(CORE_READY)
	$(ON_CORE) $(ON_KAFKA) $(BIN)/pytest --quiet --durations=10 --numprocesses=6 --dist=loadfile --no-loadscope-reorder $(TESTS)

faults: $(READY) $(CORE_READY)
	PYTHONPATH=$(if $(CORE_READY),$(CURDIR)/$(COMPILED):)tests $(BIN)/python -m faults.storm $(if $(SEED),--seed $(SEED))

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(QUIX_READY): $(QUIX_PACKAGES) | $(READY)
	$(BIN)/python -m venv $(QUIX_VENV)
	$(QUIX_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $(QUIX_PACKAGES)
	@touch $@

bench: $(READY) $(CORE_READY) $(QUIX_READY)
	HOOKPOINT_QUIX_PYTHON=$(CURDIR)/$(QUIX_VENV)/bin/python $(ON_CORE) $(ON_KAFKA) $(BIN)/hookpoint bench

bench-quick: $(READY) $(CORE_READY)
	$(ON_CORE) $(ON_KAFKA) $(BIN)/hookpoint bench --quick

evaluate: $(READY)
	$(BIN)/hookpoint evaluate retention
	$(BIN)/hookpoint evaluate hooked

up: $(READY)
	$(BIN)/hookpoint up

# Its log and records stay in .kafka, so it carries on where it was stopped.
kafka: $(READY)
	$(BIN)/hookpoint kafka --nodes $(KAFKA_NODES) --folder .kafka $(if $(KAFKA_PORT),--port $(KAFKA_PORT))

clean:
	rm -rf $(VENV) $(QUIX_VENV) .kafka bench-out evaluate-out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
