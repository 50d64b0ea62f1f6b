"""Writes the module and the description with which Vitis takes the kernel: msq.sv and kernel.xml.

    kernel_wrapper.py CONFIGURATION FOLDER

The module has the names and the complete AXI4 buses that Vitis expects and wires them to msq_kernel. That it fits the
kernel is tested; whether Vitis takes it was not tried: none was at hand.
"""

import json
import pathlib
import sys

REGS = pathlib.Path(__file__).resolve().parents[2] / "regs"
sys.path.insert(0, str(REGS))
import generate  # noqa: E402  (the hash of a configuration is computed in one place)

ADDRESS_BITS, DATA_BITS = 64, 64  # of the buses; the kernel drives 48 bits of address
# Direction seen from the kernel, name, width; a port's signal p is bits [p * width +: width] of msq_kernel's.
READ = [("output", "arvalid", 1), ("input", "arready", 1), ("output", "araddr", ADDRESS_BITS), ("output", "arlen", 8),
        ("output", "arsize", 3), ("output", "arburst", 2), ("input", "rvalid", 1), ("output", "rready", 1),
        ("input", "rdata", DATA_BITS), ("input", "rresp", 2), ("input", "rlast", 1)]  # fmt: skip
WRITE = [("output", "awvalid", 1), ("input", "awready", 1), ("output", "awaddr", ADDRESS_BITS), ("output", "awlen", 8),
         ("output", "awsize", 3), ("output", "awburst", 2), ("output", "wvalid", 1), ("input", "wready", 1),
         ("output", "wdata", DATA_BITS), ("output", "wstrb", DATA_BITS // 8), ("output", "wlast", 1),
         ("input", "bvalid", 1), ("output", "bready", 1), ("input", "bresp", 2)]  # fmt: skip
CONTROL = [("input", "awvalid", 1), ("output", "awready", 1), ("input", "awaddr", 12), ("input", "wvalid", 1),
           ("output", "wready", 1), ("input", "wdata", 32), ("input", "wstrb", 4), ("output", "bvalid", 1),
           ("input", "bready", 1), ("output", "bresp", 2), ("input", "arvalid", 1), ("output", "arready", 1),
           ("input", "araddr", 12), ("output", "rvalid", 1), ("input", "rready", 1), ("output", "rdata", 32),
           ("output", "rresp", 2)]  # fmt: skip
# What a program is started with; the registers are those of registers.json.
ARGUMENTS = [("prog_addr", "pointer"), ("dram_base", "pointer"), ("dram_size", "scalar64"), ("watchdog", "scalar32")]


def port(direction, bus, name, width):
    return f"  {direction:<6} logic {f'[{width - 1}:0]' if width > 1 else '':<7} {bus}_{name}"


def flat(direction):
    return "_i" if direction == "input" else "_o"


def wrapper(configuration, build_id):
    """The module's text."""
    ports = configuration["PORTS"]
    names = [f"m_axi_gmem{p}" for p in range(ports)]
    lines = ["  input  logic         ap_clk", "  input  logic         ap_rst_n", "  output logic         interrupt"]
    lines += [port(d, "s_axi_control", name, width) for d, name, width in CONTROL]
    lines += [port(d, bus, name, width) for bus in names for d, name, width in READ]
    lines += [port(d, names[0], name, width) for d, name, width in WRITE]
    wires, pins, assigns = [], [], []
    for d, name, width in READ:
        kernel = 48 if width == ADDRESS_BITS and name == "araddr" else width
        wires.append(f"  logic [{ports * kernel - 1}:0] {name};")
        pins.append(f".m_axi_{name}{flat(d)}({name})")
        for p, bus in enumerate(names):
            piece = f"{name}[{p * kernel}+:{kernel}]"
            if d == "input":
                assigns.append(f"  assign {piece} = {bus}_{name};")
            else:
                assigns.append(f"  assign {bus}_{name} = {width}'({piece});")
    wires.append("  logic [47:0] awaddr;")
    assigns.append(f"  assign {names[0]}_awaddr = {ADDRESS_BITS}'(awaddr);")
    pins += [f".m_axi_{n}{flat(d)}({'awaddr' if n == 'awaddr' else f'{names[0]}_{n}'})" for d, n, _ in WRITE]
    pins += [f".s_axi_{name}{flat(d)}(s_axi_control_{name})" for d, name, _ in CONTROL]
    pins += [".clk_i(ap_clk)", ".rst_ni(ap_rst_n)", ".interrupt_o(interrupt)", ".trace_done_o()"]
    parameters = [f".{name}({value})" for name, value in configuration.items() if name.isupper()]
    parameters += [".XC7_PRIMS(1)", f".BUILD_ID(32'h{build_id:08x})"]
    return "\n".join([
        f"// The kernel as Vitis takes it, configuration {configuration['name']}. Written by kernel_wrapper.py.",
        "module msq (", ",\n".join(lines), ");", *wires, "",
        "  msq_kernel #(", "    " + ", ".join(parameters), "  ) u_kernel (",
        "    " + ",\n    ".join(pins), "  );", "", *assigns, "endmodule", ""])  # fmt: skip


def register_offset(name):
    registers = {r["name"]: r["address"] for r in json.loads((REGS / "registers.json").read_text())["registers"]}
    return registers.get(name) or registers[name + "_lo"]


def description(ports):
    """kernel.xml: ports and arguments. All pointers go through port 0's bus; the others reach the same memory."""
    text = ['<?xml version="1.0" encoding="UTF-8"?>', '<root versionMajor="1" versionMinor="6">',
            '  <kernel name="msq_kernel" language="ip_c" vlnv="msq:kernel:msq:1.0" attributes="" workGroupSize="1" '
            'preferredWorkGroupSizeMultiple="0" interrupt="true" hwControlProtocol="ap_ctrl_hs">', "    <ports>",
            '      <port name="s_axi_control" mode="slave" range="0x1000" dataWidth="32" portType="addressable" '
            'base="0x0"/>']  # fmt: skip
    text += [f'      <port name="m_axi_gmem{p}" mode="master" range="0xFFFFFFFFFFFFFFFF" dataWidth="64" '
             'portType="addressable" base="0x0"/>' for p in range(ports)]  # fmt: skip
    text += ["    </ports>", "    <args>"]
    for index, (name, kind) in enumerate(ARGUMENTS):
        pointer, size = kind == "pointer", "0x4" if kind == "scalar32" else "0x8"
        bus, ctype = ("m_axi_gmem0", "void*") if pointer else ("s_axi_control", "uint" if size == "0x4" else "ulong")
        text.append(f'      <arg name="{name}" addressQualifier="{int(pointer)}" id="{index}" port="{bus}" '
                    f'size="{size}" offset="{register_offset(name)}" hostOffset="0x0" hostSize="{size}" '
                    f'type="{ctype}"/>')  # fmt: skip
    return "\n".join(text + ["    </args>", "  </kernel>", "</root>", ""])


def main(name, folder):
    spec = generate.load()
    configuration = next(entry for entry in spec["configurations"]["configurations"] if entry["name"] == name)
    folder = pathlib.Path(folder)
    (folder / "msq.sv").write_text(wrapper(configuration, generate.build_id(spec, configuration)))
    (folder / "kernel.xml").write_text(description(configuration["PORTS"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
