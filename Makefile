# `make run` and `make test` do all the set-up on a machine with Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: run test test-all lint types format readme proof bench family studies documents clean

run: $(READY)  ## the tutorial, both networks in both frameworks
	$(BIN)/twins run

test: $(READY)  ## the quick tier of the tests; tests/conftest.py says what is in it
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-all: $(READY)  ## every test
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/pyright

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

readme: $(READY)  ## train anew what the README shows, and write it into the README
	rm -rf results/run-readme-*
	$(BIN)/twins run --out results/run-readme-float32
	$(BIN)/twins run --out results/run-readme-float64 --dtype float64
	$(BIN)/twins run --out results/run-readme-forecast --model encoder_decoder_with_attention --horizon 5 \
		--data recurrences --units 8 --epochs 100
	rm -rf results/tutorial-float32 results/tutorial-float64 results/forecast results/run-readme-*/report.html
	mv results/run-readme-float32 results/tutorial-float32
	mv results/run-readme-float64 results/tutorial-float64
	mv results/run-readme-forecast results/forecast
	$(MAKE) documents

FAMILY = $(shell $(BIN)/python -c "from shared.config import MODELS, TUTORIAL_MODELS as T; print(*[m for m in MODELS if m not in T])")

proof: $(READY)  ## prove every network anew, hours, and write it into the documents
	rm -rf results/run-proof && mkdir -p results/run-proof/family
	$(BIN)/twins prove --full --json results/run-proof/full.json --figure results/run-proof/growth.png
	$(BIN)/twins prove --wrong-ports --json results/run-proof/mutants.json
	$(BIN)/twins prove --model rnn_with_attention --variant all --json results/run-proof/variants.json
	for model in $(FAMILY); do \
		$(BIN)/twins prove --full --model $$model --json results/run-proof/family/$$model.json || exit 1; done
	rm -rf results/check && mv results/run-proof results/check
	$(MAKE) documents

bench: $(READY)  ## measure anew what each way to train costs (leave the machine alone)
	rm -rf results/run-bench
	$(BIN)/twins bench --out results/run-bench
	rm -rf results/bench/cpu && mkdir -p results/bench && mv results/run-bench results/bench/cpu
	$(MAKE) documents

family: $(READY)  ## measure anew what the other networks cost, two hours (leave the machine alone)
	rm -rf results/run-family
	$(BIN)/twins bench --family --out results/run-family
	rm -rf results/bench/family && mkdir -p results/bench && mv results/run-family results/bench/family
	$(MAKE) documents

ONE := --twin Keras/jax --setup twin
KINDS := $(ONE) --variant tutorial linear temperature shared_bias no_bias additive

studies: $(READY)  ## train anew what docs/findings.md is made of, half an hour, and write it
	rm -rf results/run-study && mkdir -p results/run-study
	$(BIN)/twins study --out results/run-study/tutorial
	$(BIN)/twins study $(ONE) --splits 20 --out results/run-study/splits
	$(BIN)/twins study $(ONE) --learning-rate 3e-4 1e-3 3e-3 1e-2 3e-2 --out results/run-study/learning_rates
	$(BIN)/twins study $(ONE) --model all --search 32 --out results/run-study/search
	for data in fibonacci log_fibonacci recurrences addition; do \
		$(BIN)/twins study $(KINDS) --data $$data --out results/run-study/$$data || exit 1; done
	$(BIN)/twins study $(ONE) --variant tutorial temperature additive --data addition --time-steps 200 \
		--numbers 2200 --epochs 60 --seeds 100 --out results/run-study/long_addition
	rm -rf results/study && mv results/run-study results/study
	$(MAKE) documents

documents: $(READY)  ## check the records, and write what they say into the documents
	$(BIN)/python -m benchmarks.documents

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .hypothesis
