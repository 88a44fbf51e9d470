# Every command that this repository is worked with. Each can be run first: it makes what it needs.
# docs/development/building.md says more.
SHELL := /bin/bash
BIN := $(or $(MISSIONS_VENV),.venv)/bin
MINUTES ?= 30
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo dev check format test faults soak bench vsix labs pictures clean

help: ## this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

setup: ## an environment in .venv with what missions itself needs
	@sh .ci/venv.sh runtime

demo: setup ## a whole mission on a small real repository, against a simulated model (ARGS=--fast)
	@$(BIN)/missions demo $(ARGS)

dev: ## the environment with what checks and tests need
	@sh .ci/venv.sh dev

check: dev ## formatting, lint, types, layers; nothing is run and nothing changed
	@bash .ci/check.sh

format: dev ## put all sources into their form
	@$(BIN)/ruff check --fix --quiet .; $(BIN)/ruff format --quiet .
	@if [ -n "$$(git ls-files 'editors/neovim/*.lua')" ]; then bash .ci/editors.sh lua && "$(or $(MISSIONS_CACHE),$(CURDIR)/.cache)/lab/bin/stylua" editors/neovim; fi

test: dev ## check, then all tests (PARTS="unit lsp" for some; KEEP_GOING=1 to see all that fails)
	@bash .ci/test.sh $(PARTS)

faults: dev ## the long form of the fault tests: kills, full disks, hostile input
	@MISSIONS_FAULTS=long bash .ci/test.sh faults

soak: dev ## missions under random faults (MINUTES=30)
	@test -e tests/faults/soak.py || { echo "the soak comes with tests/faults/soak.py, which is not here yet"; exit 1; }
	@$(BIN)/python tests/faults/soak.py --minutes $(MINUTES)

bench: dev ## the figures of docs/performance.md
	@$(BIN)/python -m pytest tests/bench -o python_files='bench_*.py' -s --durations=0

vsix: dev ## the VS Code extension as missions-<version>.vsix, below .cache/vsix
	@sh .ci/vscode.sh package

labs: dev ## the real editors below .cache/lab (LABS="neovim emacs" for some)
	@bash .ci/editors.sh $(LABS)

pictures: dev labs vsix ## the pictures of README and docs, made by the tests that show them to be true
	@$(BIN)/python docs/pictures/terminal.py docs/pictures/demo.svg "missions demo --fast" \
	    sh -c 'cd "$$(mktemp -d)" && PATH=$$0:$$PATH && exec missions demo --fast --keep tally' "$(abspath $(BIN))"
	@MISSIONS_PICTURES="$(CURDIR)/docs/pictures" $(BIN)/python -m pytest tests/editors -k picture

clean: ## what was built or downloaded, but not .venv
	@rm -rf .cache build dist editors/vscode/node_modules editors/vscode/out .ruff_cache .hypothesis .import_linter_cache
