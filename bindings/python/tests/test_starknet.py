"""Starknet: calldata, refusals that a small node of JSON-RPC brings about, and facts where there is a `starknet-devnet`."""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import threading
import time
import urllib.request
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from conftest import MODELS

import ciro

PRIME = 2**251 + 17 * 2**192 + 1


@pytest.fixture(scope="module")
def key(iris) -> ciro.Key:
    return iris.make_key(preset="chain")


@pytest.fixture(scope="module")
def proof(iris, flowers) -> ciro.Proof:
    return iris.prove(flowers[0], preset="chain")


def test_calldata_names_model_and_fact(iris, flowers, key, proof):
    calldata = proof.calldata(key)
    assert calldata == proof.calldata(iris) == ciro.Proof.from_bytes(proof.to_bytes()).calldata(key)
    assert calldata.felts[0] == calldata.model and 100 < len(calldata.felts) <= 5000
    assert all(felt.startswith("0x") and int(felt, 16) < PRIME for felt in [*calldata[:4], *calldata.felts])
    bound = iris.prove(flowers[0], preset="chain", context="2a").calldata(key)
    assert bound.fact != calldata.fact and bound[2:4] == calldata[2:4] and bound.model == calldata.model
    other = iris.prove(flowers[-1], preset="chain").calldata(key)
    assert other.input_hash != calldata.input_hash and other.model == calldata.model


def test_calldata_is_that_of_the_command(tmp_path, key, proof):
    programs = os.environ.get("CIRO_PROGRAMS")
    if programs is None:
        pytest.skip("CIRO_PROGRAMS does not say where `ciro` is")
    key.save(tmp_path / "model.key")
    proof.save(tmp_path / "proof.ciro")
    command = [Path(programs) / "ciro", "verify", "proof.ciro", "--key", "model.key", "--calldata", "felts", "--json"]
    told = json.loads(subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=60).stdout)["calldata"]
    calldata = proof.calldata(key)
    assert calldata[:4] == (told["model"], told["fact"], told["input_hash"], told["output_hash"])
    assert calldata.felts == (tmp_path / "felts").read_text().split()


def test_what_the_contract_does_not_take_is_told(iris, flowers, key, proof):
    with pytest.raises(ValueError, match="takes no keys of the preset `standard`\nhint: .*`chain`"):
        iris.prove(flowers[0]).calldata(iris.key)
    with pytest.raises(ciro.InvalidProofError) as invalid:
        proof.calldata(ciro.compile(MODELS / "kmeans_iris" / "model.onnx", calibration=flowers).make_key(preset="chain"))
    assert invalid.value.check == "model_key"


SETTINGS = 'rpc = "{rpc}"\nchain = "SN_SEPOLIA"\nfacts = "0x3"\n'


def settings(folder: Path, rpc: str = "http://127.0.0.1:9", more: str = "") -> Path:
    path = folder / "starknet.toml"
    path.write_text(SETTINGS.format(rpc=rpc) + more)
    return path


def test_settings_that_cannot_be_used_are_told(tmp_path, monkeypatch):
    monkeypatch.setenv("CIRO_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError) as missing:
        ciro.Starknet("sepolia")
    assert missing.value.filename == str(tmp_path / "starknet" / "sepolia.toml")
    for name in ("", "a b", "../sepolia"):
        with pytest.raises(ValueError, match="is no name of settings"):
            ciro.Starknet(name)
    with pytest.raises(ValueError, match="unknown field `fact`"):
        ciro.Starknet(settings(tmp_path, more='fact = "0x1"\n'))
    with pytest.raises(ValueError, match="`rpc` is no address of a node"):
        ciro.Starknet(settings(tmp_path, "ftp://127.0.0.1"))
    with pytest.raises(ConnectionError, match="the node of Starknet at 127.0.0.1"):
        ciro.Starknet(settings(tmp_path))


class Node(BaseHTTPRequestHandler):
    """Answers methods with what the server has for them."""

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {"jsonrpc": "2.0", "id": request["id"], **self.server.answers[request["method"]]}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def node():
    with HTTPServer(("127.0.0.1", 0), Node) as server:
        server.answers = {"starknet_chainId": {"result": hex(int.from_bytes(b"SN_SEPOLIA", "big"))}}
        server.rpc = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


NO_CLASS = {
    "sierra_program": ["0x1"],
    "contract_class_version": "0.1.0",
    "entry_points_by_type": {"CONSTRUCTOR": [], "EXTERNAL": [], "L1_HANDLER": []},
    "abi": "",
}


def test_another_chain_and_another_contract_are_refused(tmp_path, node):
    path = settings(tmp_path, node.rpc)
    for answer, code in [
        ({"error": {"code": 20, "message": "Contract not found"}}, "not_found"),
        ({"result": NO_CLASS}, "other_class"),
    ]:
        node.answers["starknet_getClassAt"] = answer
        with pytest.raises(ciro.NetworkError) as refused:
            ciro.Starknet(path)
        assert refused.value.code == code and refused.value.hint, refused.value
    node.answers["starknet_chainId"] = {"result": hex(int.from_bytes(b"SN_MAIN", "big"))}
    with pytest.raises(ciro.NetworkError, match="SN_MAIN") as refused:
        ciro.Starknet(path)
    assert refused.value.code == "wrong_chain"
    node.answers["starknet_chainId"] = {"result": ["no number"]}
    with pytest.raises(ConnectionError):
        ciro.Starknet(path)


#: The key of the first account of a devnet with the seed 0, behind the passphrase `words`.
SECRET = 0x71D7BB07B9A64F6F78AC4C816AFF4DA9
KEYSTORE = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "000102030405060708090a0b0c0d0e0f"},
        "ciphertext": "503e0a9ad2e025e6ac39d24e736fcbd0bc683e28da45364ed6b0457a7e0dc80a",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 1000,
            "dklen": 32,
            "prf": "hmac-sha256",
            "salt": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        },
        "mac": "174915392203ac3bdcaaa21255af223e7049a82d923c89e5d799a4649b1330d6",
    },
    "id": "00000000-0000-4000-8000-000000000000",
    "version": 3,
}


