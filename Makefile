# Everything lives in .venv of this checkout; `make setup` makes it, the other targets see to it.
# Only `make mutants` has .venv-mutants beside it.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCKS := docker/requirements-dev.txt docker/requirements.txt
MUTANTS := .venv-mutants

# The first of these that is new enough; any other: make setup PYTHON=/path/to/python
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)

PORT ?= 8088
API_PORT ?= 8000
MINUTES ?= 10
WAITING ?= 200000
PROCESSES ?= 4
TESTS = $(BIN)/pytest --ignore tests/chaos --dist worksteal \
	$(if $(SEED),-p randomly --randomly-seed $(SEED) --hypothesis-seed $(SEED))
CELERY = $(BIN)/celery -A tasks
comma := ,

# Programs are started some hundred times by the tests: without bytecode each would compile all of it anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo console up pictures reference test test-faults test-servers test-browser test-upgrade test-demo chaos chaos-outage chaos-failover chaos-machines chaos-sample mutants check bench bench-quick bench-retention format lock worker beat flower serve sandbox clean
.DELETE_ON_ERROR:

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## .venv/ with everything, again only when a lock file or pyproject.toml changed

define make_venv
@python='$(PYTHON)'; \
if ! "$${python:-none}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	echo "Python 3.11 or newer is needed. Found: $$("$${python:-python3}" --version 2>/dev/null || echo none)." >&2; \
	echo "Install one, or name it: make setup PYTHON=/path/to/python3.11" >&2; \
	exit 1; \
fi; \
if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	echo "$$python cannot make virtual environments: its modules venv and ensurepip are" \
		"missing. On Debian or Ubuntu: apt-get install python3-venv" >&2; \
	exit 1; \
fi; \
echo "Making $(@D) with $$("$$python" --version): a minute or so"; \
"$$python" -m venv $(@D)
endef

$(STAMP): $(LOCKS) pyproject.toml
	$(make_venv)
	@$(BIN)/pip install --quiet --disable-pip-version-check \
		--require-hashes -r docker/requirements-dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@
	@echo "Set up, in .venv/. Next: make demo, or . .venv/bin/activate"

demo: $(STAMP) ## the whole way of an event, on servers it starts and stops itself
	$(BIN)/wallarm-notify demo

console: $(STAMP) ## the console with a week of data, on servers it starts and stops itself; FRESH=1 for a new week
	@$(BIN)/wallarm-notify console --port $(API_PORT) $(if $(FRESH),--fresh)

up: $(STAMP) ## all of it on this machine, with the settings of .env and until Ctrl-C; kept in .up/; API_PORT=8000
	@$(BIN)/wallarm-notify up --port $(API_PORT)

pictures: $(STAMP) ## pictures of the console into docs/console/, in Chromium, which has to be installed; TO=folder takes all
	$(BIN)/python -m pictures $(if $(TO),--all --png --to $(TO))

reference: $(STAMP) ## docs/reference/ anew, from the code
	cd tests && ../$(BIN)/python -m reference

# What judges time comes after the rest, and little is beside it: one of the three mostly waits.
test: $(STAMP) ## every test but those below, on a real PostgreSQL and a real broker; SEED=7 for an order played before
	@code=0; \
	$(TESTS) -n $(PROCESSES) -m 'not timing and not servers and not demo and not faults and not browser' || code=1; \
	$(TESTS) -n 3 -m timing || code=1; \
	exit $$code

test-servers: $(STAMP) ## tests that need more than the wheels have: RabbitMQ, PgBouncer, a Redis with TLS and promtool, which have to be installed
	$(BIN)/pytest -n 2 --dist worksteal -m servers

test-browser: $(STAMP) ## the console in Chromium, which has to be installed: apt-get install chromium
	$(BIN)/pytest -n 2 --dist worksteal -m browser

test-faults: $(STAMP) ## what workers, beat and commands do where something dies, hangs or refuses; some minutes
	$(TESTS) -n $(PROCESSES) -m 'faults and not servers and not timing and not history'

test-upgrade: $(STAMP) ## programs of each release since 1.0.0, out of the history of this repository, beside new ones
	$(BIN)/pytest -n 2 --dist worksteal -m history

test-demo: $(STAMP) ## make demo, README's ways in, the tutorial, the compose file and the manifests: is all they show as it should be
	$(BIN)/pytest -s -m demo tests/entrypoints/test_demo.py
	$(BIN)/pytest -n 2 --dist worksteal -m demo --ignore tests/entrypoints/test_demo.py

chaos: $(STAMP) ## every fault at every step of the way, then a random history; MINUTES=10 SEED=7; half an hour and more
	$(BIN)/pytest tests/chaos -s -m 'not servers and not outage and not failover and not machines' --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) --reliability docs/reliability.md

chaos-outage: $(STAMP) ## 200,000 notifications sit out an outage of MINUTES=10; twice as long and more
	$(BIN)/pytest tests/chaos -s -m outage --minutes $(MINUTES) --waiting $(WAITING) --reliability docs/reliability.md

chaos-failover: $(STAMP) ## Sentinel, a RabbitMQ cluster and a PostgreSQL standby take over, at every step of the way; 18 minutes
	$(BIN)/pytest tests/chaos -s -m failover --reliability docs/reliability.md

