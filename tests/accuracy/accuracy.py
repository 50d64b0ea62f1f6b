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

from reference_networks import NETWORKS, Daemon, check_data, parse_arguments, prepare, quantize, run_json

W4A4 = ("W4A4", [])
W4A4_ALL = ("W4A4, no layer W8", ["--weights8", "none"])
W4A4_NEAREST = ("W4A4, nearest rounding", ["--rounding", "nearest"])
DEPTHWISE8 = ("W4A4, depthwise W8", ["--depthwise-bits", "8"])
W4A8 = ("W4A8, depthwise W8", ["--depthwise-bits", "8", "--activation-bits", "8"])
W4A8_PLAIN = ("W4A8", ["--activation-bits", "8"])
W8A8 = ("W8A8", ["--activation-bits", "8", "--weights8", "all"])  # no row is left for a scheme: a control
SCHEMES = ["fixed", "sp2", "msq"]

# The widths to try. First and last layers have 8-bit weights by default.
WIDTHS = {
    "resnet20_cifar10": [W4A4, W4A4_ALL, W4A4_NEAREST, W4A8_PLAIN],
    "mobilenet_v2_imagenet_from_int8": [W4A4, DEPTHWISE8, W4A8],
    "mobilenet_v1_025_imagenet": [W4A4, W4A8],
    "squeezenet11_imagenet": [W4A4, W4A8_PLAIN, W8A8],
    "etinynet_imagenet": [W4A4, W4A8],
}


def measure(name, sets, arguments, work):
    """Rows of one network: one per width and scheme, the float accuracy in each."""
    dataset = NETWORKS[name][0]
    calibration, test = sets[dataset]
    repository = work / name
    rows, float_top1 = [], None
    for width, width_options in WIDTHS[name]:
        for scheme in SCHEMES:
            model = f"{name}_{len(rows)}"
            options = ["--scheme", scheme, *width_options]
            if float_top1 is None:
                options += ["--evaluate", test]
            report = quantize(arguments, name, calibration, repository / model / "1" / "model.msq", options)
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
    arguments = parse_arguments(argparse.ArgumentParser(description=__doc__.splitlines()[0]))
    if not (arguments.data / "models").is_dir():
        print(f"accuracy: skipped, there are no reference networks in {arguments.data}")
        return
    check_data(arguments.data, arguments.network)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        sets = prepare(arguments.data, work, {NETWORKS[name][0] for name in arguments.network})
        rows = []
        for name in arguments.network:
            print(f"accuracy: {name}", file=sys.stderr, flush=True)
            rows += measure(name, sets, arguments, work)
            if arguments.json:
                arguments.json.write_text(json.dumps({"rows": rows}, indent=2) + "\n")
    print_table(rows)


if __name__ == "__main__":
    main()
