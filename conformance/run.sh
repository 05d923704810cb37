#!/usr/bin/env bash
# Runs ipfs/gateway-conformance, found on PATH, against this build: cold, warm, and after a restart.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v gateway-conformance >/dev/null 2>&1; then
  echo "gateway-conformance is not on PATH. With Go on the machine:" >&2
  echo "  git clone --branch v0.13.2 https://github.com/ipfs/gateway-conformance && cd gateway-conformance" >&2
  echo "  go build ./cmd/gateway-conformance && export PATH=\"\$PWD:\$PATH\" GATEWAY_CONFORMANCE_HOME=\"\$PWD\"" >&2
  exit 1
fi
exec npm run --silent conformance
