.PHONY: run test check bench conformance install build servers

run: build
	npm run --silent start

# Everything that must hold before a commit: format, lint, types, dead code, every test.
test: install servers
	npm run check
	npm run build
	npm test

check: install
	npm run check

build: install
	npm run --silent build

install: node_modules/.package-lock.json

node_modules/.package-lock.json: package-lock.json package.json $(wildcard packages/*/package.json)
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

servers:
	tools/servers/build.sh

bench: build servers
	npm run bench

conformance: build
	conformance/run.sh
