#!/bin/sh
# Makes a provider of the network in use, once, and proves what others order until it is stopped.
# Its account is called `provider`, or what the first argument says. What fails is done again by the next run.
set -eu
cd "$(dirname "$0")"
ciro=${CIRO:-ciro}
prover=${CIRO_PROVER:-ciro-prover}
name=${1:-provider}
config=worker/prover.toml

if [ ! -e passphrase ]; then
  # It gets its name with the account. One that is there belongs to a run that was stopped, maybe behind the account.
  [ -s passphrase.new ] || (umask 077 && head -c 24 /dev/urandom | base64 >passphrase.new)
  if ! "$ciro" account new "$name" --passphrase-file passphrase.new; then
    echo "run.sh: is there an account \`$name\` already? \`./run.sh NAME\` makes one of another name," >&2
    echo 'run.sh: and `mv passphrase.new passphrase` takes it if a run before made it' >&2
    exit 1
  fi
  mv passphrase.new passphrase
fi
if [ ! -e "$config" ]; then
  # Test networks give money away. On others, send the bond and something for fees to the account.
  "$ciro" faucet --account "$name" --passphrase-file passphrase || echo 'run.sh: no faucet gives the bond' >&2
  "$prover" init worker --account "$name" --passphrase-file passphrase
fi
"$prover" register --config "$config"
exec "$prover" start --config "$config"
