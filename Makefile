# Every target sets up what it needs, in an environment of its own, and can be run again.
#   make test PYTHON=python3.12     another interpreter; its environment is .venv-3.12
#   make test FLAGS="-k conv"       FLAGS go to the command that the target runs

PYTHON ?= python3
VENV ?= .venv$(patsubst python3.%,-3.%,$(filter python3.%,$(notdir $(PYTHON))))
RUN := $(VENV)/bin/python
NOTEBOOKS ?= $(wildcard notebooks/*.ipynb)

.PHONY: digits faces objects lab notebooks try-notebooks test check check-all lint types models curves bench mutation clean

digits: $(VENV)/recipes.installed  ## Train the report's CNN on real digits and show what it read
	$(RUN) -m recipes.digits fit --config recipes/digits/configs/digits.yaml $(FLAGS)

faces: $(VENV)/recipes.installed  ## Train a net that recognises faces and show what it confuses
	$(RUN) -m recipes.faces fit --config recipes/faces/configs/identification.yaml $(FLAGS)

objects: $(VENV)/recipes.installed  ## Train a detector on digits in photographs and show what it found
	$(RUN) -m recipes.objects fit --config recipes/objects/configs/digits.yaml $(FLAGS)

lab: $(VENV)/notebooks.installed  ## Open the notebooks in a browser
	$(RUN) -m jupyterlab --LabApp.default_url=/lab/tree/notebooks $(FLAGS)

notebooks: $(VENV)/notebooks.installed  ## Execute the notebooks anew and keep what they show
	$(RUN) -m pytest --nbmake --nbmake-timeout=900 --overwrite --verbose $(FLAGS) $(NOTEBOOKS)
	$(RUN) -m notebooks.tidy $(NOTEBOOKS)

try-notebooks: $(VENV)/test.installed  ## See whether they run, with little of everything
	OMP_NUM_THREADS=1 MANUALNN_QUICK=1 $(RUN) -m pytest --nbmake --nbmake-timeout=300 \
	  --numprocesses auto --maxprocesses 4 $(FLAGS) $(NOTEBOOKS)

test: $(VENV)/test.installed  ## Prove every gradient: all tests
	OMP_NUM_THREADS=1 $(RUN) -m pytest --numprocesses auto --maxprocesses 4 $(FLAGS)

check: lint types test  ## What has to pass before a change lands

check-all: check models curves mutation  ## And what takes hours: run it before a release
	$(MAKE) test FLAGS="-m thorough"

lint: $(VENV)/dev.installed
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check

types: $(VENV)/dev.installed
	$(RUN) -m mypy

models: $(VENV)/test.installed  ## Convert and prove every CNN of torchvision; goes on where it stopped
	$(RUN) -m benchmarks.torchvision_models $(FLAGS)

curves: $(VENV)/test.installed  ## ResNet-18 learns with torch's layers and converted, side by side
	$(RUN) -m benchmarks.loss_curves $(FLAGS)

bench: $(VENV)/test.installed  ## Time and memory beside torch.nn; half an hour on an idle machine
	$(RUN) -m benchmarks $(FLAGS)

mutation: $(VENV)/test.installed  ## Break the formulas one at a time; a test has to notice each
	$(RUN) -m tests.mutation $(FLAGS)

clean:  ## Remove environments, caches and build output; data/ and runs/ stay
	rm -rf .venv .venv-3.* build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/%.installed: pyproject.toml | $(RUN)
	$(RUN) -m pip install --disable-pip-version-check --editable ".[$*]"
	touch $@

$(RUN):
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10))" || { \
	  echo "manualnn needs Python 3.10 or newer, but '$(PYTHON)' is not." \
	    "Name one that is, for example: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c "import venv, ensurepip" 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments: its venv or ensurepip module is missing." \
	    "On Debian and Ubuntu, 'sudo apt install python3-venv' brings both." >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
