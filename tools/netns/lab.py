"""Namespaces with networks between them, and processes of Ciro inside of them.

Everything has one prefix, and `Lab.close` takes all of it away: processes, namespaces, and the
folder unless it is to be kept. What stands in a namespace (interfaces, rules) goes with it.
"""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

# AutoNAT believes addresses alone that are global: private ones, and those for documentation, are
# none. The namespaces are connected with nothing, so these lead nowhere else.
WAN = "45.10.0"
CLONE_NEWNET = 0x40000000
API = 26610
libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """An assertion does not hold, or the lab cannot be set up."""


def command(*words, **options):
    """Runs a program to its end, and returns what it printed."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        raise Failed(f"`{' '.join(map(str, words))}`: {' / '.join(said)}")
    return done.stdout


@contextmanager
def inside(namespace):
    """Moves this thread into a network namespace for a while."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        enter(there)
        yield
    finally:
        enter(here)
        os.close(here)
        os.close(there)


def enter(descriptor):
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise Failed(f"setns: {os.strerror(ctypes.get_errno())}")


def wait_until(what, patience_s, look):
    """Asks until there is an answer, and returns it with the seconds that it took."""
    begun = time.monotonic()
    while True:
        found = look()
        if found:
            return found, time.monotonic() - begun
        if time.monotonic() - begun > patience_s:
            raise Failed(f"not within {patience_s} s: {what}")
        time.sleep(0.2)


class Lab:
    """One network of namespaces."""

    def __init__(self, binaries, spec=None, keep=False):
        self.binaries, self.spec, self.keep = Path(binaries), spec, keep
        self.folder = Path(tempfile.mkdtemp(prefix="ciro-netns-"))
        self.prefix = f"ciro{os.getpid()}"
        self.namespaces, self.processes, self.links = [], {}, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
        for process in self.processes.values():
            process.wait()
        for namespace in self.namespaces:
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    # Namespaces.

    def namespace(self, name):
        full = f"{self.prefix}-{name}"
        command("ip", "netns", "add", full)
        self.namespaces.append(full)
        command("ip", "-n", full, "link", "set", "lo", "up")
        return full

    def internet(self):
        """Makes the namespace whose bridge everybody is connected with."""
        self.wan = self.namespace("wan")
        command("ip", "-n", self.wan, "link", "add", "bridge", "type", "bridge")
        command("ip", "-n", self.wan, "link", "set", "bridge", "up")

    def connect(self, namespace, number):
        """Connects a namespace with the internet, under an address of its own."""
        self.link((namespace, "wan"), (self.wan, f"port{number}"))
        command("ip", "-n", self.wan, "link", "set", f"port{number}", "master", "bridge")
        command("ip", "-n", namespace, "addr", "add", f"{WAN}.{number}/24", "dev", "wan")

    def link(self, one, other):
        """Lays a cable between two namespaces; each end has a name there."""
        self.links += 1
        ends = [f"c{os.getpid()}x{self.links}{side}" for side in "ab"]
        command("ip", "link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for end, (namespace, name) in zip(ends, (one, other)):
            command("ip", "link", "set", end, "netns", namespace, "name", name)
            command("ip", "-n", namespace, "link", "set", name, "up")

    def public(self, number):
        """Makes a host that has an address of the internet, and returns its namespace."""
        host = self.namespace(f"pub{number}")
        self.connect(host, number)
        return host

    def behind_nat(self, number, kind):
        """Makes a host behind a NAT, `cone` or `symmetric`, and returns its namespace.

        The drop of what comes to the router unasked is what routers do. Without it an early packet
        leaves an entry behind, for which the flow that goes out later gets another port.
        """
        router, host = self.namespace(f"nat{number}"), self.namespace(f"host{number}")
        self.connect(router, number)
        self.link((router, "lan"), (host, "eth0"))
        command("ip", "-n", router, "addr", "add", f"192.168.{number}.1/24", "dev", "lan")
        command("ip", "-n", host, "addr", "add", f"192.168.{number}.2/24", "dev", "eth0")
        command("ip", "-n", host, "route", "add", "default", "via", f"192.168.{number}.1")
        self.inside(router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        flags = {"cone": "", "symmetric": " fully-random"}[kind]
        self.rules(router, f"""
            table ip nat {{
                chain post {{
                    type nat hook postrouting priority 100;
                    oifname wan masquerade{flags}
                }}
            }}
            table ip filter {{
                chain incoming {{
                    type filter hook input priority 0;
                    iifname wan ct state new drop
                }}
                chain through {{
                    type filter hook forward priority 0; policy drop;
                    ct state established,related accept
                    iifname lan accept
                }}
            }}""")
        return host

    def rules(self, namespace, text):
        command("ip", "netns", "exec", namespace, "nft", "-f", "-", input=text)

    def inside(self, namespace, *words, **options):
        return command("ip", "netns", "exec", namespace, *words, **options)

    # Processes.

    def start(self, namespace, name, *words):
        """Starts a program in a namespace; it ends with the lab."""
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                ["ip", "netns", "exec", namespace, *map(str, words)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment(),
            )

    def environment(self):
        return os.environ | {
            "CIRO_HOME": str(self.folder / "home"),
            "CIRO_CACHE_DIR": str(self.folder / "cache"),
            "CIRO_PASSPHRASE_FILE": str(self.folder / "passphrase"),
            "RUST_LOG": os.environ.get("RUST_LOG", "info"),
            "NO_COLOR": "1",
        }

    def kill(self, name):
        """Kills a process without a word."""
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def ciro(self, namespace, *words):
        """Runs a command of `ciro` in a namespace."""
        words = [self.binaries / "ciro", "--quiet", *words]
        return self.inside(namespace, *words, env=self.environment())

    def log(self, name):
        text = (self.folder / f"{name}.log").read_text(errors="replace")
        return re.sub(r"\x1b\[[0-9;]*m", "", text)


def get(namespace, path):
    """Asks the node of a namespace; None if it does not answer."""
    try:
        with inside(namespace):
            with urllib.request.urlopen(f"http://127.0.0.1:{API}{path}", timeout=5) as answer:
                return answer.read().decode()
    except (OSError, urllib.error.URLError):
        return None


class Metrics(dict):
    """What a node counts: values by name and labels, as it writes them."""

    @classmethod
    def of(cls, namespace):
        text = get(namespace, "/metrics") or ""
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return cls({name: float(value) for name, value in lines})

    def value(self, name, **labels):
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            value for key, value in self.items()
            if key.split("{")[0] == name and all(label in key for label in wanted)
        )
