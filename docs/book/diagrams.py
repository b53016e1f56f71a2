"""The diagrams of the book."""

from __future__ import annotations

from svg import SOFT, Picture


def pipeline() -> Picture:
    """From model and input to a verified answer."""
    p = Picture(760, 250, "A model becomes a key and a prover; an input becomes an answer with a proof; key and proof are all that a verifier needs")
    p.box(10, 20, 130, 60, ["model.onnx", "floats"])
    p.box(220, 20, 150, 60, ["integer model", "exact, with accuracy"], "blue")
    p.box(450, 20, 110, 60, ["key", "200 bytes"], "orange")
    p.box(220, 150, 150, 60, ["prover", "milliseconds"], "blue")
    p.box(10, 150, 130, 60, ["input"])
    p.box(450, 150, 110, 60, ["proof", "100 to 500 kB"], "orange")
    p.box(640, 85, 110, 60, ["verifier", "2 ms"], "green")
    p.arrow(140, 50, 218, 50, "compile")
    p.arrow(370, 50, 448, 50, "commit")
    p.arrow(295, 80, 295, 148)
    p.arrow(140, 180, 218, 180)
    p.arrow(370, 180, 448, 180, "prove")
    p.arrow(560, 50, 638, 100)
    p.arrow(560, 180, 638, 130)
    p.text(695, 165, "no model, no server,", size=12, colour=SOFT)
    p.text(695, 181, "no trust in the prover", size=12, colour=SOFT)
    return p


def job() -> Picture:
    """A job of the network."""
    p = Picture(760, 284, "An order becomes a job; a provider claims and proves it; validators verify before they vote; the ledger pays")
    p.box(10, 108, 130, 64, ["client", "has model and key"], "green")
    p.box(295, 20, 170, 64, ["validators", "order, verify, vote"], "blue")
    p.box(295, 200, 170, 64, ["ledger", "escrow, receipts"], "plain")
    p.box(620, 108, 130, 64, ["provider", "proves, has a bond"], "orange")
    p.arrow(110, 106, 293, 40)
    p.text(150, 62, "1 order, money", size=12, colour=SOFT)
    p.arrow(467, 34, 660, 106)
    p.text(610, 62, "2 offer", size=12, colour=SOFT)
    p.arrow(618, 128, 467, 70)
    p.text(548, 128, "3 claim, 4 proof", size=12, colour=SOFT)
    p.arrow(380, 84, 380, 198)
    p.text(388, 150, "5 block, if the", size=12, anchor="start", colour=SOFT)
    p.text(388, 166, "proof is valid", size=12, anchor="start", colour=SOFT)
    p.arrow(467, 232, 660, 174)
    p.text(598, 226, "6 price", size=12, colour=SOFT)
    p.arrow(293, 232, 110, 174)
    p.text(160, 226, "6 proof, receipt, rest", size=12, colour=SOFT)
    return p


def integers() -> Picture:
    """From floats to integers and back."""
    p = Picture(760, 190, "Floats become integers by a scale; sums are exact; roundings and functions are tables; the answer goes back by a scale")
    names = [
        (["5.1", "float"], "plain"), (["5222", "x scale, rounded"], "blue"), (["sum of w · x", "exact"], "blue"),
        (["rounded", "by a table"], "blue"), (["function", "by a table"], "blue"), (["0.9677", "÷ scale"], "plain"),
    ]
    for at, (lines, kind) in enumerate(names):
        p.box(8 + 126 * at, 50, 112, 60, lines, kind)
        if at:
            p.arrow(8 + 126 * at - 14, 80, 8 + 126 * at - 1, 80)
    p.line(134, 130, 624, 130, "#2563eb")
    p.text(379, 150, "what is proven: one meaning, on every machine, for every input", size=13)
    p.text(64, 30, "calibration", size=12, colour=SOFT)
    p.text(64, 44, "chooses scales", size=12, colour=SOFT)
    p.text(379, 170, "how close it is to the floats is measured, not proven", size=12, colour=SOFT)
    return p


def trust() -> Picture:
    """Owner, prover, verifier."""
    p = Picture(760, 240, "The owner publishes a key; the prover gets the model and an input; the verifier holds key, input and proof")
    p.box(20, 20, 170, 64, ["owner", "has the model"], "blue")
    p.box(560, 20, 180, 64, ["prover", "has model and input"], "orange")
    p.box(290, 160, 180, 64, ["verifier", "has key and input"], "green")
    p.arrow(190, 52, 558, 52, "model")
    p.arrow(120, 84, 300, 158)
    p.text(150, 138, "key: the one thing to trust", size=12, colour=SOFT)
    p.arrow(630, 84, 460, 158)
    p.text(618, 138, "answer and proof", size=12, colour=SOFT)
    return p


DIAGRAMS = {"pipeline.svg": pipeline, "job.svg": job, "integers.svg": integers, "trust.svg": trust}