@pytest.fixture(scope="module")
def sepolia(tmp_path_factory):
    """Settings of a Starknet on this machine, with the contracts, and an account that has money."""
    program, programs = (os.environ.get(name) for name in ("CIRO_STARKNET_DEVNET", "CIRO_PROGRAMS"))
    if program is None or programs is None:
        pytest.skip("CIRO_STARKNET_DEVNET and CIRO_PROGRAMS do not say where programs are: no fact is proven")
    folder = tmp_path_factory.mktemp("starknet")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    devnet = ["--host", "127.0.0.1", "--port", str(port), "--seed", "0", "--accounts", "1", "--initial-balance", str(10**24)]
    process = subprocess.Popen([program, *devnet], stdout=subprocess.DEVNULL)
    try:
        rpc = f"http://127.0.0.1:{port}/rpc"
        (account,) = _accounts(rpc)
        assert int(account["private_key"], 16) == SECRET, "the devnet makes other accounts: KEYSTORE needs another key"
        (folder / "keystore.json").write_text(json.dumps(KEYSTORE))
        (folder / "passphrase").write_text("words\n")
        (folder / "passphrase").chmod(0o600)
        deploy = [Path(programs) / "ciro-contracts", "--rpc", rpc, "--chain", "SN_SEPOLIA", "--account", account["address"]]
        deploy += ["--keystore", "keystore.json", "--passphrase-file", "passphrase", "--max-fee", "1000", "-o", "devnet.toml"]
        subprocess.run(deploy, cwd=folder, check=True, timeout=600)
        yield folder / "devnet.toml"
    finally:
        process.kill()
        process.wait()


def _accounts(rpc: str) -> list:
    """The accounts of a devnet, once it answers."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "devnet_getPredeployedAccounts", "params": {}}).encode()
    request = urllib.request.Request(rpc, body, {"Content-Type": "application/json"})
    begun = time.monotonic()
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)["result"]
        except OSError:
            if time.monotonic() - begun > 60:
                raise
            time.sleep(0.2)


def test_a_fact_is_proven_and_paid_for_once(sepolia, iris, key, proof):
    starknet = ciro.Starknet(sepolia)
    assert starknet.chain == "SN_SEPOLIA" and starknet.facts in repr(starknet)
    with pytest.raises(ValueError, match="pass a key with one entry"):
        starknet.register(key | iris.make_key(preset="chain", batch=2))
    model = starknet.register(key, "ipfs://files", max_fee=1000)
    assert model.id == proof.calldata(key).model and model.fee > 0 and model.transaction.startswith("0x")
    assert starknet.register(key) == ciro.StarknetModel(model.id)
    fact = proof.calldata(key).fact
    assert starknet.proven_at(fact) is None
    with pytest.raises(ciro.NetworkError) as dear:
        starknet.prove(proof, key, max_fee="0.000000000000000001")
    assert dear.value.code == "fee_above_max" and starknet.proven_at(fact) is None
    proven = starknet.prove(proof, key, max_fee=Decimal(1000))
    assert proven.fact == fact and 0 < proven.fee < 1000 and proven.l2_gas > 0
    assert abs(proven.proven_at - datetime.now(timezone.utc)) < timedelta(minutes=10)
    assert starknet.proven_at(fact) == proven.proven_at
    assert starknet.prove(proof.to_bytes(), key) == ciro.Fact(fact, proven.proven_at)
    assert pickle.loads(pickle.dumps(proven)) == proven


def test_nothing_is_sent_that_does_not_verify_or_cannot_be_paid(sepolia, key, proof):
    starknet = ciro.Starknet(sepolia)
    forged = bytearray(proof.to_bytes())
    forged[-100] ^= 1
    with pytest.raises(ciro.InvalidProofError):
        starknet.prove(bytes(forged), key)
    with pytest.raises(TypeError, match="money is exact"):
        starknet.prove(proof, key, max_fee=0.5)
    for text in ("", "-1", "1e3"):
        with pytest.raises(ValueError, match="no amount of STRK"):
            starknet.prove(proof, key, max_fee=text)
    for text in ("", "0x", "1g", hex(PRIME)):
        with pytest.raises(ValueError, match="a felt has"):
            starknet.proven_at(text)
    nobody = sepolia.with_name("nobody.toml")
    nobody.write_text(sepolia.read_text().partition("[account]")[0])
    with pytest.raises(ValueError, match="name no account that pays"):
        ciro.Starknet(nobody).prove(proof, key)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_connects_anew(sepolia):
    starknet = ciro.Starknet(sepolia)
    child = os.fork()
    if child == 0:
        try:
            starknet.proven_at("0x1")
        except RuntimeError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert starknet.proven_at("0x1") is None
