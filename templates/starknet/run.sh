#!/bin/sh
# Proves what the model says about input.json, for Starknet, and verifies the proof here.
#
#   ./run.sh                  asks no node and pays nothing
#   ./run.sh starknet.toml    registers the model on Starknet, sends the proof and asks for the fact
#
# CONTEXT is what the proof is bound to, such as `context_of` of the contract for your account.
set -eu
cd "$(dirname "$0")"
ciro=${CIRO:-ciro}
context=${CONTEXT:-0}

"$ciro" key model.onnx --preset chain -o model.key
"$ciro" prove model.onnx --preset chain --context "$context" --input input.json -o proof.ciro
"$ciro" verify proof.ciro --key model.key --context "$context" --input input.json --calldata proof.calldata
[ $# -gt 0 ] || exit 0

# Whoever runs this twice pays once: what Starknet knows already is not sent.
"$ciro" deploy model.onnx --starknet "$1"
"$ciro" submit-proof proof.ciro --key model.key --starknet "$1"
"$ciro" verify proof.ciro --key model.key --context "$context" --onchain "$1"
