#!/bin/sh
# Proves what the model says about input.json, and verifies the proof.
set -eu
cd "$(dirname "$0")"
ciro=${CIRO:-ciro}

"$ciro" key model.onnx -o model.key
"$ciro" prove model.onnx --input input.json -o proof.ciro
"$ciro" verify proof.ciro --key model.key --input input.json
