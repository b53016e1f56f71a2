"""Proves what a model says about a flower, and verifies the proof with nothing but the model's key."""

import ciro


def prove() -> None:
    """What the model's owner does: compiles the model, publishes its key, proves an answer."""
    model = ciro.compile("model.onnx", calibration="inputs.npz")
    model.key.save("model.key")
    proof = model.prove("input.json")
    proof.save("proof.ciro")


def verify() -> None:
    """What everybody else does, who has the key and knows what was asked."""
    verified = ciro.verify("proof.ciro", "model.key", inputs="input.json")
    label, probabilities = verified.outputs[0], verified.outputs[1]
    print(f"label {label[0]:g}, probabilities {probabilities[0].round(4).tolist()}")
    print(f"verified with {verified.security_bits} bits of security")


if __name__ == "__main__":
    prove()
    verify()
