"""Orders an inference from the network in use, verifies what comes back, and keeps the receipt."""

import sys
from pathlib import Path

import ciro


def main() -> int:
    client = ciro.Client()
    print(f"network {client.network[:18]} at {client.node}, {client.balance()} CIRO")

    # A model is registered once; the network knows it by its content from then on.
    model = client.deploy("model.onnx", calibration="inputs.npz", name="iris", price_hint="0.02")
    quote = client.quote(model)
    print(f"model {model.id[:18]}, {quote.price_min} to {quote.price_max} CIRO")

    job = client.submit(model, "input.json")
    try:
        proof = job.result()
    except ciro.NetworkError as error:
        if error.code != "refunded":
            raise
        print(f"nobody proved job {job.id}: its price came back", file=sys.stderr)
        return 1
    # `result` has verified it, against the key that was computed here from the model.
    print(f"label {proof.output[0]:g} for {proof.receipt.price} CIRO to provider {proof.receipt.provider}")

    proof.save("proof.ciro")
    Path("job.receipt").write_bytes(job.receipt())
    receipt = ciro.verify_receipt("job.receipt", proof=proof, key=model.key)
    print(f"receipt certified by the validators as of block {receipt.certified_height}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
