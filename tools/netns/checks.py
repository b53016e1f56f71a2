"""What must hold on bad networks. Each check is one run, and returns what it measured."""

import multiprocessing
import re
import socket
import threading
import time

from delay import Paths, carry, open_tun, round_trips
from lab import API, WAN, Failed, command, inside, wait_until
from network import ROOT, WEBSOCKET_PORT, Network

# A relay that dies is replaced within this time.
REPLACED_S = 30
# One-way delays of docs/consensus.md, for which the simulator's table has the finality of seven.
DELAYS_MS, JITTER, LOSS = (5, 60), 0.2, 0.01
SIMULATED = re.compile(r"^\| 7 \| (\d+) ms \| \d+ ms \| \d+ ms \|", re.M)
JOBS = 40


def ensure(holds, what):
    if not holds:
        raise Failed(what)


def natted(lab, kind, publics, transports=("tcp", "quic")):
    """Starts some validators with addresses, and two behind NATs, which come last."""
    lab.internet()
    hosts = [(lab.public(number), f"{WAN}.{number}") for number in range(1, publics + 1)]
    hosts += [(lab.behind_nat(number, kind), None) for number in (11, 12)]
    network = Network(lab, hosts, transports)
    network.start_all()
    return network


def is_private(metrics):
    return metrics.value("ciro_net_reachability", status="private") == 1


def direct(metrics, transport):
    return metrics.value("ciro_net_holepunch_total", result="direct", transport=transport)


def cone(lab, transport):
    """Two validators behind cone NATs: AutoNAT says so, relays have places for them, and they come to
    a direct connection."""
    network = natted(lab, "cone", 2, [transport])
    took = {}
    for number in (2, 3):
        node = f"node{number}"
        took[f"{node} private"] = network.wait(number, "AutoNAT says private", is_private)
        took[f"{node} relays"] = network.wait(
            number, "has places at relays", lambda it: it.value("ciro_net_relays") >= 1)
    # Either end may be the one whose dialling made the connection.
    _, took["punched"] = wait_until(
        f"a hole is punched over {transport}", 60,
        lambda: sum(direct(network.metrics(number), transport) for number in (2, 3)) >= 1)
    for number in (2, 3):
        took[f"node{number} direct"] = network.wait(
            number, "has no relayed peer", lambda it: it.value("ciro_net_relayed") == 0, 30)
    network.wait_connected()
    for number in (2, 3):
        relayed = network.metrics(number).value("ciro_net_relayed")
        ensure(relayed == 0, f"node{number} reaches all others directly, {relayed:.0f} by a relay")
    return {name: round(seconds, 1) for name, seconds in took.items()}


def stays_relayed(network, numbers):
    """Makes sure that two validators reach each other through a relay alone."""
    for number in numbers:
        metrics = network.metrics(number)
        ensure(metrics.value("ciro_net_relayed") == 1, f"node{number} has a relayed peer")
        punched = metrics.value("ciro_net_holepunch_total", result="direct")
        ensure(punched == 0, f"node{number} has punched a hole through a symmetric NAT")


def wait_relayed(network, numbers, relays):
    for number in numbers:
        network.wait(number, "AutoNAT says private", is_private)
        network.wait(number, f"has {relays} relays",
                     lambda it: it.value("ciro_net_relays") >= relays)
        network.wait(number, "reaches its peer through one",
                     lambda it: it.value("ciro_net_relayed") == 1)
    network.wait_connected()


def symmetric(lab):
    """Two validators behind symmetric NATs stay relayed. Who orders is behind one of them; who proves
    is behind the other, and brings its proof to a node with an address."""
    network = natted(lab, "symmetric", 2)
    wait_relayed(network, (2, 3), 2)
    network.user(2, ["prover"])
    network.prover(3, "prover", f"http://{WAN}.1:{API}")
    begun = time.monotonic()
    network.order(2)
    took = time.monotonic() - begun
    stays_relayed(network, (2, 3))
    carried = sum(network.metrics(number).value("ciro_net_circuits") for number in (0, 1))
    ensure(carried >= 1, "the relays carry something")
    return {"settled": round(took, 1), "circuits": int(carried)}


def relay_killed(lab):
    """A relay is killed while jobs flow: the provider's node finds another one, and no job is lost."""
    network = natted(lab, "symmetric", 4)
    wait_relayed(network, (4, 5), 3)
    network.user(4, ["prover"])
    network.prover(5, "prover")
    network.order(4)
    ended = []
    orders = threading.Thread(target=lambda: [ended.append(network.order(4)) for _ in range(10)])
    orders.start()
    wait_until("the first orders are settled", 120, lambda: len(ended) >= 2)
    given = r"a relay has a place for this node.*relay=(\w+)"
    before = re.findall(given, network.log(5))
    relay = network.peers.index(before[0])
    lab.kill(f"node{relay}")
    _, took = wait_until(
        "a place at another relay", REPLACED_S, lambda: len(re.findall(given, network.log(5))) > len(before))
    after = re.findall(given, network.log(5))[len(before):]
    ensure(network.peers[relay] not in after, "the relay is another one")
    orders.join()
    ensure(len(ended) == 10, f"all 10 jobs are settled, {len(ended)} are")
    return {"killed": f"node{relay}", "replaced": round(took, 1), "jobs": 1 + len(ended)}


