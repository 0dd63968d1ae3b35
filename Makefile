# Every target sets up .venv on first use.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
empty :=
comma := ,
SAMPLE_TASKS := $(subst $(empty) $(empty),$(comma),$(sort \
	$(patsubst conf/task/%.yaml,%,$(wildcard conf/task/sample-*.yaml))))

.PHONY: setup run test test-slow lint docs bench ui
setup: $(READY)

$(READY): constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(READY)

run: $(READY)
	$(BIN)/textmill run $(if $(filter all,$(tasks)),'tasks=[$(SAMPLE_TASKS)]')

test: $(READY)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not gpu"

test-slow: $(READY)
	$(BIN)/python -m pytest -q -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

bench: $(READY)
	$(BIN)/python benchmarks/pipeline.py

ui: $(READY)
	$(BIN)/textmill ui
