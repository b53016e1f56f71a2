#!/usr/bin/env python3
"""Sends signed orders to Ciro through Kafka, without any of Ciro's code.

    ciro order MODEL.onnx --input INPUT.json -o job.order
    python send.py --brokers 127.0.0.1:9092 job.order ...

Needs `pip install confluent-kafka`. The node judges an order as if it had come over HTTP: the topic
is asked for nothing but to bring the bytes, so that a record needs neither key nor headers.
"""

import argparse
import sys
from pathlib import Path

from confluent_kafka import Producer


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--brokers", required=True, help="host:port, with commas between them")
    parser.add_argument("--topic", default="ciro.submissions.v1")
    parser.add_argument("orders", nargs="+", type=Path)
    args = parser.parse_args()
    failed = []

    def delivered(error, message):
        if error is not None:
            failed.append(str(error))

    producer = Producer({"bootstrap.servers": args.brokers, "acks": "all", "enable.idempotence": True})
    for order in args.orders:
        producer.produce(args.topic, value=order.read_bytes(), on_delivery=delivered)
        producer.poll(0)
    left = producer.flush(60)
    for error in failed:
        print(f"error: {error}", file=sys.stderr)
    return 1 if failed or left else 0


if __name__ == "__main__":
    sys.exit(main())
