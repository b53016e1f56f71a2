"""Networks of PyTorch and Keras say what their frameworks say; run where those are installed (`pip install 'ciro[torch,keras]'`)."""

from __future__ import annotations

import numpy as np
import pytest

import ciro


def convolutional(torch):
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(196, 10)
    )


def recurrent(torch):
    class Recurrent(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = torch.nn.LSTM(8, 16, batch_first=True)
            self.gru = torch.nn.GRU(16, 8, batch_first=True)
            self.head = torch.nn.Linear(8, 3)

        def forward(self, x):
            return self.head(self.gru(self.lstm(x)[0])[0][:, -1])

    return Recurrent()


def attentive(torch):
    class Attentive(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(50, 16)
            self.layer = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
            self.head = torch.nn.Linear(16, 3)

        def forward(self, tokens):
            return self.head(self.layer(self.embedding(tokens)).mean(1))

    return Attentive()


@pytest.mark.parametrize(
    ("build", "shape"), [(convolutional, (1, 28, 28)), (recurrent, (6, 8)), (attentive, (12,))], ids=lambda v: getattr(v, "__name__", "")
)
def test_torch(build, shape):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = build(torch)
    x = torch.randint(0, 50, (32, *shape)) if build is attentive else torch.randn(32, *shape)
    model = ciro.from_torch(module, x[:1], calibration=x)
    assert module.training, "the module is left as it was"
    module.eval()
    with torch.no_grad():
        expected = module(x).numpy()
    results = np.concatenate([model.run(sample[None])[0] for sample in x])
    assert np.abs(results - expected).max() < 0.01 * np.abs(expected).max()
    proof = model.prove(x[:1])
    proof.verify(model.key, inputs=x[:1])
    np.testing.assert_array_equal(proof.output, results[:1])


def test_keras():
    keras = pytest.importorskip("keras")
    pytest.importorskip("onnx")
    layers = [keras.Input((8,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(3)]
    network = keras.Sequential(layers)
    x = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)
    model = ciro.from_keras(network, x)
    expected = keras.ops.convert_to_numpy(network(x))
    assert np.abs(model.run(x)[0] - expected).max() < 0.01 * np.abs(expected).max()
    model.prove(x[:1]).verify(model.key, inputs=x[:1])
