"""A network with delay, jitter and loss between hosts, for kernels without netem.

Each host has a tun device of which this process holds the other end. A packet waits for the delay of
its pair of hosts, and then for the one before it: a path delivers in order, as paths do. What is
lost is drawn for each packet.
"""

import fcntl
import heapq
import os
import random
import select
import statistics
import struct
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
PACKET_MAX = 65_536
# Packets under way at most: beyond it a path drops, as routers do.
WAITING_MAX = 100_000


def open_tun(name):
    """Makes a tun device, and returns what its packets are read from and written to."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    request = struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI)
    fcntl.ioctl(descriptor, TUNSETIFF, request)
    return descriptor


class Paths:
    """What happens to packets from one host to another.

    Each direction has its own delay, drawn evenly from the range, and each packet one that differs
    from it by up to a share of it.
    """

    def __init__(self, hosts, delays_ms, jitter, loss, seed):
        self.draw = random.Random(seed)
        pairs = [(one, other) for one in range(hosts) for other in range(hosts) if one != other]
        self.delay_s = {pair: self.draw.uniform(*delays_ms) / 1000 for pair in pairs}
        self.jitter, self.loss = jitter, loss
        self.last = dict.fromkeys(pairs, 0.0)

    def due(self, pair, now):
        """Says when a packet arrives; None if it is lost."""
        if self.draw.random() < self.loss:
            return None
        delay = self.delay_s[pair] * self.draw.uniform(1 - self.jitter, 1 + self.jitter)
        self.last[pair] = max(self.last[pair], now + delay)
        return self.last[pair]


def carry(descriptors, paths):
    """Carries packets of IPv4 between hosts, whose last byte of the address is their number and one
    more, for ever."""
    waiting, count = [], 0
    numbers = {descriptor: number for number, descriptor in enumerate(descriptors)}
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, _, to, packet = heapq.heappop(waiting)
            try:
                os.write(descriptors[to], packet)
            except OSError:
                pass  # The host is gone.
        pause = waiting[0][0] - now if waiting else None
        for descriptor in select.select(descriptors, [], [], pause)[0]:
            for packet in packets(descriptor):
                pair = numbers[descriptor], packet[19] - 1
                if packet[0] >> 4 != 4 or pair not in paths.delay_s:
                    continue
                due = paths.due(pair, time.monotonic())
                if due is not None and len(waiting) < WAITING_MAX:
                    count += 1
                    heapq.heappush(waiting, (due, count, pair[1], packet))


def round_trips(one, other, address, count=200, pause_s=0.01, patience_s=1.0):
    """Sends datagrams from one socket to another, which is at `address` and sends them back: returns
    the median of the times in ms, and the share that was lost."""
    for socket in (one, other):
        socket.setblocking(False)
    times, begun, sent = [], time.monotonic(), 0
    while time.monotonic() - begun < count * pause_s + patience_s:
        if sent < count and time.monotonic() - begun >= sent * pause_s:
            one.sendto(struct.pack("d", time.monotonic()), address)
            sent += 1
        for socket in select.select([one, other], [], [], 0.001)[0]:
            data, sender = socket.recvfrom(64)
            if socket is other:
                other.sendto(data, sender)
            else:
                times.append(1000 * (time.monotonic() - struct.unpack("d", data)[0]))
    return statistics.median(times), 1 - len(times) / count


def packets(descriptor):
    """Reads what has come."""
    while True:
        try:
            yield os.read(descriptor, PACKET_MAX)
        except OSError:
            return
