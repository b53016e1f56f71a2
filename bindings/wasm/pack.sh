#!/usr/bin/env bash
# Puts the npm package together: `npm publish FOLDER` would publish it.
#
#   bindings/wasm/pack.sh MODULES FOLDER     MODULES is what tools/build-wasm has filled
set -euo pipefail
[ $# -eq 2 ] || { printf 'usage: bindings/wasm/pack.sh MODULES FOLDER\n' >&2; exit 2; }
mkdir -p "$2"
modules=$(realpath "$1") out=$(realpath "$2")
cd "$(dirname "$0")"
cp "$modules"/{ciro.wasm,ciro-network.wasm} npm/{package.json,index.js,index.d.ts,show.js,show.d.ts,show.css,README.md} ../../LICENSE "$out"
