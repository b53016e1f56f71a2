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

# Fuzzes a decoder for a minute: onnx, compiled_model, model_key, proof_bundle, inputs.
fuzz TARGET:
    RUSTC_BOOTSTRAP=1 cargo fuzz run {{TARGET}} -- -max_total_time=60

# Replays one seed of the consensus simulator.
sim SEED *ARGS:
    cargo run -p ciro-sim -- --replay {{SEED}} {{ARGS}}

# The large sweeps of docs/consensus.md that the tests only sample, about three minutes.
sweep:
    cargo run -p ciro-sim -- --seeds 0..500 --nodes 31
    cargo run -p ciro-sim -- --seeds 0..20 --nodes 100 --blocks 10
    cargo run -p ciro-sim -- --seeds 0..2000 --profile fork
