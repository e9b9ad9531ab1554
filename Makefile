# Everything a clone needs: `make run` and `make test` do their own set-up.

VENV := .venv
READY := $(VENV)/ready
BIN := $(VENV)/bin
export PYTHONUTF8 := 1

.PHONY: run test check bench bench-check pictures tour lock setup openapi run-schema project-schema clean

run: $(READY) ## set up, then run the main job on a demo session
	@$(BIN)/quarterdeck demo

test: $(READY) ## set up, then pass the tests
	@$(BIN)/python -m pytest -q -n 3 --dist worksteal

check: $(READY) ## lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(READY) ## measure the figures beside their peers; writes benchmarks/results.md
	$(BIN)/python -m benchmarks

bench-check: $(READY) ## counts that do not depend on the machine
	$(BIN)/python -m benchmarks check

pictures: $(READY) ## draw every screen of the TUI, in all its sizes and themes, into build/pictures
	@$(BIN)/python tests/tui/pictures.py build/pictures

tour: $(READY) ## renew the pictures of docs/tour.md and the README
	@$(BIN)/python tests/tui/pictures.py --docs

setup: $(READY)

$(READY): requirements.lock pyproject.toml scripts/setup.sh
	@sh scripts/setup.sh

lock: ## resolve the dependencies anew (needs uv; UPGRADE=--upgrade takes newer ones)
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate --no-emit-index-url \
	    --no-emit-find-links --custom-compile-command "make lock" --group dev --output-file requirements.lock $(UPGRADE) pyproject.toml

openapi: $(READY) ## write docs/openapi.json from the code
	@$(BIN)/python -c 'from orchestrator.app import openapi_text; print(openapi_text(), end="")' > docs/openapi.json

run-schema: $(READY) ## write the schemas of run manifests, results and events in docs/ from the code
	@$(BIN)/python -c 'from pipelines.manifest import schema_text; print(schema_text(), end="")' > docs/run.schema.json
	@$(BIN)/python -c 'from pipelines.report.result import result_schema_text; print(result_schema_text(), end="")' > docs/run-result.schema.json
	@$(BIN)/python -c 'from pipelines.report.result import events_schema_text; print(events_schema_text(), end="")' > docs/run-events.schema.json

project-schema: $(READY) ## write the schema of project files in docs/ from the code
	@$(BIN)/python -c 'from quarterdeck.project import schema_text; print(schema_text(), end="")' > docs/project.schema.json

clean: ## remove what set-up and checks made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
