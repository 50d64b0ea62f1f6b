#!/usr/bin/python3
"""Quantizes reference networks in several ways, serves them, and measures each through msq eval: the accuracy table.

Run by `scripts/bench accuracy`. Networks and data sets come from a folder outside the repository (../shared/data, or
--data); without it there is nothing to measure, and the program says so and ends with status 0.
Calibration and evaluation never share a picture.
"""
import argparse
import json
import pathlib
import sys
import tempfile

from reference_networks import CIFAR, INCEPTION, Daemon, prepare, run_json

W4A4 = ("W4A4", [])
W4A4_ALL = ("W4A4, no layer W8", ["--weights8", "none"])
W4A4_NEAREST = ("W4A4, nearest rounding", ["--rounding", "nearest"])
DEPTHWISE8 = ("W4A4, depthwise W8", ["--depthwise-bits", "8"])
W4A8 = ("W4A8, depthwise W8", ["--depthwise-bits", "8", "--activation-bits", "8"])
W4A8_PLAIN = ("W4A8", ["--activation-bits", "8"])
W8A8 = ("W8A8", ["--activation-bits", "8", "--weights8", "all"])  # no row is left for a scheme: a control
SCHEMES = ["fixed", "sp2", "msq"]

# name, data set, normalisation, further options, widths to try. First and last layers have 8-bit weights by default.
NETWORKS = [
    ("resnet20_cifar10", "cifar10", CIFAR, [], [W4A4, W4A4_ALL, W4A4_NEAREST, W4A8_PLAIN]),
    ("mobilenet_v2_imagenet_from_int8", "imagenet", INCEPTION, [], [W4A4, DEPTHWISE8, W4A8]),
    ("mobilenet_v1_025_imagenet", "imagenet", INCEPTION, [], [W4A4, W4A8]),
    ("squeezenet11_imagenet", "imagenet",
     {"mean": "0.48109,0.45752,0.40787", "std": "0.00392156863"}, ["--bgr"], [W4A4, W4A8_PLAIN, W8A8]),
    ("etinynet_imagenet", "imagenet", {"mean": "0.50196078", "std": "0.00392156863"}, [], [W4A4, W4A8]),
]


def measure(network, sets, arguments, work):
    """Rows of one network: one per width and scheme, the float accuracy in each."""
    name, dataset, normalisation, options, widths = network
    calibration, test = sets[dataset]
    repository = work / name
    rows, float_top1 = [], None
    for width, width_options in widths:
        for scheme in SCHEMES:
            model = f"{name}_{len(rows)}"
            command = [arguments.bin / "msq-quantize", arguments.data / "models" / f"{name}.onnx", "--json",
                       "-o", repository / model / "1" / "model.msq", "--calibration", calibration,
                       "--mean", normalisation["mean"], "--std", normalisation["std"], "--scheme", scheme,
                       *options, *width_options]
            if float_top1 is None:
                command += ["--evaluate", test]
            report = run_json(command)
            float_top1 = report.get("float", {}).get("top1", float_top1)
            rows.append({"network": name, "dataset": dataset, "width": width, "scheme": scheme, "model": model,
                         "float_top1": float_top1, "bytes": report["bytes"]})
    with Daemon(arguments.bin / "msqd", repository) as addresses:
        for row in rows:
            answer = run_json([arguments.bin / "msq", "eval", row.pop("model"), "--dataset", test, "--url",
                               addresses["grpc"], "--json"])
            row.update(images=answer["images"], top1=answer["top1"], top5=answer["top5"])
    return rows


def print_table(rows):
    print("| network | pictures | float | widths | fixed | SP2 | MSQ |\n|---|---|---|---|---|---|---|")
    for first in rows:
        if first["scheme"] != SCHEMES[0]:
            continue
        same = {row["scheme"]: row for row in rows
                if (row["network"], row["width"]) == (first["network"], first["width"])}
        figures = " | ".join(f"{100 * same[scheme]['top1']:.2f}" for scheme in SCHEMES)
        print(f"| {first['network']} | {first['images']} | {100 * first['float_top1']:.2f} | {first['width']} | {figures} |")


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", nargs="*", help="only these; all otherwise")
    parser.add_argument("--data", type=pathlib.Path, default=root.parent / "shared" / "data")
    parser.add_argument("--bin", type=pathlib.Path, default=root / "build" / "release" / "bin")
    parser.add_argument("--json", type=pathlib.Path, help="also write the rows to this file")
    arguments = parser.parse_args()
    unknown = set(arguments.network) - {network[0] for network in NETWORKS}
    if unknown:
        parser.error(f"no such network: {', '.join(sorted(unknown))}; there are {', '.join(n[0] for n in NETWORKS)}")
    if not (arguments.data / "models").is_dir():
        print(f"accuracy: skipped, there are no reference networks in {arguments.data}")
        return
    networks = [network for network in NETWORKS if not arguments.network or network[0] in arguments.network]
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        sets = prepare(arguments.data, work, {network[1] for network in networks})
        rows = []
        for network in networks:
            print(f"accuracy: {network[0]}", file=sys.stderr, flush=True)
            rows += measure(network, sets, arguments, work)
            if arguments.json:
                arguments.json.write_text(json.dumps({"rows": rows}, indent=2) + "\n")
    print_table(rows)


if __name__ == "__main__":
    main()
