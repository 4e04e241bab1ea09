# `make` alone lists the targets. Everything lives in .venv; nothing is installed outside it.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OUT ?= demo_out
# Two test processes fit two cores; each keeps to one thread.
WORKERS ?= 2
# Extras that the tests need.
TESTED := test,log,onnx,openvino,dask,view
DEVELOPED := $(TESTED),lint,docs
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test test-minimum test-newest wheel-check lint docs docs-commands drill fuzz endurance bench clean

# $(call fresh,FOLDER,PYTHON,WHAT): a new environment in FOLDER with WHAT installed.
fresh = rm -rf $(1); \
	if command -v uv >/dev/null 2>&1; then uv venv --quiet --python $(2) $(1) && uv pip install --quiet --python $(1)/bin/python $(3); \
	else $(2) -m venv $(1) && $(1)/bin/python -m pip install --quiet $(3); fi

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# $(call add,EXTRAS): the package with extras in the environment that is there.
add = if command -v uv >/dev/null 2>&1; then \
	  uv pip install --python $(BIN)/python -c constraints.txt -e '.[$(1)]'; \
	else \
	  $(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade; \
	  $(BIN)/python -m pip install -c constraints.txt -e '.[$(1)]'; \
	fi

install: $(STAMP) ## put the package and its tools into .venv (again after a change of its dependencies)

# PYTHON=... chooses the interpreter, else the newest on the PATH that has wheels of everything; uv is used where
# it is on the PATH, pip otherwise.
$(STAMP): pyproject.toml constraints.txt
	@set -eu; \
	new_enough='import sys; sys.exit(sys.version_info < (3, 11))'; \
	if [ ! -x $(BIN)/python ]; then \
	  found=''; \
	  for candidate in $(or $(PYTHON),python3.14 python3.13 python3.12 python3.11 python3 python); do \
	    if "$$candidate" -c "$$new_enough" >/dev/null 2>&1; then found="$$candidate"; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "make install: expected Python 3.11 or newer, but found none as $(or $(PYTHON),python3 or python3.11 to python3.14). Install one, or run: make install PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	  fi; \
	  echo "creating $(VENV) with $$("$$found" --version)"; \
	  if command -v uv >/dev/null 2>&1; then uv venv --quiet --python "$$found" $(VENV); else "$$found" -m venv $(VENV); fi; \
	elif ! $(BIN)/python -c "$$new_enough"; then \
	  echo "make install: expected $(VENV) to hold Python 3.11 or newer, but got $$($(BIN)/python --version). Remove $(VENV) and run make install again." >&2; \
	  exit 1; \
	fi; \
	$(call add,$(DEVELOPED)); \
	touch $(STAMP)

demo: $(STAMP) ## synthetic scenes, training, maps, polygons and report in OUT=demo_out (CROPS=1: crops from a season)
	$(if $(CROPS),$(BIN)/python experiments/season_demo.py $(OUT)/crops,$(BIN)/hierars-geo demo $(OUT) --overwrite)

test: $(STAMP) ## run the tests (PYTEST_ARGS='-m slow' for the slow ones)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

# The oldest versions have wheels for Python 3.11 and 3.12; PYTHON=... chooses one of them.
build/minimum/.installed: pyproject.toml constraints-minimum.txt | $(STAMP)
	@$(call fresh,build/minimum,$(or $(PYTHON),$(BIN)/python),-c constraints-minimum.txt -e '.[$(TESTED)]')
	@touch $@

test-minimum: build/minimum/.installed ## run the tests with the oldest versions allowed, in build/minimum
	OMP_NUM_THREADS=1 build/minimum/bin/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

build/newest/.installed: pyproject.toml constraints-newest.txt
	@set -eu; python='$(PYTHON)'; python=$${python:-$$(.ci/newest-python)}; \
	$(call fresh,build/newest,"$$python",-c constraints-newest.txt -e '.[$(TESTED)]')
	@touch $@

test-newest: build/newest/.installed ## run the tests with the newest versions on Python 3.12 or newer, in build/newest
	OMP_NUM_THREADS=1 build/newest/bin/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

wheel-check: $(STAMP) ## build wheel and source archive, try the wheel outside the repository (DEMO=1: the demo, too)
	rm -rf dist
	$(BIN)/python -m hatchling build -d dist
	$(BIN)/python -m twine check --strict dist/*
	@$(call fresh,build/wheel,$(BIN)/python,-c constraints.txt dist/*.whl)
	@set -eu; tool="$(CURDIR)/build/wheel/bin/hierars-geo"; \
	empty=$$(mktemp -d); trap 'rm -rf "$$empty"' EXIT; cd "$$empty"; set -x; \
	"$$tool" --version; "$$tool" --help >/dev/null; \
	"$$tool" taxonomy list; "$$tool" taxonomy validate mm5b; "$$tool" catalog list; \
	"$$tool" synth scenes --size-m 1280 --scenes 1 --sensors sentinel2; \
	if [ -n "$(DEMO)" ]; then "$$tool" demo demo_out; fi

lint: $(STAMP) ## ruff and mypy --strict
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(STAMP) ## build the documentation, strictly, into build/site (opens without a network)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs-commands: $(STAMP) ## run the commands of README and docs on small scenes
	$(BIN)/python tests/drill/docs_commands.py

drill: $(STAMP) ## kill, interrupt and crowd every command; see that it goes on (root for full disks)
	$(BIN)/python tests/drill/drill.py

fuzz: $(STAMP) ## change bytes towards new code, two minutes each of trees, options and rasters
	@set -e; $(call add,fuzz)
	$(BIN)/python tests/drill/fuzz.py

endurance: $(STAMP) ## train, predict and write results for long; see that nothing grows
	$(BIN)/python tests/drill/endurance.py

bench: $(STAMP) ## run every benchmark of experiments/bench, one after the other
	@set -eu; for script in experiments/bench/bench_*.py; do \
	  echo "== $$script"; $(BIN)/python "$$script"; \
	done

bench-%: $(STAMP) ## run one benchmark: bench-data, bench-models, ...
	$(BIN)/python experiments/bench/bench_$*.py

clean: ## remove caches, builds and demo_out (not .venv)
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis demo_out
	find hierars_geo tests experiments -type d -name __pycache__ -prune -exec rm -rf {} +
