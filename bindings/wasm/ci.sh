#!/usr/bin/env bash
# Tests the npm package, the page of examples/web and the explorer, with modules and programs that are built already.
#
#   bindings/wasm/ci.sh MODULES PACKAGES     the folders that tools/build-wasm has filled and tools/web/packages has printed
#   bindings/wasm/ci.sh --types PACKAGES     writes the types anew
#
#   CARGO_TARGET_DIR   where `cargo build --workspace --lib --bins --tests` has put the command. Default: target/ of the checkout
#   CIRO_SCREENSHOTS   a folder for screenshots. Default: none are kept
#
# Pages are tested where there is Chromium.
set -euo pipefail
cd "$(dirname "$0")/../.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
[ $# -eq 2 ] || { printf 'usage: bindings/wasm/ci.sh MODULES PACKAGES\n' >&2; exit 2; }
modules=$1
export CIRO_NODE_MODULES=$2

# The types come from the scripts' comments, which are checked as TypeScript checks them.
"$CIRO_NODE_MODULES/node_modules/.bin/tsc" -p bindings/wasm/npm/tsconfig.json --outDir "$scratch/types"
if [ "$modules" = --types ]; then
  cp "$scratch"/types/*.d.ts bindings/wasm/npm
  exit
fi
for types in index.d.ts show.d.ts; do
  diff "bindings/wasm/npm/$types" "$scratch/types/$types" || {
    printf 'ci.sh: %s is not that of the script; run `bindings/wasm/ci.sh --types PACKAGES`\n' "$types" >&2
    exit 1
  }
done
"$CIRO_NODE_MODULES/node_modules/.bin/tsc" -p bindings/wasm/tests/tsconfig.json

# The package as npm would publish it.
bindings/wasm/pack.sh "$modules" "$scratch/package"

programs=$(realpath "${CARGO_TARGET_DIR:-target}/debug")
ciro="$programs/ciro"
export CIRO_CACHE_DIR="$scratch/cache"
mkdir "$scratch/proofs"
for name in logreg_iris mlp_mnist xgb_credit_50; do
  model=examples/models/$name
  "$ciro" --quiet key "$model/model.onnx" --calibration "$model/inputs.npz" -o "$scratch/proofs/$name.key"
  "$ciro" --quiet prove "$model/model.onnx" --calibration "$model/inputs.npz" --input "$model/input_0.json" \
    -o "$scratch/proofs/$name.ciro"
done
iris=examples/models/logreg_iris
"$ciro" --quiet key "$iris/model.onnx" --calibration "$iris/inputs.npz" --private --commit-input -o "$scratch/proofs/hiding.key"
"$ciro" --quiet prove "$iris/model.onnx" --calibration "$iris/inputs.npz" --private --commit-input --input "$iris/input_0.json" \
  -o "$scratch/proofs/hiding.ciro"
cp "$iris/input_0.json" "$scratch/proofs/logreg_iris.json"

node bindings/wasm/tests/package.mjs "$scratch/package" "$scratch/proofs"
node examples/web/build.mjs "$scratch/package/ciro.wasm" "$scratch/proofs" "$scratch/page.html"
if node tools/web/browser.mjs; then
  node examples/web/test.mjs "$scratch/page.html" "$scratch/proofs" ${CIRO_SCREENSHOTS:+"$CIRO_SCREENSHOTS/web"}
  # The node serves the module that lies beside it.
  cp "$scratch/package/ciro-network.wasm" "$programs/ciro-network.wasm"
  node ciro-node/tests/explorer.mjs "$ciro" examples/models/logreg_iris ${CIRO_SCREENSHOTS:+"$CIRO_SCREENSHOTS/explorer"}
fi