chaos-machines: $(STAMP) ## an installation on six machines, network namespaces, of which some are cut off; needs root; 15 minutes
	@missing=; \
	[ "$$(id -u)" = 0 ] || missing="$$missing root"; \
	command -v ip >/dev/null || missing="$$missing iproute2"; \
	[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || missing="$$missing rabbitmq-server"; \
	[ -z "$$missing" ] || { echo "make chaos-machines needs root, and Debian's iproute2 and rabbitmq-server." \
		"Missing:$$missing" >&2; exit 1; }
	$(BIN)/pytest tests/chaos -s -m machines --reliability docs/reliability.md

chaos-sample: $(STAMP) ## what CI plays of it, with two minutes of random history
	$(BIN)/pytest tests/chaos -s -m sample --minutes 2

# Both cores, but only what others leave of them. All anew, as a test that changed may notice more or less.
mutants: $(MUTANTS)/.installed ## what tests do not notice in domain/; ten minutes; MODULE=retry for one module
	@$(if $(MODULE),,rm -rf mutants)
	nice $(MUTANTS)/bin/mutmut run --max-children 2 $(if $(MODULE),'wallarm_notify.domain.$(MODULE).*')
	@$(MUTANTS)/bin/mutmut results --all true | awk -F '[.: ]+' -v only='$(MODULE)' ' \
		/__mutmut_/ && (only == "" || only == $$4) { \
			made[$$4]++; if ($$NF == "killed" || $$NF == "timeout") killed[$$4]++; else print \
		} \
		END { \
			for (module in made) { \
				printf "%-16s %4d of %4d\n", module, killed[module], made[module] | "sort"; \
				all += made[module]; dead += killed[module] \
			} \
			close("sort"); printf "%-16s %4d of %4d\n", "killed", dead, all; \
			print "What one of them is: $(MUTANTS)/bin/mutmut show NAME" \
		}'

$(MUTANTS)/.installed: docker/requirements-mutants.txt
	$(make_venv)
	@$(MUTANTS)/bin/pip install --quiet --disable-pip-version-check \
		--require-hashes -r docker/requirements-mutants.txt
	@touch $@

check: $(STAMP) ## format, lint, types, import contracts
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP) ## how fast it is, beside what one would pick instead; half an hour; writes docs/performance.md
	$(BIN)/python -m benchmarks --write docs/performance.md

bench-retention: $(STAMP) ## whether sizes stay flat where as many events leave as come; half an hour
	$(BIN)/python -m benchmarks.retention --minutes 30

bench-quick: $(STAMP) ## what CI plays of it, on Redis and RabbitMQ, for the ledger's sake; over a minute
	$(BIN)/python -m benchmarks.compare --events 600 --rounds 1
	$(BIN)/python -m benchmarks.brokers --only backlog --events 600 --rounds 1
	$(BIN)/python -m benchmarks.api --only pages,events --quick

format: $(STAMP) ## put the code into its form
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Production takes its versions from the development lock, so both always agree. The image and `make setup` install the
# package itself without dependencies: what it needs, extras included, is in these files.
COMPILE = uv pip compile pyproject.toml --quiet --generate-hashes --no-emit-index-url --universal \
	--python-version 3.11 --no-header
lock: $(STAMP) ## the lock files anew, with today's versions
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && \
	$(BIN)/python -m venv "$$tools" && \
	"$$tools/bin/pip" install --quiet --disable-pip-version-check uv && \
	PATH="$$tools/bin:$$PATH" && \
	$(COMPILE) --upgrade --extra service --extra serve --extra embedded --extra dev --extra browser \
		-o docker/requirements-dev.txt && \
	$(COMPILE) --upgrade --extra service --extra serve -c docker/requirements-dev.txt -o docker/requirements.txt && \
	$(COMPILE) --upgrade --extra service --extra dev --extra mutants -c docker/requirements-dev.txt \
		-o docker/requirements-mutants.txt

# First attempts and retries on nodes of their own: retries cannot crowd out first attempts.
worker: $(STAMP) ## both Celery nodes until Ctrl-C; QUEUES=events,celery: one node with just these
ifdef QUEUES
	$(CELERY) worker --loglevel INFO -n $(subst $(comma),-,$(QUEUES))@%h -Q $(QUEUES)
else
	@$(CELERY) worker --loglevel INFO -n first@%h -Q events,celery,notifications,upkeep & first=$$!; \
	$(CELERY) worker --loglevel INFO -n retries@%h -Q retries & retries=$$!; \
	asked=; trap 'asked=yes; kill -TERM $$first $$retries 2>/dev/null' INT TERM; \
	while kill -0 $$first 2>/dev/null && kill -0 $$retries 2>/dev/null; do sleep 1; done; \
	[ -n "$$asked" ] || kill -TERM $$first $$retries 2>/dev/null; \
	while kill -0 $$first 2>/dev/null || kill -0 $$retries 2>/dev/null; do sleep 1; done; \
	if [ -z "$$asked" ]; then echo "A worker node ended on its own; both are down." >&2; exit 1; fi
endif

beat: $(STAMP) ## Celery's clock: exactly one of these runs
	$(CELERY) beat --loglevel INFO

flower: $(STAMP) ## Celery's monitor, on this machine only
	$(BIN)/wallarm-notify flower

serve: $(STAMP) ## the HTTP API and the console, on this machine only; API_PORT=8000
	$(BIN)/wallarm-notify serve --port $(API_PORT)

sandbox: $(STAMP) ## a PagerDuty that is none; PORT=8088
	$(BIN)/wallarm-notify sandbox --port $(PORT)

clean: ## away with .venv and every cache
	rm -rf $(VENV) $(MUTANTS) mutants dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -f celerybeat-schedule*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
