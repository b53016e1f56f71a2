"""The client against a network of real programs: a node and a provider on this machine."""

from __future__ import annotations

import json
import pickle
from decimal import Decimal

import numpy as np
import pytest
from conftest import MODELS

import ciro


@pytest.fixture(scope="module")
def client(home) -> ciro.Client:
    return ciro.Client(home=home)


@pytest.fixture(scope="module")
def deployed(client, iris) -> ciro.RemoteModel:
    return client.deploy(iris, name="iris", batch=[1, 2], price_hint=Decimal("0.02"))


def test_a_result_is_verified_and_equals_what_is_proven_here(client, deployed, iris, flowers):
    before = client.balance()
    proof = client.prove_inference(deployed, flowers[0])
    np.testing.assert_array_equal(proof.output, iris.run(flowers[0])[0])
    assert proof.to_bytes() == iris.prove(flowers[0]).to_bytes() and proof.prove_ms is None
    proof.verify(iris.key, inputs=flowers[0])
    receipt = proof.receipt
    assert receipt.state == "settled" and receipt.model == deployed.id and receipt.model_key == iris.key.digest
    assert receipt.price > 0 and client.balance() < before
    assert pickle.loads(pickle.dumps(proof)).receipt == receipt


def test_several_samples_go_into_one_proof_for_which_there_is_a_key(client, deployed, iris, flowers):
    proof = client.prove_inference(deployed, flowers[:2])
    assert proof.batch == 2 and proof.output.shape == (2,)
    with pytest.raises(ciro.NetworkError) as refused:
        client.submit(deployed, flowers[:3])
    assert refused.value.code == "key_unknown", refused.value


def test_jobs_end_in_any_order(client, deployed, flowers):
    jobs = client.submit_many(deployed, flowers[:4])
    ended = {job.id: job.result() for job in ciro.as_completed(jobs)}
    assert [ended[job.id].output[0] for job in jobs] == [job.result().output[0] for job in jobs]
    assert all(job.status().ended for job in jobs)
    again = client.job(jobs[0].id, deployed.key)
    assert again.result().to_bytes() == jobs[0].result().to_bytes()


def test_a_model_that_the_network_does_not_know_is_deployed_first(client, caplog):
    folder = MODELS / "linreg_diabetes"
    with np.load(folder / "inputs.npz") as file:
        x = file[file.files[0]][0]
    caplog.set_level("INFO", logger="ciro")
    model, calibration = folder / "model.onnx", folder / "inputs.npz"
    with pytest.raises(ciro.NetworkError) as unknown:
        client.submit(model, x, calibration=calibration)
    assert unknown.value.code == "model_unknown" and "deploy" in str(unknown.value)
    proof = client.prove_inference(model, x, calibration=calibration)
    assert "deployed first" in caplog.text
    assert client.deploy(model, calibration=calibration).known
    np.testing.assert_array_equal(proof.output, ciro.compile(model, calibration=calibration).run(x)[0])


def test_receipts_are_verified_offline(tmp_path, home, client, deployed, iris, flowers):
    job = client.submit(deployed, flowers[5])
    proof, data = job.result(), job.receipt()
    genesis = next((home / "genesis").iterdir())
    (tmp_path / "receipt").write_bytes(data)
    receipt = ciro.verify_receipt(tmp_path / "receipt", genesis=genesis, proof=proof, key=iris.key)
    assert receipt.job == job.id and receipt.certified_height >= receipt.height
    assert proof.receipt.price == receipt.price
    for altered in (data[:-1], data[:40] + bytes([data[40] ^ 1]) + data[41:]):
        with pytest.raises(ciro.InvalidProofError) as invalid:
            ciro.verify_receipt(altered, genesis=genesis)
        assert invalid.value.check == "receipt"
    with pytest.raises(ciro.InvalidProofError):
        ciro.verify_receipt(data, genesis=genesis, proof=iris.prove(flowers[6]), key=iris.key)
    with pytest.raises(ValueError, match="belong together"):
        ciro.verify_receipt(data, genesis=genesis, proof=proof)


def test_prices_are_exact(client, deployed, flowers):
    quote = client.quote(deployed)
    # Others may have deployed a model with the same key, under another name.
    for same in (deployed.model, deployed.model.key):
        assert client.quote(same).price_max == quote.price_max
    with pytest.raises(ValueError, match="a key with one entry"):
        client.quote(deployed.key)
    assert quote.model == deployed.id and Decimal(0) < quote.price_min <= quote.price_max
    before = client.balance()
    job = client.submit(deployed, flowers[0])
    price = job.result().receipt.price
    assert before - client.balance() == price + quote.fee
    with pytest.raises(TypeError, match="money is exact"):
        client.submit(deployed, flowers[0], price_max=0.1)
    for text in ("", "-1", "1e3", "0.0000000000000000001", "2000000000"):
        with pytest.raises(ValueError, match="is no amount"):
            client.submit(deployed, flowers[0], price_max=text)


def test_an_order_that_cannot_be_paid_says_so(client, deployed, flowers):
    with pytest.raises(ciro.NetworkError) as refused:
        client.submit(deployed, flowers[0], price_max="999999999")
    assert refused.value.code == "insufficient_funds", refused.value


def test_what_is_wrong_with_a_connection_is_said(tmp_path, home, client):
    with pytest.raises(ciro.CiroError, match="no network is in use"):
        ciro.Client(home=tmp_path)
    with pytest.raises(ConnectionError, match="cannot reach the node"):
        ciro.Client("http://127.0.0.1:9", home=home)
    with pytest.raises(ValueError, match="is not the address of a node"):
        ciro.Client("no address", home=home)
    with pytest.raises(ciro.CiroError, match="account `nobody`"):
        ciro.Client(account="nobody", home=home).balance()
    with pytest.raises(ciro.NetworkError) as missing:
        client.job("0x" + "00" * 32, _any_key())
    assert missing.value.code == "not_found"


def test_the_network_is_the_one_that_the_command_uses(home, client):
    chosen = json.loads((home / "network.json").read_text())
    assert client.network == chosen["chain"] and client.node == chosen["url"]
    assert client.address.startswith("0x") and client.network[:16] in repr(client)


def _any_key() -> ciro.Key:
    folder = MODELS / "logreg_iris"
    return ciro.compile(folder / "model.onnx", calibration=folder / "inputs.npz").key
