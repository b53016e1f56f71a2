# Everything that must hold before a change lands.
check *STEPS:
    .ci/run {{STEPS}}

# Proves and verifies a bundled digit.
demo:
    cargo demo

# Formats the sources.
fmt:
    cargo fmt --all

# The tests whose names contain FILTER.
test FILTER="":
    cargo nextest run --workspace {{FILTER}}

# The table of the README: every model, best of five.
bench *MODELS:
    cargo run --release --workspace --bin ciro -- bench {{MODELS}}

# Accepts changed snapshots of the command line.
snapshots:
    INSTA_UPDATE=always cargo nextest run -p ciro-cli

# Fuzzes a decoder of a crate for a minute; without a target, says which there are.
fuzz CRATE="" TARGET="":
    #!/usr/bin/env bash
    set -euo pipefail
    export RUSTC_BOOTSTRAP=1
    if [ -n "{{TARGET}}" ]; then
      # What is found goes into the first folder; where there are seeds, they are read too.
      folders=("fuzz/{{CRATE}}/corpus/{{TARGET}}")
      mkdir -p "${folders[0]}"
      if [ -d "fuzz/{{CRATE}}/seeds/{{TARGET}}" ]; then folders+=("fuzz/{{CRATE}}/seeds/{{TARGET}}"); fi
      cargo fuzz run --fuzz-dir "fuzz/{{CRATE}}" "{{TARGET}}" "${folders[@]}" -- -max_total_time=60
    else
      for file in fuzz/{{ if CRATE == "" { "*" } else { CRATE } }}/*.rs; do
        target=${file#fuzz/}
        echo "just fuzz ${target%/*} $(basename "$file" .rs)"
      done
    fi

# Replays one seed of the consensus simulator.
sim SEED *ARGS:
    cargo run -p ciro-sim -- --replay {{SEED}} {{ARGS}}

# The large sweeps of docs/consensus.md that the tests only sample, about three minutes.
sweep:
    cargo run -p ciro-sim -- --seeds 0..500 --nodes 31
    cargo run -p ciro-sim -- --seeds 0..20 --nodes 100 --blocks 10
    cargo run -p ciro-sim -- --seeds 0..2000 --profile fork
