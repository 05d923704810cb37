#!/usr/bin/env bash
# Runs @ipfs-shipyard/pinning-service-compliance, found on PATH, against the Pinning Service API of a node that runs already:
#   tools/pins-compliance.sh http://127.0.0.1:9080 TOKEN
# With PINS_COMPLIANCE_CONTENT=1 the node is given the content of each pin first, which its write policy must allow.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
if [ $# -ne 2 ]; then
  echo "usage: $0 URL TOKEN (of HOLDFAST_PINS_TOKENS; its pins stay, those of the checks are removed)" >&2
  exit 2
fi
suite="$(command -v pinning-service-compliance || true)"
if [ -z "$suite" ]; then
  echo "pinning-service-compliance is not on PATH. It stays out of our lock file, because it installs an old Kubo:" >&2
  echo "  mkdir -p /tmp/pins-compliance && cd /tmp/pins-compliance && npm init -y" >&2
  echo "  npm install --ignore-scripts @ipfs-shipyard/pinning-service-compliance@1.8.1" >&2
  echo '  export PATH="$PWD/node_modules/.bin:$PATH"' >&2
  exit 1
fi
report="$(mktemp)"
trap 'rm -f "$report"' EXIT
node --disable-warning=DEP0044 --import "$here/pins-compliance-preload.mjs" "$(readlink -f "$suite")" -s "$1" "$2" | tee "$report"
# The suite ends well whatever it found.
if grep -q "❌\|⚠️\|Problem running" "$report" || ! grep -q "🟢" "$report"; then exit 1; fi
