# make demo   serve the shipped bundles, compress and score the sample images, leave pictures
# make test   all checks and tests
# make test-fast  the checks and tests that take less than a few seconds each; without types
# make check-extras  each extra by itself in a bare environment
# make bench  all benchmarks; each ends with a table and writes build/bench/NAME.json
# make fmt    format the sources
# make protos     regenerate the gRPC stubs
# make reference  regenerate the reference pages
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
DATA ?= ../shared/data
# Parallel test processes; a file's tests stay together, so that its fixtures are made once.
WORKERS ?= 2
SERVING := PYTHONPATH=tests/benchmarks:. $(BIN)/python -m serving
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-fast check-extras lint types fmt protos reference bench bench-serve bench-fuzz bench-archive bench-mutate bench-rd bench-bundles bench-evidence bench-exact bench-index bench-train bench-kill bench-interrupt bench-corpora bench-mixed bench-detect bench-detect-quick bench-parity bench-overload bench-rollout bench-hostile bench-soak gpu clean

demo: $(VENV)/.runtime
	$(BIN)/python deploy/demo.py --out build/demo

test: $(VENV)/.complete lint types
	$(PYTEST)

test-fast: $(VENV)/.complete lint
	$(PYTEST) -m "not slow"

# The proof of tests/test_extras.py: pip installs each extra; takes minutes.
check-extras: $(VENV)/.complete
	$(BIN)/python tests/check_extras.py $(EXTRAS)

lint: $(VENV)/.complete
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.complete
	$(BIN)/mypy

fmt: $(VENV)/.complete
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# In a separate environment: the oldest supported generator needs an older protobuf.
protos:
	$(PYTHON) -m venv build/protos-venv
	build/protos-venv/bin/python -m pip install --quiet 'grpcio-tools==1.80.*' googleapis-common-protos
	build/protos-venv/bin/python protos/generate.py
	cd clients/typescript && npm ci && npm run generate

# Pages generated from the sources; tests compare them.
reference: $(VENV)/.complete
	$(BIN)/python -m protos.reference
	$(BIN)/python -m service.reference
	$(BIN)/python clients/python/reference.py

bench: bench-rd bench-bundles bench-evidence bench-exact bench-archive bench-fuzz bench-serve bench-train bench-mixed

# Rate and distortion of ours, PCA, JPEG, WebP, AVIF and JPEG XL in four accountings, on two cores.
# RD_OPTIONS: '--bundle SET=PATH' adds a bundle, '--set SET' measures one set only, and '--single
# SET=PATH,PATH' compares the one model with models trained for one rate each.
bench-rd: $(VENV)/.complete
	OMP_NUM_THREADS=1 PYTHONPATH=tests/benchmarks $(BIN)/python -m rate_distortion --data $(DATA) --out build/bench/rd $(RD_OPTIONS)

# Bytes, PSNR, AUROC and exactness of the shipped bundles on their test sets under DATA.
bench-bundles: $(VENV)/.complete
	rm -rf build/bench/fashion build/bench/pcb
	$(BIN)/residuum-evaluate deploy/bundles/fashion --data $(DATA)/fashion_mnist --out build/bench/fashion --reference 10000 --limit-levels 10000
	$(BIN)/residuum-evaluate deploy/bundles/pcb --data $(DATA)/deeppcb/pcb --out build/bench/pcb --reference 500

# 100,000 damaged records against shipped and small bundles, and 50,000 damaged archives.
bench-fuzz: $(VENV)/.runtime
	$(BIN)/python tests/benchmarks/fuzz_records.py --out build/bench/fuzz_records.json
	$(BIN)/python tests/benchmarks/fuzz_archives.py --out build/bench/fuzz_archives.json

# Our recipe for anomalies and cheap baselines on every set, in one table; resumes what was begun.
# DETECT_OPTIONS='--minutes 30 --seeds 0 1 2 --sets pcb tile mnist --methods ours'
bench-detect: $(VENV)/.complete
	PYTHONPATH=tests/benchmarks:. $(BIN)/python -m detection.detect --data $(DATA) --out build/bench/detect $(DETECT_OPTIONS)

# The same in under 20 minutes: one seed, a minute of training on one core, two sets at a time, no autoencoder.
bench-detect-quick: $(VENV)/.complete
	PYTHONPATH=tests/benchmarks:. $(BIN)/python -m detection.detect --data $(DATA) --out build/bench/detect --minutes 1 --seeds 0 --jobs 2 --methods ours baselines $(DETECT_OPTIONS)

# Verdicts of a bundle against those of its run in torch, and of single images against batches.
# RUN=build/bench/detect/ours-30-minutes/pcb-seed0/run BUNDLE=…/bundle
bench-parity: $(VENV)/.complete
	$(BIN)/python tests/benchmarks/torch_parity.py $(RUN) $(BUNDLE) --data $(DATA)

