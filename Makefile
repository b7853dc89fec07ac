# Each target makes the virtual environment it needs, so one command is the whole set-up.
#   make demo   draw a few prompts with the shipped model  -> outputs/demo.png
#   make lab    open the notebooks in JupyterLab
#   make test   lint, every test, every notebook
# Another interpreter or another place: make demo PYTHON=python3.12 VENV=/some/where

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# A stamp is newer than the files that decide what is installed, so nothing is installed twice.
INSTALLED := $(VENV)/.minisd-installed
INSTALLED_TEST := $(VENV)/.minisd-installed-test

.PHONY: demo test lab lint format

demo: $(INSTALLED)
	@mkdir -p outputs
	@$(BIN)/python -m minisd sample \
		"a large red circle left of a small blue square" \
		"a small yellow triangle above a large purple heart" \
		"three green crosses" \
		"two orange triangles" \
		"a pink ring on a black background" \
		"a large cyan square below a small gray ring" \
		--seed 0 --zoom 4 --out outputs/demo.png

test: lint
	$(BIN)/python -m pytest tests notebooks --nbval-lax --nbval-current-env --nbval-cell-timeout=300

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
