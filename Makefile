# All development tasks of this repository. Requires Python 3.11 or later, Node 20 or later, and make.
#
#   make demo      JupyterLab on the first notebook        (OPEN=0: do not open a browser; PORT=8888)
#   make test      style, types, units, notebooks, browser: all that CI runs
#   make build     the view's bundle, from js/ into sam_widget/widget/static
#   make lint      style, English and types alone
#   make format    format Python and TypeScript
#   make notebooks weave the lessons, run those that changed and keep their outputs (LESSONS="04 05": these; ALL=1: all)
#   make protocol  generate js/src/protocol.ts and palette.ts
#   make test-cluster  the tests that need Ray, on a cluster on this machine (five minutes; installs the extra `cluster`)
#   make fuzz      20,000 damaged annotation files and 1,000 killed kernels (make test has 500 and 300 of them)
#   make bench     measure the speed on this machine
#   make soak      check that a long session does not leak memory (ten minutes)
#   make docs      the documentation, in build/docs (open build/docs/index.html)
#   make lite      JupyterLite with the first lesson, static files in build/docs/lite (after `make docs`, which empties build/docs)
#   make badges    write the README's badges, after a change of the repository's address in pyproject.toml
#   make picture   record the README's animated pictures with the shipped weights
#   make clean     remove everything built or installed
#
# PYTHON=python3.13 picks the interpreter that .venv is made from.

PYTHON ?= python3
OPEN ?= 1
# Processes that share the Python and the browser tests, with one thread of numerics each: one more than two cores, because
# tests wait for servers and kernels, too. The cells of a notebook need one kernel, so each notebook stays in one process. A
# test that fails runs once more: on a busy machine a browser can miss a deadline. The summary lists each rerun with its
# first error: a test that needs it often has a bug. Translated lessons have the same cells as the English ones, which a
# test checks, so these alone are run.
WORKERS ?= 3
PORT ?=
LESSONS ?=
ALL ?=

