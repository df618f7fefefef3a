# make run | test | bench | lock   (README.md)
PYTHON ?= python3
CORES ?= all
CONFIG ?=
TORCH = torch==2.13.0
# Where the CPU build of torch lives; for a GPU name the index of its CUDA build instead.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
BIN = .venv/bin
PIP = $(BIN)/pip --disable-pip-version-check --quiet
SNAKEMAKE = $(BIN)/snakemake --cores $(CORES) $(if $(CONFIG),--configfile $(CONFIG))
RESULTS = $$(sed -n 's/^results: *\([^ \#]*\).*/\1/p' config.yaml $(CONFIG) | tail -n 1)

.PHONY: run test fast slow check bench lock clean

run: .venv/.run
	@$(SNAKEMAKE); status=$$?; report=$(RESULTS)/report.html; \
	[ ! -e "$$report" ] || echo "Report: $$report"; exit $$status

test: check fast slow

check: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check .
	$(BIN)/snakemake --lint
	$(BIN)/lint-imports
	$(BIN)/mypy

fast: .venv/.test
	$(BIN)/pytest -m "not slow"

slow: .venv/.test
	$(BIN)/pytest -m slow --durations=10

bench: .venv/.test
	$(BIN)/python bench/projector.py
	$(BIN)/python bench/solvers.py
	$(BIN)/python bench/growth.py
	$(BIN)/python bench/fidelity.py
	$(BIN)/python bench/fusion.py
	$(BIN)/python bench/memory.py
	$(BIN)/python bench/spectra.py --series 8 --tilts 5
	$(BIN)/python bench/denoising.py
	$(BIN)/python bench/nanorod.py
	$(BIN)/python bench/alignment.py simulated masks timed

lock:
	uv pip compile --universal --python-version 3.11 --no-header --no-annotate --generate-hashes --upgrade -q requirements.in -o requirements.lock
	uv pip compile --universal --python-version 3.11 --no-header --no-annotate --generate-hashes --upgrade -q requirements-dev.in -o requirements-dev.lock

.venv/.run: requirements.lock Makefile
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(sys.version_info < (3, 11) and f"stemedx needs Python 3.11 or newer, {sys.executable} is {v}. Set PYTHON=/path/to/python3.11.")'
	@$(PYTHON) -m venv .venv
	@echo "Installing the pinned packages into .venv (a minute or two)"
	@$(PIP) install --require-hashes -r requirements.lock
	@if $(PIP) install --retries 1 --timeout 20 --index-url $(TORCH_INDEX) $(TORCH); \
	then echo "torch: with the index $(TORCH_INDEX)"; \
	else echo "torch: $(TORCH_INDEX) cannot be used; installing with plain pip"; \
	$(PIP) install $(TORCH); fi; $(BIN)/python -c 'import torch; print("torch:", torch.__version__)'
	@touch $@

.venv/.test: .venv/.run requirements-dev.lock
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

clean:
	rm -rf .venv results .snakemake
