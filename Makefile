# Every target does its own set-up; nothing here needs an activated environment.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: help install demo check test format lock clean

help:
	@echo "make demo     install, build demo/ for the Complete Journey, run one turn, show where the report is"
	@echo "make test     all tests"
	@echo "make check    format, lint, types, import contract, docs in step"
	@echo "make format   rewrite the code in the house format"
	@echo "make lock     pin the dependencies again, with hashes"
	@echo "make clean    remove the environment, the demonstration and caches"

install: $(STAMP)

$(STAMP): requirements/dev.txt requirements/bootstrap.txt pyproject.toml
	@bash tools/make_environment.sh "$(PYTHON)"
	@touch $@

demo: $(STAMP)
	$(BIN)/rapport demo --out demo

test: $(STAMP)
	@bash tools/need_postgresql.sh
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(STAMP)
	$(BIN)/ruff format --check src tests tools
	$(BIN)/ruff check src tests tools
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/docs_in_step.py --check

format: $(STAMP)
	$(BIN)/ruff format src tests tools
	$(BIN)/ruff check --fix src tests tools

lock: $(STAMP)
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --all-extras --group dev pyproject.toml -o requirements/dev.txt

clean:
	rm -rf .venv demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
