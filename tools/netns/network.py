"""A network of validators in a lab: its folders, its nodes, a worker, and who orders."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from lab import API, Failed, Metrics, command, get, wait_until

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "examples" / "models" / "linreg_diabetes"
PORT = 26611
WEBSOCKET_PORT = 443
# How long nodes have to find each other.
PATIENCE_S = 120


class Network:
    """Validators, each in a namespace of its own.

    `hosts` has the namespace of each and its address, which is None behind a NAT. Others know no
    address of such a one, as none leads there, but its name.
    """

    def __init__(self, lab, hosts, transports=("tcp", "quic")):
        self.lab, self.hosts = lab, [namespace for namespace, _ in hosts]
        self.folder = lab.folder / "network"
        node = lab.binaries / "ciro-node"
        words = ["--spec", lab.spec] if lab.spec else []
        command(node, "network", self.folder, "--validators", len(hosts), "--seed", "netns", *words)
        self.peers = self.names(len(hosts))
        for number in range(len(hosts)):
            others = []
            for other, (_, address) in enumerate(hosts):
                if other == number:
                    continue
                ways = [""] if address is None else listening(transports, address)
                others += [f"{way}/p2p/{self.peers[other]}" for way in ways]
            self.configure(number, listening(transports, "0.0.0.0"), others)

    def names(self, count):
        """Returns the peer ids, which each node's settings have of all others."""
        def known(number):
            return re.findall(r"/p2p/(\w{52})\b", self.settings(number).read_text())
        return [known(1)[0], *known(0)][:count]

    def settings(self, number):
        return self.folder / f"node{number}" / "node.toml"

    def configure(self, number, listen, peers):
        text = self.settings(number).read_text()
        for name, values in (("listen", listen), ("peers", peers)):
            line = f"{name} = {json.dumps(values)}"
            text, found = re.subn(rf'(?m)^{name} = \[.*\]$', lambda _: line, text)
            if found != 1:
                raise Failed(f"`{self.settings(number)}` has {found} lines `{name}`")
        text, found = re.subn(r'(?m)^nat = false$', "nat = true", text)
        if found != 1:
            raise Failed(f"`{self.settings(number)}` has {found} lines `nat`")
        self.settings(number).write_text(text)

    def start(self, number):
        node = self.lab.binaries / "ciro-node"
        words = [node, "start", "--listen", f"0.0.0.0:{API}", self.folder / f"node{number}"]
        self.lab.start(self.hosts[number], f"node{number}", *words)

    def start_all(self):
        for number in range(len(self.hosts)):
            self.start(number)
        for number, host in enumerate(self.hosts):
            def ready(name=f"node{number}", host=host):
                if self.lab.processes[name].poll() is not None:
                    raise Failed(f"{name} has ended")
                return get(host, "/readyz")
            wait_until(f"node{number} is ready", PATIENCE_S, ready)

    def metrics(self, number):
        return Metrics.of(self.hosts[number])

    def log(self, number):
        return self.lab.log(f"node{number}")

    def wait(self, number, what, holds, patience_s=PATIENCE_S):
        """Waits until something holds for the metrics of a node; returns the seconds it took."""
        return wait_until(f"node{number}: {what}", patience_s, lambda: holds(self.metrics(number)))[1]

    def wait_connected(self, numbers=None, others=None):
        """Waits until nodes reach so many others; all if no number is given."""
        others = others or len(self.hosts) - 1
        for number in numbers or range(len(self.hosts)):
            self.wait(number, f"reaches {others} others",
                      lambda metrics: metrics.value("ciro_net_validators") >= others)

    # Who orders, and who proves.

    def user(self, number, providers=()):
        """Makes accounts with test money, and a model to order from, at a node."""
        lab, host = self.lab, self.hosts[number]
        passphrase = lab.folder / "passphrase"
        passphrase.write_text("netns\n")
        passphrase.chmod(0o600)
        genesis = self.folder / "node0" / "genesis.json"
        lab.ciro(host, "network", "use", f"http://127.0.0.1:{API}", "--genesis", genesis,
                 "--account", "user", "--passphrase-file", passphrase)
        for account in ("user", *providers):
            lab.ciro(host, "account", "new", account)
            lab.ciro(host, "faucet", "--account", account)
        lab.ciro(host, "deploy", MODEL / "model.onnx")

    def prover(self, number, name, url=f"http://127.0.0.1:{API}"):
        """Starts a worker beside a node, which talks to the node at `url`."""
        lab, host = self.lab, self.hosts[number]
        folder, program = lab.folder / name, lab.binaries / "ciro-prover"
        words = ["--account", name, "--passphrase-file", lab.folder / "passphrase"]
        command(program, "init", folder, *words, env=lab.environment())
        settings = folder / "prover.toml"
        text = settings.read_text().replace(f"http://127.0.0.1:{API}", url)
        settings.write_text(text)
        lab.inside(host, program, "register", "--config", settings, env=lab.environment())
        lab.start(host, name, program, "start", "--config", settings)

    def order(self, number, patience_s=120):
        """Orders an inference at a node, and returns what `ciro submit` says of the proof that came
        back, which it has verified."""
        proof = self.lab.folder / f"proof{number}.ciro"
        proof.unlink(missing_ok=True)
        words = ["--json", "submit", MODEL / "model.onnx", "--input", MODEL / "input_0.json"]
        words += ["--patience", patience_s, "-o", proof]
        return json.loads(self.lab.ciro(self.hosts[number], *words))

    def bench(self, number, jobs):
        """Measures jobs that arrive twice a second, with all times as the client sees them."""
        words = ["--json", "bench", "network", MODEL, "--jobs", jobs, "--rate", 2]
        return json.loads(self.lab.ciro(self.hosts[number], *words))


def listening(transports, host):
    ways = {
        "tcp": f"/ip4/{host}/tcp/{PORT}",
        "quic": f"/ip4/{host}/udp/{PORT}/quic-v1",
        "websocket": f"/ip4/{host}/tcp/{WEBSOCKET_PORT}/ws",
    }
    return [ways[transport] for transport in transports]


def missing():
    """Says why this machine can make no lab; None if it can."""
    name = f"ciro{os.getpid()}-try"
    tries = [
        ["ip", "netns", "add", name],
        ["ip", "netns", "exec", name, "nft", "add", "table", "ip", "try"],
    ]
    try:
        for words in tries:
            tried = subprocess.run(words, capture_output=True, text=True, check=False)
            if tried.returncode != 0:
                return f"`{' '.join(words)}`: {tried.stderr.strip()}"
    except FileNotFoundError as error:
        return f"`{error.filename}` is not installed"
    finally:
        if shutil.which("ip"):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return None
