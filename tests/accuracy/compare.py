#!/usr/bin/python3
"""CPU against FPGA: latency, images a second, energy and accuracy of the demo's and the reference networks on both.

Run by `scripts/bench compare`. The FPGA is the emulated z020 at 100 MHz. `latency_ms` and `fps` are what a client sees, and
so the speed of the emulation where that is slower than the accelerator; `device_ms` is the accelerator's own time for a
picture, its cycles at its clock. Every answer under load is compared between the two, bit for bit. `joules` are a picture's,
of the source that `joules_source` names (`model`: an estimate, docs/power.md). What was not measured is a dash, null in JSON.
The demo reads the characters of the fonts that it renders text in, which it never saw in training. Reference networks and
their data sets come from a folder outside the repository (../shared/data, or --data); without it there is the demo alone.
"""
import argparse
import json
import pathlib
import re
import shutil
import sys
import tempfile
import urllib.request

from reference_networks import NETWORKS, Daemon, check_data, parse_arguments, prepare, quantize, run_json

DEVICE = "emulated,configuration=z020,paced=true,memory-mb=256,hang-ms=60000"
CLOCK_HZ = 100e6
BACKENDS = ("cpu", "fpga")
DEMO = pathlib.Path(__file__).resolve().parents[2] / "demo"
DEMO_MODEL = "characters"
DEMO_FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSerif", "DejaVuSerif-Bold")

# Options of msq-quantize that keep a network accurate: 4-bit weights, 8-bit activations where 4 are too few.
WIDTHS = {
    "resnet20_cifar10": [],
    "mobilenet_v2_imagenet_from_int8": ["--depthwise-bits", "8", "--activation-bits", "8"],
    "mobilenet_v1_025_imagenet": ["--depthwise-bits", "8", "--activation-bits", "8"],
    "squeezenet11_imagenet": ["--activation-bits", "8"],
    "etinynet_imagenet": ["--depthwise-bits", "8", "--activation-bits", "8"],
}


def counter(addresses, name, model):
    """A counter of the model on the FPGA."""
    text = urllib.request.urlopen(f"http://{addresses['metrics']}/metrics", timeout=60).read().decode()
    for line in text.splitlines():
        if line.startswith(name + "{") and f'model="{model}"' in line and 'backend="fpga"' in line:
            return float(re.search(r" (\S+)$", line).group(1))
    return 0.0


def measure(model, test, addresses, arguments, work):
    """One row a backend."""
    url = ["--url", addresses["grpc"]]
    report = work / "bench.json"
    before = [counter(addresses, name, model) for name in ("msq_model_cycles_total", "msq_images_total")]
    command = [arguments.bin / "msq", "bench", model, *url, "--backend", ",".join(BACKENDS), "--concurrency", "1,4",
               "--metrics-url", f"http://{addresses['metrics']}/metrics", "--duration", str(arguments.seconds),
               "--rounds", "3", "--max-rounds", "3", "--json", report]
    run_json(command, answers_json=False)
    after = [counter(addresses, name, model) for name in ("msq_model_cycles_total", "msq_images_total")]
    figures = json.loads(report.read_text())
    if figures["answers_wrong"]:
        sys.exit(f"{model}: {figures['answers_wrong']} answers differ between the backends")
    rows = []
    for backend in BACKENDS:
        alone, loaded = [next(row for row in figures["rows"] if row["backend"] == backend and row["concurrency"] == n)
                         for n in (1, 4)]
        energy = next(iter(loaded["energy"]), {})
        row = {"network": model, "backend": backend, "latency_ms": alone["p50_ms"], "fps": loaded["images_per_s"],
               "device_ms": None, "joules": energy.get("joules_per_image"), "joules_source": energy.get("source"),
               "compared": figures["answers_compared"]}
        if backend == "fpga":
            row["device_ms"] = 1e3 * (after[0] - before[0]) / (after[1] - before[1]) / CLOCK_HZ
        answer = run_json([arguments.bin / "msq", "eval", model, "--dataset", test, *url, "--backend", backend,
                           "--limit", str(arguments.pictures), "--json"])
        row.update(top1=answer["top1"], pictures=answer["images"])
        rows.append(row)
    return rows


def print_table(rows):
    def text(value, form):
        return "-" if value is None else format(value, form)
    print("| network | backend | latency, ms | images/s | accelerator, ms | mJ a picture | top-1, % | of |\n"
          "|---|---|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        joules = None if row["joules"] is None else 1e3 * row["joules"]
        source = "" if row["joules_source"] is None else f" ({row['joules_source']})"
        print(f"| {row['network']} | {row['backend']} | {text(row['latency_ms'], '.2f')} | {text(row['fps'], '.1f')} | "
              f"{text(row['device_ms'], '.2f')} | {text(joules, '.2f')}{source} | {100 * row['top1']:.1f} | {row['pictures']} |")


def prepare_demo(work):
    """Every character in every font of fonts-dejavu-core, as .npz."""
    sys.path.insert(0, str(DEMO))
    import numpy
    import render  # the demo's own
    fonts = [render.load_font(f"/usr/share/fonts/truetype/dejavu/{name}.ttf") for name in DEMO_FONTS]
    images = [render.render_cell(font, character)[..., None] for font in fonts for character in render.CHARACTERS]
    numpy.savez(work / "demo_test.npz", images=numpy.array(images),
                labels=numpy.tile(numpy.arange(len(render.CHARACTERS)), len(fonts)))
    return work / "demo_test.npz"


def fill(repository, arguments, work):
    """Puts the wanted models there. Returns, by name, what their accuracy is measured on."""
    tests = {}
    if DEMO_MODEL in arguments.network:
        shutil.copytree(DEMO / "repository" / DEMO_MODEL, repository / DEMO_MODEL)
        tests[DEMO_MODEL] = prepare_demo(work)
    names = [name for name in NETWORKS if name in arguments.network]
    if arguments.all and not (arguments.data / "models").is_dir():
        print(f"compare: there are no reference networks in {arguments.data}: the demo alone", file=sys.stderr)
        return tests
    check_data(arguments.data, names)
    sets = prepare(arguments.data, work, {NETWORKS[name][0] for name in names})
    for name in names:
        print(f"compare: quantizes {name}", file=sys.stderr, flush=True)
        calibration, tests[name] = sets[NETWORKS[name][0]]
        quantize(arguments, name, calibration, repository / name / "1" / "model.msq", WIDTHS[name])
    return tests


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3, help="of each round")
    parser.add_argument("--pictures", type=int, default=1000, help="at most, to measure accuracy on")
    arguments = parse_arguments(parser, [DEMO_MODEL])
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        repository = work / "repository"
        repository.mkdir()
        tests = fill(repository, arguments, work)
        rows = []
        with Daemon(arguments.bin / "msqd", repository, "--fpga-device", DEVICE) as addresses:
            for model, test in tests.items():
                print(f"compare: {model}", file=sys.stderr, flush=True)
                rows += measure(model, test, addresses, arguments, work)
                if arguments.json:
                    arguments.json.write_text(json.dumps({"rows": rows}, indent=2) + "\n")
    print_table(rows)


if __name__ == "__main__":
    main()
