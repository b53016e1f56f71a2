#!/bin/sh
# Makes a provider of the network in use, once, and proves what others order until it is stopped.
set -eu
cd "$(dirname "$0")"
ciro=${CIRO:-ciro}
prover=${CIRO_PROVER:-ciro-prover}
config=worker/prover.toml

if [ ! -e passphrase ]; then
  (umask 077 && head -c 24 /dev/urandom | base64 >passphrase)
  "$ciro" account new provider --passphrase-file passphrase
fi
if [ ! -e "$config" ]; then
  # Test networks give money away. On others, send the bond and something for fees to the account.
  "$ciro" faucet --account provider --passphrase-file passphrase || echo 'run.sh: no faucet gives the bond' >&2
  "$prover" init worker --account provider --passphrase-file passphrase
fi
"$prover" register --config "$config"
exec "$prover" start --config "$config"
