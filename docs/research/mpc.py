#!/usr/bin/env python3
"""What a shared inference costs: logistic regression by three parties on this machine, with MPyC (Shamir's shares).

    pip install mpyc scikit-learn && python docs/research/mpc.py -M3

The first party has the input, the second the weights; none sees the other's, and all learn the score.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np
from mpyc.runtime import mpc
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

number = mpc.SecFxp(48, 24)


async def main() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    model = LogisticRegression().fit(X, y)
    weights = np.append(model.coef_[0], model.intercept_[0])
    row = np.append(X[0], 1.0)

    await mpc.start()
    times, score = [], 0.0
    for _ in range(5):
        start = perf_counter()
        given = mpc.input([number(float(value), integral=False) for value in row], senders=0)
        shared = mpc.input([number(float(value), integral=False) for value in weights], senders=1)
        score = float(await mpc.output(mpc.in_prod(given, shared)))
        times.append(1e3 * (perf_counter() - start))
    sent = sum(party.protocol.nbytes_sent for party in mpc.parties if party.pid != mpc.pid)
    await mpc.shutdown()
    if mpc.pid == 0:
        print(f"logistic regression by {len(mpc.parties)} parties: {min(times):.1f} ms, {sent / 5000:.1f} kB sent by each party, score off by {abs(score - row @ weights):.1e}")


if __name__ == "__main__":
    mpc.run(main())
