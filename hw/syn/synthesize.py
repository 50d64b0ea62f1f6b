"""Synthesizes the accelerator, or one of its modules, for Xilinx 7 series with Yosys and counts what it takes.

    synthesize.py tiny z020   these configurations of hw/regs/configurations.json (all of them if none is named)
    synthesize.py --module msq_vec --parameter BANKS=5 [--part xc7z020]
      --keep none|units|all   which modules stay apart while logic is optimized: none, what the top instantiates, or all
                   (fast, but too many LUTs); default: units for configurations, none for a module
      --json FILE  writes the numbers
      --update     puts them into hw/syn/resources.json and docs/hw/resources.md (configurations only)
      --check      fails if they differ from hw/syn/resources.json by more than 3 %

What is counted and what a figure is worth: docs/hw/resources.md.
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import lut_packing
import path_delay

ROOT = pathlib.Path(__file__).resolve().parents[2]
RTL = ROOT / "hw/rtl"
CONFIGURATIONS = ROOT / "hw/regs/configurations.json"
COMMITTED = ROOT / "hw/syn/resources.json"
DOCUMENT = ROOT / "docs/hw/resources.md"
KERNEL = "msq_kernel"
BEGIN, END = "<!-- resources: begin, written by hw/syn/synthesize.py --update -->", "<!-- resources: end -->"
PARTS = {
    "xc7z020": {"lut": 53200, "ff": 106400, "dsp": 220, "bram": 140},
    "xc7z045": {"lut": 218600, "ff": 437200, "dsp": 900, "bram": 545},
}
NET_NS = (0.4, 0.7)
TOLERANCE = 0.03
CHECKED = ("lut_raw", "lut", "lut_memory", "ff", "dsp", "bram", "carry4")
COLUMNS = [("LUT raw", "lut_raw"), ("LUT", "lut"), ("of these memory", "lut_memory"), ("FF", "ff"), ("DSP48E1", "dsp"),
           ("BRAM36", "bram"), ("CARRY4", "carry4")]  # fmt: skip


class SynthesisError(Exception):
    """What the user is told."""


def sources(packages):
    """Packages first; simulation models of primitives stay out."""
    rtl = [path for path in RTL.glob("*.sv") if not path.name.startswith("xc7_")]
    rtl.sort(key=lambda path: (not path.name.endswith("_pkg.sv"), path.name))
    return sorted(packages.glob("*.sv")) + rtl


def declared_parameters(module):
    path = RTL / f"{module}.sv"
    if not path.exists():
        raise SynthesisError(f"there is no module {module}: {path.relative_to(ROOT)} does not exist")
    header = re.search(rf"^module {module}\b.*?\);", path.read_text(), re.M | re.S).group()
    return set(re.findall(r"\bparameter\s+(?:\w+\s+)?(?:\[[^\]]*\]\s*)?(\w+)\s*=", header))


def script(files, top, parameters, keep, folder):
    sets = "".join(f" -set {name} {value}" for name, value in parameters.items())
    lines = ["read_verilog -sv -D SYNTHESIS " + " ".join(str(file) for file in files)]
    if sets:
        lines.append(f"chparam{sets} {top}")
    if keep == "units":
        lines += [f"hierarchy -top {top}", f"rename -top {top}", f"setattr -mod -set keep_hierarchy 1 {top}/c:* %M"]
    lines += [
        f"synth_xilinx -family xc7 -top {top} -noiopad -noclkbuf" + ("" if keep == "all" else " -flatten"),
        f"write_json {folder}/tree.json",
        "setattr -mod -unset keep_hierarchy *",
        "flatten; opt_clean",
        f"write_json {folder}/flat.json",
    ]
    return "\n".join(lines)


def run_yosys(top, parameters, keep):
    """The netlists with and without hierarchy, as Yosys writes JSON."""
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        generate = [sys.executable, ROOT / "hw/regs/generate.py", "--out", work]
        subprocess.run(generate, check=True, stdout=subprocess.DEVNULL)
        (work / "run.ys").write_text(script(sources(work / "hw"), top, parameters, keep, work))
        command = ["yosys", "-q", "-l", str(work / "log"), "-s", str(work / "run.ys")]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            errors = [line for line in (result.stdout + result.stderr).splitlines() if "ERROR" in line]
            raise SynthesisError(f"yosys failed on {top}: " + " ".join(errors or ["no message"]))
        return tuple(json.loads((work / name).read_text())["modules"] for name in ("tree.json", "flat.json"))


def count(cells):
    """What the cells of one netlist module take, instances of other modules left out."""
    kinds = collections.Counter(cell["type"] for cell in cells)
    luts = lut_packing.count_luts(cells)
    return {
        "lut_raw": luts["raw"] + luts["memory"],
        "lut": luts["packed"] + luts["memory"],
        "lut_memory": luts["memory"],
        "ff": sum(number for kind, number in kinds.items() if kind in ("FDRE", "FDSE", "FDCE", "FDPE")),
        "dsp": kinds["DSP48E1"],
        "bram": kinds["RAMB36E1"] + kinds["RAMB18E1"] / 2,
        "carry4": kinds["CARRY4"],
    }


def add(a, b):
    return {key: a.get(key, 0) + b.get(key, 0) for key in {**a, **b}}


def find_top(modules):
    return next(name for name, module in modules.items() if "top" in module["attributes"])


def plain_name(name):
    """msq_gemm of $paramod$0123abc\\msq_gemm or $paramod\\msq_gemm\\P=4."""
    parts = name.split("\\")
    return parts[0] if len(parts) == 1 else parts[1]


def count_tree(modules):
    """Of each module that the top instantiates: its instances and what they take with all that is in them."""
    inclusive = {}

    def whole(name):
        if name not in inclusive:
            cells = modules[name]["cells"].values()
            inclusive[name] = count(list(cells))
            for cell in cells:
                if is_module(cell["type"]):
                    inclusive[name] = add(inclusive[name], whole(cell["type"]))
        return inclusive[name]

    def is_module(kind):
        return kind in modules and not int(modules[kind]["attributes"].get("blackbox", "0"), 2)

    top = find_top(modules)
    units = {}
    for cell in modules[top]["cells"].values():
        if is_module(cell["type"]):
            name = plain_name(cell["type"])
            units[name] = add(units.get(name, {}), {"instances": 1, **whole(cell["type"])})
    units["(itself)"] = {"instances": 1, **count(list(modules[top]["cells"].values()))}
    return dict(sorted(units.items(), key=lambda item: -item[1]["lut"]))


def longest_paths(module):
    netlist = path_delay.Netlist(module, path_delay.Library())
    paths = [(net_ns, netlist.worst(net_ns)) for net_ns in NET_NS]
    return [{"net_ns": net_ns, **path._asdict(), "ns": round(path.ns, 2)} for net_ns, path in paths]


def synthesize(top, parameters, part, keep):
    """All that is known of a top module with parameters, as the JSON files hold it."""
    unknown = set(parameters) - declared_parameters(top)
    if unknown:
        raise SynthesisError(f"{top} has no parameter {', '.join(sorted(unknown))}")
    tree, flat = run_yosys(top, parameters, keep)
    module = flat[find_top(flat)]
    cells = list(module["cells"].values())
    strange = sorted({cell["type"] for cell in cells if cell["type"].startswith("$")})
    if strange:
        raise SynthesisError(f"{top}: not mapped: {', '.join(strange)}")
    return {
        "module": top,
        "parameters": parameters,
        "part": part,
        "total": count(cells),
        "units": {} if keep == "none" else count_tree(tree),
        "paths": longest_paths(module),
    }


def named_configurations(names):
    known = {entry["name"]: entry for entry in json.loads(CONFIGURATIONS.read_text())["configurations"]}
    missing = [name for name in names if name not in known]
    if missing:
        raise SynthesisError(f"no configuration {', '.join(missing)}; there are {', '.join(known)}")
    return [known[name] for name in names or known]


def synthesize_configuration(entry, keep):
    parameters = {name: value for name, value in {**entry, "XC7_PRIMS": 1}.items() if name.isupper()}
    return synthesize(KERNEL, parameters, entry["part"], keep)


def figure(value):
    return f"{value:,.1f}" if value % 1 else f"{int(value):,}"


def table(result):
    """The numbers of one synthesis as Markdown."""
    titles = " | ".join(title for title, _ in COLUMNS)
    lines = [f"| | instances | {titles} |", "|---|" + "---:|" * (len(COLUMNS) + 1)]
    rows = [(f"`{name}`" if name != "(itself)" else name, unit) for name, unit in result["units"].items()]
    for name, unit in rows + [("**total**", {"instances": 1, **result["total"]})]:
        lines.append(f"| {name} | {unit['instances']} | " + " | ".join(figure(unit[key]) for _, key in COLUMNS) + " |")
    part = PARTS[result["part"]]
    percent = [f"{100 * result['total'][key] / part[key]:.1f} %" if key in part else "" for _, key in COLUMNS]
    lines.append(f"| of the {result['part'].upper()} | | " + " | ".join(percent) + " |")
    lines.append("")
    for path in result["paths"]:
        lines.append(
            f"- Longest path with nets of {path['net_ns']} ns: {path['ns']} ns, {path['luts']} LUTs and "
            f"{path['carries']} CARRY4, from `{path['start']}` to `{path['end']}`."
        )
    return "\n".join(lines)


def differences(name, old, new):
    """What a synthesis takes more, or less, than was committed."""
    for key in CHECKED:
        before, now = old["total"][key], new["total"][key]
        if abs(now - before) > max(1, TOLERANCE * before):
            yield f"{name}: {key} was {figure(before)}, is {figure(now)}"


def document_with(text, results):
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SynthesisError(f"{DOCUMENT.relative_to(ROOT)} has no markers for the tables")
    parts = []
    for name, result in results.items():
        shape = ", ".join(f"{key} {value}" for key, value in result["parameters"].items() if key != "XC7_PRIMS")
        parts.append(f"\n### {name}\n{shape}.\n\n{table(result)}\n")
    return head + begin + "".join(parts) + end + tail


def update(results):
    committed = json.loads(COMMITTED.read_text()) if COMMITTED.exists() else {}
    committed.update(results)
    order = [entry["name"] for entry in named_configurations([])]
    committed = {name: committed[name] for name in order if name in committed}
    text = document_with(DOCUMENT.read_text(), committed)
    COMMITTED.write_text(json.dumps(committed, indent=1) + "\n")
    DOCUMENT.write_text(text)


def check(results):
    committed = json.loads(COMMITTED.read_text())
    missing = [name for name in results if name not in committed]
    if missing:
        raise SynthesisError(f"{COMMITTED.relative_to(ROOT)} has no {', '.join(missing)}: run --update")
    found = [line for name in results for line in differences(name, committed[name], results[name])]
    if found:
        raise SynthesisError("\n".join(found + ["if this is meant: synthesize.py --update, and commit"]))


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configuration", nargs="*")
    parser.add_argument("--module")
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--part", choices=PARTS, default="xc7z020")
    parser.add_argument("--keep", choices=["none", "units", "all"])
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    if options.module and (options.configuration or options.update or options.check):
        parser.error("--module goes with neither configurations nor --update nor --check")
    if (options.update or options.check) and options.keep:
        parser.error("what is committed was synthesized without --keep")
    return options


def main(arguments):
    options = parse(arguments)
    results = {}
    if options.module:
        parameters = dict(item.split("=", 1) for item in options.parameter)
        results[options.module] = synthesize(options.module, parameters, options.part, options.keep or "none")
        print(table(results[options.module]))
    else:
        for entry in named_configurations(options.configuration):
            results[entry["name"]] = synthesize_configuration(entry, options.keep or "units")
            print(f"\n{entry['name']}\n{table(results[entry['name']])}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    if options.update:
        update(results)
    if options.check:
        check(results)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SynthesisError as error:
        sys.exit(f"synthesize.py: {error}")
