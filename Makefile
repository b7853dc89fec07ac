# Each target makes the virtual environment it needs, so one command is the whole set-up.
#   make demo   draw a few prompts with the shipped model  -> outputs/demo.png
#   make lab    open the notebooks in JupyterLab
#   make test   lint, every test, every notebook
#   make browser     a notebook in a real browser; needs chromium and chromium-driver
#   make test-slow   Stable Diffusion at full size, equal to diffusers: minutes, 16 GB of memory
# Another interpreter or another place: make demo PYTHON=python3.12 VENV=/some/where

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# A stamp is newer than the files that decide what is installed, so nothing is installed twice.
INSTALLED := $(VENV)/.minisd-installed
INSTALLED_TEST := $(VENV)/.minisd-installed-test
INSTALLED_BROWSER := $(VENV)/.minisd-installed-browser

CLIP_VOCABULARY := tests/fetched/bpe_simple_vocab_16e6.txt.gz

.PHONY: demo test test-slow browser lab lint format

demo: $(INSTALLED)
	@mkdir -p outputs
	@$(BIN)/python -m minisd sample \
		"a large red circle left of a small blue square" \
		"a small yellow triangle above a large purple heart" \
		"three green crosses" \
		"two orange triangles" \
		"a pink ring on a black background" \
		"a large cyan square below a small pink ring" \
		--seed 0 --zoom 4 --out outputs/demo.png

test: lint $(CLIP_VOCABULARY)
	$(BIN)/python -m pytest tests notebooks --nbval-lax --nbval-current-env --nbval-cell-timeout=300

test-slow: $(INSTALLED_TEST)
	$(BIN)/python -m pytest tests/test_full_size.py -m slow -s --durations=0

# Not part of this repository: it comes from PyPI, once, and its sha256 is checked.
$(CLIP_VOCABULARY): | $(INSTALLED_TEST)
	$(BIN)/python tests/fetch_clip_vocabulary.py

browser: $(INSTALLED_BROWSER)
	$(BIN)/python -m pytest tests/test_browser.py -m browser

lab: $(INSTALLED)
	$(BIN)/jupyter lab --notebook-dir=notebooks

lint: $(INSTALLED_TEST)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(INSTALLED_TEST)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "minisd needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV): a few minutes the first time (PyTorch is large)."
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	@touch $@

$(INSTALLED_TEST): $(INSTALLED)
	$(BIN)/python -m pip install --disable-pip-version-check -e ".[oracle,lint]"
	@touch $@

$(INSTALLED_BROWSER): $(INSTALLED_TEST)
	$(BIN)/python -m pip install --disable-pip-version-check -e ".[browser]"
	@touch $@