# How much of the defects of circuit boards is kept as evidence, and for how many bytes; with a picture.
bench-evidence: $(VENV)/.complete
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/evidence.py --data $(DATA) --out build/bench/evidence.json

# Symbols, records and pixels under 12 settings of the runtime, and the cost of entropy coding.
bench-exact: $(VENV)/.complete
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/exactness.py --data $(DATA) --out build/bench/exactness.json

# Bytes over the ideal code length of records and archives, times of access, what a crash costs.
bench-archive: $(VENV)/.complete
	$(BIN)/python tests/benchmarks/archive.py --data $(DATA)/fashion_mnist --out build/bench/archive.json

# A test must fail for every comparison, operator and constant of record and archive that is changed.
bench-mutate: $(VENV)/.complete
	$(BIN)/python tests/benchmarks/mutation/mutate.py --out build/bench/mutate.json $(MUTATE_OPTIONS)

# Bits per index of a codebook model, a run or a bundle: make bench-index MODEL=RUN DATA=DIR [TEST=DIR]
bench-index: $(VENV)/.complete
	OMP_NUM_THREADS=1 PYTHONPATH=. $(BIN)/python tests/benchmarks/index_bits.py --model $(MODEL) --data $(DATA) $(if $(TEST),--test $(TEST)) --out build/bench/index.json

# CPU time per image through the server, next to bare onnxruntime, a naive server and MLServer.
bench-serve: $(VENV)/.complete
	$(SERVING).serve $(SERVE_OPTIONS)

# Calls answered in time at 1, 2, 5 and 10 times the capacity; health checks, retries, mixed loads.
bench-overload: $(VENV)/.complete
	$(SERVING).overload $(SERVE_OPTIONS)

# Failed calls while servers are stopped in turn, models are replaced, and worker processes killed.
bench-rollout: $(VENV)/.complete
	$(SERVING).rollout $(SERVE_OPTIONS)

# Memory, other callers and probes while callers send what is large, broken, idle or cancelled.
bench-hostile: $(VENV)/.complete
	$(SERVING).hostile $(SERVE_OPTIONS)

# Memory, open files and hung calls over an hour of mixed load, or SOAK_MINUTES=3.
SOAK_MINUTES ?= 60
bench-soak: $(VENV)/.complete
	$(SERVING).soak --minutes $(SOAK_MINUTES) $(SERVE_OPTIONS)

# Images per second of the training command, of a bare loop and of Pythae, on two cores.
bench-train: $(VENV)/.complete build/pythae
	$(BIN)/python tests/benchmarks/training_speed/train.py --data $(DATA)/mnist --pythae build/pythae --out build/bench/train.json

# Installed apart from our packages, for one process; without a network the benchmark leaves it out.
build/pythae: tests/benchmarks/training_speed/pythae.txt | $(VENV)/.complete
	-$(PIP) --no-deps --upgrade --target $@ -r $< && touch $@

# A training run killed at 20 random moments, resumed each time, ends bit for bit like an undisturbed one.
bench-kill: $(VENV)/.complete
	RESIDUUM_KILLS=20 $(BIN)/python -m pytest -s tests/training/loop/test_kill.py -k random_moments

# Ctrl-C at 200 random moments of `residuum compress --server`, and 40 of each other command.
bench-interrupt: $(VENV)/.complete
	OMP_NUM_THREADS=1 PYTHONPATH=tests/plugins $(BIN)/python tests/benchmarks/interrupt.py --out build/bench/interrupt.json

# Public corpora through every command, offline and served: make bench-corpora CORPORA=DIR, a folder
# with copies of them, such as Pillow's Tests/images and the tests of image-rs.
bench-corpora: $(VENV)/.complete
	PYTHONPATH=tests/plugins $(BIN)/python tests/benchmarks/real_files/corpora.py --corpora $(CORPORA) --out build/bench/corpora.json

# Broken, large and slow files among many others: what they cost. MIXED_OPTIONS='--files 4000'
bench-mixed: $(VENV)/.runtime
	PYTHONPATH=tests/plugins $(BIN)/python tests/benchmarks/real_files/mixed_files.py --out build/bench/mixed.json $(MIXED_OPTIONS)

# On a machine with a GPU and the extra service-gpu: parity, graphs, serving and training with it.
gpu: $(VENV)/.complete
	PYTHONPATH=tests/benchmarks:. $(BIN)/python -m gpu --data $(DATA) --out build/bench/gpu $(GPU_OPTIONS)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The runtime alone: service and client with offline use, no torch.
$(VENV)/.runtime: $(VENV)/bin/python pyproject.toml clients/python/pyproject.toml constraints.txt
	$(PIP) -e '.[service]' -e 'clients/python[offline]'
	touch $@

$(VENV)/.complete: $(VENV)/.runtime
	$(PIP) -e '.[dev]' -e 'clients/python[offline]'
	touch $@

clean:
	rm -rf $(VENV) build