# Paths are relative throughout, so that the repository may lie in a folder with spaces in its name.
PY := .venv/bin/python
NPM := npm --prefix js
VENV := .venv/.installed
MODULES := js/node_modules/.installed
STATIC := sam_widget/widget/static
BUNDLE := $(STATIC)/widget.js
SOURCES := $(shell find js/src js/wasm -type f)
REPORTS := build/reports
# They begin first, so that none is still running when all others are done.
LONGEST := $(filter-out %.zh-TW.ipynb,$(wildcard notebooks/03*.ipynb notebooks/07*.ipynb notebooks/06*.ipynb notebooks/08*.ipynb))
NOTEBOOKS := $(LONGEST) $(filter-out %.zh-TW.ipynb $(LONGEST),$(wildcard notebooks/*.ipynb))
PARALLEL := OMP_NUM_THREADS=1 $(PY) -m pytest --numprocesses=$(WORKERS) --dist=worksteal --reruns=1 -raR \
  --rerun-show-tracebacks

.DELETE_ON_ERROR:
.PHONY: build demo test test-js test-cluster lint format notebooks protocol docs lite badges picture bench soak clean \
  lint-python lint-js protocol-in-sync chromium

build: $(BUNDLE)

demo: $(VENV) $(BUNDLE)
	@$(PY) notebooks/serve.py --open=$(OPEN) --port=$(PORT)

# What comes first has one process a tool and waits for nothing, so these share the cores. Then two cores are busy with
# one step, and the browser tests wait for answers.
test: chromium
	rm -rf $(REPORTS)
	mkdir -p $(REPORTS)
	$(MAKE) --jobs=$(WORKERS) lint-python lint-js protocol-in-sync test-js
	$(PARALLEL) --ignore=tests/browser --junitxml=$(REPORTS)/python.xml
	$(PARALLEL) --dist=loadfile --no-loadscope-reorder --reruns=0 --nbval-lax $(NOTEBOOKS) --junitxml=$(REPORTS)/notebooks.xml
	$(PARALLEL) tests/browser --junitxml=$(REPORTS)/browser.xml
	@$(PY) tests/total.py $(REPORTS)

test-js: $(MODULES)
	$(NPM) test -- --reporter=default --reporter=junit --outputFile.junit=../$(REPORTS)/js.xml

lint: lint-python lint-js protocol-in-sync

lint-python: $(VENV)
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) tests/english.py
	$(PY) -m mypy

lint-js: $(MODULES)
	$(NPM) run lint
	$(NPM) run typecheck

protocol-in-sync: $(VENV)
	@mkdir -p build
	@$(PY) -m sam_widget.widget.typescript build/protocol.ts
	@$(PY) -m sam_widget.masks.palette build/palette.ts
	@for file in protocol palette; do diff -u js/src/$$file.ts build/$$file.ts \
	  || { echo "js/src/$$file.ts is out of date: make protocol"; exit 1; }; done

chromium: $(VENV) $(BUNDLE)
	@$(PY) tests/browser/chromium.py --install
# Without a Firefox, its tests are skipped.
	@$(PY) tests/browser/firefox.py --install

format: $(VENV) $(MODULES)
	$(PY) -m ruff check --fix
	$(PY) -m ruff format
	$(NPM) run lint -- --write

notebooks: $(VENV) $(BUNDLE)
	$(PY) notebooks/outputs.py $(LESSONS) $(if $(ALL),--all)

protocol: $(VENV)
	$(PY) -m sam_widget.widget.typescript js/src/protocol.ts
	$(PY) -m sam_widget.masks.palette js/src/palette.ts

docs: $(VENV) $(BUNDLE)
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --quiet --config-file notebooks/docs/mkdocs.yml

lite: $(VENV) $(BUNDLE)
	$(PY) notebooks/docs/lite.py

badges: $(VENV)
	$(PY) notebooks/docs/address.py

picture: chromium
	$(PY) notebooks/docs/picture.py

test-cluster: $(VENV)
	HATCH_JUPYTER_BUILDER_SKIP_NPM=1 $(PY) -m pip install --quiet --editable '.[cluster]' 'moto[server]' s3fs
	OMP_NUM_THREADS=1 $(PY) -m pytest -m cluster tests/serve

fuzz: $(VENV)
	FUZZ=20000 KILLS=1000 $(PY) -m pytest tests/export/test_fuzz.py tests/session/file/test_crash.py

bench: $(VENV) chromium
	@$(PY) tests/benchmarks/steps.py
	@$(PY) tests/benchmarks/embeddings.py
	@$(PY) tests/benchmarks/masks.py
	@$(PY) tests/benchmarks/reading.py
	@$(PY) tests/benchmarks/reference.py
	@$(PY) tests/benchmarks/everything.py
	@$(PY) tests/benchmarks/clicks.py
	@$(PY) tests/benchmarks/hover.py
	@$(PY) tests/benchmarks/saving.py
	@$(PY) tests/benchmarks/publishing.py
	@$(PY) tests/benchmarks/view.py
	@$(PY) tests/benchmarks/objects.py
	@$(PY) tests/benchmarks/standalone.py

soak: $(VENV) chromium
	@$(PY) tests/benchmarks/soak.py

clean:
	rm -rf .venv js/node_modules js/build $(STATIC) sam_widget/page/static build dist tests/browser/artifacts
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is too old or missing: make PYTHON=python3.11 (or later)"; exit 1; }
	@$(PYTHON) -m venv .venv \
	  || { echo "no virtual environment could be made; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
# The bundle has a rule of its own, which knows when it is out of date.
	HATCH_JUPYTER_BUILDER_SKIP_NPM=1 $(PY) -m pip install --editable '.[dev]'
# JupyterLab's question about its newsletter would lie over the photo.
	$(PY) -m jupyter labextension disable --level=sys_prefix @jupyterlab/apputils-extension:announcements
	@touch $@

$(MODULES): js/package-lock.json
	@node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)' && command -v npm > /dev/null \
	  || { echo "Node 20 or later is needed, with npm: https://nodejs.org"; exit 1; }
	$(NPM) ci
	@touch $@

$(BUNDLE): js/package.json $(SOURCES) $(MODULES)
	$(NPM) run build
	@touch $@
