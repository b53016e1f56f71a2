#!/usr/bin/env python3
"""What the bytes of a proof of the tensor route are.

    docs/book/anatomy.py NAME=FILE.ciro ... >docs/book/figures/anatomy.json

A proof has no table of contents: its key says how many values of each kind there are. Here all counts are tried, and the one reading is
taken that ends at the last byte; two readings are an error. The presets `standard` and `compact` have no proofs of work but one.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

TREES = 4
OPENINGS_MAX, QUERIES_MAX, HASHES_MAX = 4096, 93, 1 << 14


def statement_and_proof(bundle: bytes) -> tuple[bytes, bytes]:
    """Takes a bundle apart: header with claims, and proof."""
    if bundle[:8] != b"CIROPROF":
        raise ValueError("the file is no bundle")
    for at in range(8, len(bundle) - 4):
        # Claims are before the proof, whose length is the rest and which begins with its version.
        if at + 4 + struct.unpack_from("<I", bundle, at)[0] == len(bundle) and bundle[at + 4:at + 6] == b"\3\0":
            return bundle[:at], bundle[at + 4:]
    raise ValueError("the bundle has no proof of version 3")


def readings(proof: bytes) -> Iterator[dict[str, int]]:
    """Bytes by what they are, for each reading that ends at the last byte."""
    for openings in range(OPENINGS_MAX):
        first = 2 + 32 * TREES
        at, paths = first + 16 * openings, 0
        for _ in range(TREES):
            count = length(proof, at, HASHES_MAX)
            if count is None:
                break
            paths += 4 + 32 * count
            at += 4 + 32 * count
        else:
            positions = length(proof, at, QUERIES_MAX)
            if not positions or not canonical(proof, first, 4 * openings):
                continue
            for values, fri in tails(proof, at + 4, positions):
                yield {
                    "commitments and proof of work": first + 8,
                    "values out of domain": 16 * openings,
                    "opened values": 4 + values,
                    "paths to the commitments": paths,
                    "low degree (FRI)": fri,
                }


def tails(proof: bytes, at: int, positions: int) -> Iterator[tuple[int, int]]:
    """Bytes of opened values and of FRI, for each number of columns that lets the proof end where it ends."""
    for columns in range(1, (len(proof) - at) // (4 * positions)):
        values = 4 * positions * columns
        end = at + values + 8
        layers = 0
        while layers < 32:
            rest = len(proof) - end
            # Layers only end in a polynomial with a power of two of coefficients, of 16 bytes each.
            if layers and rest % 16 == 0 and 0 < (rest // 16) <= 256 and (rest // 16).bit_count() == 1 and canonical(proof, end, rest // 4):
                if canonical(proof, at, values // 4):
                    yield values, len(proof) - at - values - 8
                break
            witness = length(proof, end, 8 * QUERIES_MAX)
            if witness is None:
                break
            path = length(proof, end + 4 + 16 * witness, HASHES_MAX)
            if path is None:
                break
            end += 8 + 16 * witness + 32 * path + 32
            layers += 1


def length(proof: bytes, at: int, most: int) -> int | None:
    """A length, if there is one that is not too long."""
    if at + 4 > len(proof):
        return None
    (count,) = struct.unpack_from("<I", proof, at)
    return count if count <= most else None


def canonical(proof: bytes, at: int, count: int) -> bool:
    """Whether numbers are elements of the field."""
    return at + 4 * count <= len(proof) and all(value < 2**31 - 1 for (value,) in struct.iter_unpack("<I", proof[at:at + 4 * count]))


def main() -> None:
    result = []
    for argument in sys.argv[1:]:
        name, _, file = argument.partition("=")
        bundle = Path(file).read_bytes()
        statement, proof = statement_and_proof(bundle)
        (parts,) = readings(proof)
        parts = {"statement": len(bundle) - len(proof)} | parts
        assert sum(parts.values()) == len(bundle), (sum(parts.values()), len(bundle))
        result.append({"model": name, "bytes": len(bundle), "parts": parts})
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent, check=True)
    json.dump({"commit": commit.stdout.strip(), "command": "ciro prove MODEL --input input_0.json", "proofs": result}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
