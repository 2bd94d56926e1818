# Nothing is needed but make and Python 3.11 to 3.13; each target sets up what it needs in .venv.
PYTHON ?= python3
BIN := .venv/bin
DEMO := runs/demo
SETUP := pyproject.toml constraints.txt
EVERYTHING := .venv/everything.stamp
TRAINING := .venv/training.stamp

.DEFAULT_GOAL := help
.PHONY: help demo test acceptance check format clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

demo: $(TRAINING)  ## simulate users, train a memory, recommend with reasons (runs/demo)
	rm -rf $(DEMO)
	$(BIN)/recsys prepare source=synthetic out=$(DEMO)/data
	$(BIN)/recsys train data=$(DEMO)/data run=$(DEMO)/model experiment=demo
	$(BIN)/recsys evaluate run=$(DEMO)/model
	$(BIN)/recsys export run=$(DEMO)/model out=$(DEMO)/bundle
	$(BIN)/recsys score bundle=$(DEMO)/bundle source=synthetic out=$(DEMO)/recommendations

test: $(EVERYTHING)  ## run the fast tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

acceptance: $(EVERYTHING)  ## memories learn the tasks of their literature, controls fail (long)
	$(BIN)/python -m pytest -m acceptance -n 2

check: $(EVERYTHING)  ## formatting, lint, types: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(EVERYTHING)  ## rewrite the code in the project's format, mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove the environment, the demo and what tools left behind
	rm -rf .venv $(DEMO) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find recsys tests benchmarks -name __pycache__ -type d -exec rm -rf {} +

# One pip command for each: pip must see the bounds of torch and lightning together.
$(EVERYTHING): $(SETUP)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[train,serve,dev]' --constraint constraints.txt
	touch $(EVERYTHING) $(TRAINING)

$(TRAINING): $(SETUP)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[train]' --constraint constraints.txt
	touch $(TRAINING)