def websocket(lab):
    """Routers and hosts let nothing through but one port of WebSocket, although there are TCP and QUIC
    to choose from: a job is settled. The two behind NATs do not reach each other: whoever is reached
    by WebSocket alone is no relay."""
    lab.internet()
    hosts = [(lab.public(number), f"{WAN}.{number}") for number in (1, 2)]
    hosts += [(lab.behind_nat(number, "cone"), None) for number in (11, 12)]
    for host, address in hosts:
        interface = "wan" if address else "eth0"
        lab.rules(host, f"""
            table ip only {{
                chain incoming {{
                    type filter hook input priority 0; policy drop;
                    iifname != {interface} accept
                    tcp dport {WEBSOCKET_PORT} accept
                    tcp sport {WEBSOCKET_PORT} ct state established accept
                }}
                chain outgoing {{
                    type filter hook output priority 0; policy drop;
                    oifname != {interface} accept
                    tcp dport {WEBSOCKET_PORT} accept
                    tcp sport {WEBSOCKET_PORT} ct state established accept
                }}
            }}""")
    network = Network(lab, hosts, ("tcp", "quic", "websocket"))
    network.start_all()
    network.wait_connected([0, 1])
    network.wait_connected([2, 3], others=2)
    network.user(2, ["prover"])
    network.prover(3, "prover")
    begun = time.monotonic()
    network.order(2)
    took = time.monotonic() - begun
    for host, _ in hosts:
        sockets = lab.inside(host, "ss", "-tnH", "state", "established")
        ports = [re.findall(r":(\d+)\b", line) for line in sockets.splitlines() if WAN in line]
        foreign = [pair for pair in ports if str(WEBSOCKET_PORT) not in pair]
        ensure(ports and not foreign, f"{host} uses WebSocket alone: {ports}")
    return {"settled": round(took, 1)}


def slow_hosts(lab, count):
    """Makes hosts with delays between them, and starts what carries their packets."""
    descriptors, hosts = [], []
    for number in range(count):
        device = f"{lab.prefix}t{number}"[-15:]
        descriptors.append(open_tun(device))
        host = lab.namespace(f"slow{number}")
        command("ip", "link", "set", device, "netns", host, "name", "wan")
        command("ip", "-n", host, "addr", "add", f"{WAN}.{number + 1}/24", "dev", "wan")
        command("ip", "-n", host, "link", "set", "wan", "up", "txqueuelen", "10000")
        hosts.append((host, f"{WAN}.{number + 1}"))
    paths = Paths(count, DELAYS_MS, JITTER, LOSS, seed=1)
    carrier = multiprocessing.Process(target=carry, args=(descriptors, paths), daemon=True)
    carrier.start()
    return hosts


def simulated_p50_ms():
    """Reads the finality of seven replicas, as the simulator has measured it."""
    found = SIMULATED.findall((ROOT / "docs" / "consensus.md").read_text())
    ensure(len(found) == 1, "docs/consensus.md has a table of finality")
    return int(found[0])


def delayed(lab):
    """Seven validators with delay, jitter and loss between them: the median time from an order to its
    block, as who orders sees it, is within twice the simulator's."""
    simulated_ms = simulated_p50_ms()
    hosts = slow_hosts(lab, 7)
    network = Network(lab, hosts, ["tcp"])
    network.start_all()
    network.wait_connected()
    round_trip_ms, lost = measured(hosts[0][0], hosts[1])
    network.user(0, ["prover"])
    network.prover(0, "prover")
    report = network.bench(0, JOBS)
    ensure(report["settled"] == JOBS, f"{report['settled']} of {JOBS} jobs are settled")
    ordering = report["latencies"]["ordering"]
    p50 = ordering["p50"]
    ensure(p50 <= 2 * simulated_ms, f"p50 {p50:.0f} ms is within twice {simulated_ms} ms")
    return {"p50_ms": round(p50), "p95_ms": round(ordering["p95"]), "jobs": JOBS,
            "simulated_p50_ms": simulated_ms, "round_trip_ms": round(round_trip_ms),
            "round_trips_lost": round(lost, 3)}


def measured(namespace, there):
    """Measures the path between two hosts."""
    with inside(namespace):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with inside(there[0]):
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        other.bind((there[1], 7))
    with one, other:
        return round_trips(one, other, (there[1], 7))
