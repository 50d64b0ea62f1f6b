#!/usr/bin/env python3
"""The committed cycle tables against the RTL: each file in docs/hw/cycles is what cosim_report prints for one network.

    cycle_tables.py --build FOLDER [--update] [NETWORK_CONFIGURATION...]

Builds the simulated accelerators that it needs (minutes each), runs the networks, and compares; --update writes the tables
instead. A simulation is deterministic: a figure that differs is a change of the design, the lowering or the memory model.
"""
import argparse
import pathlib
import subprocess
import sys

TABLES = pathlib.Path(__file__).resolve().parents[2] / "docs" / "hw" / "cycles"


def report(build, name):
    network, configuration = name.split("_", 1)
    program = f"cosim_report_{configuration}"
    subprocess.run(["cmake", "--build", build, "--target", program], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([build / "tests" / program, network], check=True, stdout=subprocess.PIPE, text=True)
    return f"<!-- {network} on {configuration}; written by tests/cosim/cycle_tables.py --update -->\n{done.stdout}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, required=True, help="configured build folder")
    parser.add_argument("--update", action="store_true", help="write the tables")
    parser.add_argument("names", nargs="*", help="default: every committed table")
    options = parser.parse_args()
    names = options.names or sorted(path.stem for path in TABLES.glob("*.md"))
    different = []
    for name in names:
        text, path = report(options.build, name), TABLES / f"{name}.md"
        if options.update:
            TABLES.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            different.append(name)
            sys.stdout.write(text)
        print(f"{name}: {text.strip().splitlines()[-2]}")
    if different:
        print(f"differs from docs/hw/cycles: {', '.join(different)}; run tests/cosim/cycle_tables.py --update")
    return 1 if different or not names else 0


if __name__ == "__main__":
    sys.exit(main())
