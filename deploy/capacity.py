#!/usr/bin/python3
"""How many nodes, watts and cores of balancers a load takes: the model of docs/scaling.md, which explains each figure.

    capacity.py [--rate 1e6] [--utilization 0.7]     prints a table of it; tests compare the page with it
"""
import argparse
import dataclasses
import math

REQUEST_BYTES = 150528  # one picture of 3x224x224 bytes; its headers are below a percent


@dataclasses.dataclass(frozen=True)
class Node:
    name: str
    images_per_s: float  # at most
    idle_watts: float
    full_watts: float
    price: float  # of some currency, hardware alone


# CPU: measured 101 images/s of a core (ResNet-18, served), assumed that 64 cores do 0.8 of 64 times that.
# Boards: cycles of the RTL at an assumed 100 MHz; watts of the power model, and an assumed rest of the board.
NODES = (
    Node("64 cores", 101 * 64 * 0.8, 120, 350, 10000),
    Node("z020 board", 100e6 / 1_135_485, 1.6 + 3, 2.1 + 3, 200),
    Node("z045 board", 100e6 / 389_265, 2.2 + 5, 3.7 + 5, 1500),
)
BALANCER_SECONDS = {"nginx": 160e-6, "HAProxy": 340e-6}  # of a core for a request, measured
LINK_BYTES_PER_S = 100e9 / 8 * 0.8  # of a balancer's network at 80 %
NODE_FAILURES_PER_YEAR = 0.1  # assumed


def nodes_for(node, rate, utilization):
    return math.ceil(rate / (node.images_per_s * utilization))


def watts_for(node, rate, utilization):
    """Power is taken to grow linearly from idle to full."""
    count = nodes_for(node, rate, utilization)
    return count * node.idle_watts + rate / node.images_per_s * (node.full_watts - node.idle_watts)


def rows(rate, utilization):
    yield "| node | images/s of one | nodes | kW | J an image | hardware, of a price of 1 for z020 boards | failures a day |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    base = nodes_for(NODES[1], rate, utilization) * NODES[1].price
    for node in NODES:
        count, watts = nodes_for(node, rate, utilization), watts_for(node, rate, utilization)
        yield (f"| {node.name} | {node.images_per_s:,.0f} | {count:,} | {watts / 1000:,.1f} | {watts / rate:.3f} "
               f"| {count * node.price / base:.2f} | {count * NODE_FAILURES_PER_YEAR / 365:.1f} |")


def facts(rate, utilization):
    yield f"network: {rate * REQUEST_BYTES / 1e9:,.0f} GB/s, {rate * REQUEST_BYTES * 8 / 1e12:.1f} Tbit/s"
    yield f"balancers by network: {math.ceil(rate * REQUEST_BYTES / LINK_BYTES_PER_S)} of 100 Gbit/s"
    for name, seconds in BALANCER_SECONDS.items():
        yield f"balancers by processor: {rate * seconds / utilization:,.0f} cores of {name}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rate", type=float, default=1e6, help="images a second")
    parser.add_argument("--utilization", type=float, default=0.7, help="of a node, on average")
    options = parser.parse_args()
    if not 0 < options.rate <= 1e12 or not 0 < options.utilization <= 1:
        parser.error("--rate must be positive, up to 1e12, and --utilization in 0..1")
    print("\n".join(rows(options.rate, options.utilization)))
    print()
    print("\n".join(facts(options.rate, options.utilization)))


if __name__ == "__main__":
    main()
