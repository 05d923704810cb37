#!/usr/bin/env bash
# Builds the real neighbours that tests talk to (Kubo, nats-server, vegeta; versions pinned in go.mod) into
# .cache/servers, once per version. Without Go it says so and the tests that need them are skipped, unless
# TEST_REQUIRE_SERVERS=1 (as in CI), which makes that an error.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache="$here/../../.cache/servers"
stamp=$(cat "$here/go.mod" "$here/go.sum" | sha256sum | cut -c1-16)

if [ -f "$cache/$stamp.built" ]; then exit 0; fi

if ! command -v go >/dev/null 2>&1; then
  echo "!!! Go is not on this machine: Kubo and nats-server cannot be built, and every test against them is skipped." >&2
  echo "!!! Install Go 1.26 or newer and run make test again." >&2
  [ "${TEST_REQUIRE_SERVERS:-0}" = 1 ] && exit 1
  exit 0
fi

echo "Building Kubo, nats-server and vegeta (about 3 minutes, once) ..."
mkdir -p "$cache"
rm -f "$cache"/*.built
cd "$here"
go build -o "$cache/" github.com/ipfs/kubo/cmd/ipfs github.com/nats-io/nats-server/v2 github.com/tsenart/vegeta/v12
touch "$cache/$stamp.built"
