# What people and CI run. `make help` lists it.

CARGO ?= cargo
SCRIPTS = .ci/run $(wildcard scripts/* tests/peers/*.sh)

.PHONY: help demo test check bench format lint

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' $(MAKEFILE_LIST)

demo: ## the whole story on this machine: hospital, carrier and patients' phones on http://127.0.0.1:8080
	@scripts/tools cargo cc
	@echo "Building Carebell; the first time takes some minutes."
	@$(CARGO) build --locked --profile demo
	@$(CARGO) run --locked --profile demo --quiet -- demo $(ARGS)

test: format lint ## everything CI runs: format, lints, all tests on SQLite and on real servers
	@for peer in $(wildcard tests/peers/install.sh); do scripts/with-node sh $$peer; done
	CAREBELL_TEST_ALL=1 scripts/with-postgres scripts/with-rabbitmq $(CARGO) test --locked

check: format lint ## the quick loop: format, lints, tests on SQLite alone
	@unset CAREBELL_TEST_POSTGRES CAREBELL_TEST_AMQP CAREBELL_TEST_ALL; $(CARGO) test --locked

bench: ## the benchmarks, beside a PostgreSQL and a RabbitMQ server of their own; some minutes
	@scripts/tools cargo cc
ifneq ($(wildcard benches/*.rs),)
	scripts/with-postgres scripts/with-rabbitmq $(CARGO) bench --locked --bench '*'
else
	@echo "There are no benchmarks yet."
endif

format:
	@scripts/tools cargo rustfmt
	$(CARGO) fmt --check

lint:
	@scripts/tools cargo clippy cc
	@for script in $(SCRIPTS); do sh -n $$script || exit 1; done
	$(CARGO) clippy --locked --all-targets -- -D warnings
