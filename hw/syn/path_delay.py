"""Estimates the longest register-to-register path of a netlist that Yosys has mapped to 7-series cells.

Delays of cells come from the library of Yosys itself (measured by Project X-Ray on an Artix-7); the delay of a net is
an assumption, given as a figure for up to 8 loads and stretched with fan-out. There is no placement here, so neither
distances nor congestion nor clock skew: the result says where pipelining is thin and compares versions; it is no Fmax.
"""

import collections
import functools
import pathlib
import re
import shutil

LUT_PS = [127, 238, 407, 472, 631, 642]  # from the fastest pin on; the latest signal takes the fastest pin
FAN_OUT_FACTORS = [(8, 1.0), (32, 1.35), (128, 1.8), (None, 2.4)]
BRAM_PS = {0: 2454, 1: 882}  # clock to output, without and with the output register
DSP_OUT_PS, DSP_SETUP_PS = 434, 600  # with registers at both ends
DSP_CASCADES = ("PCIN", "ACIN", "BCIN", "CARRYCASCIN", "MULTSIGNIN")
CLOCK_PINS = {"C", "CLK", "WCLK", "CLKARDCLK", "CLKBWRCLK"}

Path = collections.namedtuple("Path", "ns luts carries start end")


@functools.lru_cache(maxsize=None)
def depends(table, inputs, i):
    """Whether a function, given as a LUT's INIT, depends on input i: an output of a LUT6_2 does not see all."""
    step = 1 << i
    return any((table >> row ^ table >> (row | step)) & 1 for row in range(1 << inputs) if not row & step)


class Library:
    """Delays of the cells that are not LUTs, read from cells_sim.v."""

    def __init__(self):
        share = pathlib.Path(shutil.which("yosys")).resolve().parent.parent / "share/yosys/xilinx/cells_sim.v"
        self.arcs, self.setups, self.outs = {}, {}, {}
        for name, body in re.findall(r"^module (\w+)\b(.*?)^endmodule", share.read_text(), re.M | re.S):
            arcs = re.findall(r"^\s*\((\w+(?:\[\d+\])?)\s*=>\s*(\w+(?:\[\d+\])?)\)\s*=\s*(\d+)", body, re.M)
            self.arcs[name] = [(a, b, int(ps)) for a, b, ps in arcs]
            self.setups[name] = {}
            for pin, ps in re.findall(r"\$setup\((\w+(?:\[\d+\])?)\s*,[^;]*?(\d+)\);", body):
                self.setups[name][pin] = max(int(ps), self.setups[name].get(pin, 0))
            outs = re.findall(r"edge \w+ => \((\w+(?:\[\d+\])?) :[^)]*\)\) = (\d+)", body)
            self.outs[name] = {pin: int(ps) for pin, ps in outs}

    @staticmethod
    def bits(cell, pin):
        """The nets at a pin, which is a port or a bit of one."""
        name, _, index = pin.partition("[")
        nets = cell["connections"].get(name, [])
        if index:
            position = int(index[:-1])
            nets = nets[position : position + 1]
        return [net for net in nets if isinstance(net, int)]


class Netlist:
    """Arcs, starts and ends of the paths of one flat module."""

    def __init__(self, module, library):
        self.sources = {}  # net -> [(net before, ps or None for a LUT, kind of the input)]
        self.kinds = {}  # net -> kind of the cell that drives it
        self.starts = {}  # net -> ps
        self.ends = []  # (net, ps, kind, name)
        self.loads = collections.Counter()
        self.names = {}
        for name, net in sorted(module["netnames"].items(), key=lambda item: (item[1]["hide_name"], len(item[0]))):
            for i, bit in enumerate(net["bits"]):
                self.names.setdefault(bit, f"{name}[{i}]" if len(net["bits"]) > 1 else name)
        for cell in module["cells"].values():
            directions = cell["port_directions"]
            for pin, nets in cell["connections"].items():
                if directions.get(pin) == "input":
                    self.loads.update(net for net in nets if isinstance(net, int))
            self._add(cell, library)

    def _add(self, cell, library):
        kind = cell["type"]
        if kind.startswith("LUT") or kind == "INV":
            self._add_lut(cell)
        elif kind.startswith("RAMB"):
            self._add_memory(cell, library)
        elif kind == "DSP48E1":
            self._add_dsp(cell)
        else:
            self._add_other(cell, library)

    def _add_lut(self, cell):
        pins = cell["connections"]
        inputs = [net for pin, nets in sorted(pins.items()) if pin.startswith("I") for net in nets]
        table = int(cell["parameters"]["INIT"], 2) if "INIT" in cell["parameters"] else 1  # an inverter has none
        for pin in ("O", "O6", "O5"):
            for net in pins.get(pin, []):
                used = inputs[:5] if pin == "O5" else inputs
                self.kinds[net] = "lut"
                self.sources[net] = [
                    (before, None, "lut")
                    for i, before in enumerate(used)
                    if isinstance(before, int) and depends(table, len(used), i)
                ]

    def _end(self, cell, library, pin, ps, kind, name):
        self.ends += [(net, ps, kind, name) for net in library.bits(cell, pin)]

    def _add_memory(self, cell, library):
        parameters = cell["parameters"]
        for side, pins in (("A", ("DOADO", "DOPADOP")), ("B", ("DOBDO", "DOPBDOP"))):
            ps = BRAM_PS[int(str(parameters.get(f"DO{side}_REG", "0")), 2)]
            self.starts.update({net: ps for pin in pins for net in cell["connections"].get(pin, [])})
        for pin, ps in library.setups[cell["type"]].items():
            self._end(cell, library, pin, ps, "memory", "block RAM " + pin)

    def _add_dsp(self, cell):
        for pin, nets in cell["connections"].items():
            if cell["port_directions"].get(pin) == "output":
                self.starts.update({net: DSP_OUT_PS for net in nets if isinstance(net, int)})
            elif pin not in CLOCK_PINS and pin not in DSP_CASCADES:
                self.ends += [(net, DSP_SETUP_PS, "dsp", "DSP " + pin) for net in nets if isinstance(net, int)]

    def _add_other(self, cell, library):
        kind = cell["type"]
        group = {"CARRY4": "carry", "MUXF7": "mux", "MUXF8": "mux"}.get(kind, "other")
        for before, after, ps in library.arcs.get(kind, []):
            into = "mux" if group == "mux" and before != "S" else "lut"
            if group == "carry":
                into = {"S": "carry_s", "CI": "carry_in"}.get(before.partition("[")[0], "carry_di")
            for net in library.bits(cell, after):
                self.kinds[net] = group
                self.sources.setdefault(net, []).extend((b, ps, into) for b in library.bits(cell, before))
        for pin, ps in library.outs.get(kind, {}).items():
            for net in library.bits(cell, pin):
                self.starts[net] = max(ps, self.starts.get(net, 0))
        output = next((net for pin in ("Q", "O", "DOA") for net in library.bits(cell, pin)), None)
        for pin, ps in library.setups.get(kind, {}).items():
            name = f"{self.names.get(output, kind)} {pin}"
            self._end(cell, library, pin, ps, "data" if pin == "D" else "control", name)

    def net_ps(self, net, into, net_ns):
        """The way from a net's driver to one of its loads: none where both are in one slice."""
        driver = self.kinds.get(net)
        if driver == "carry" and into in ("carry_in", "data"):
            return 0
        if driver == "lut" and (into in ("carry_s", "mux") or into == "data" and self.loads[net] == 1):
            return 0
        if driver == "mux" and into == "mux":
            return 0
        return 1000 * net_ns * next(f for limit, f in FAN_OUT_FACTORS if limit is None or self.loads[net] <= limit)

    def arrivals(self, net_ns):
        """net -> (ps, the net before on the longest path). Inputs of the module arrive at 0."""
        done = {net: (ps, None) for net, ps in self.starts.items()}
        open_nets = set()
        for root in self.sources:
            stack = [root]
            while stack:
                net = stack[-1]
                if net in done or net not in self.sources:
                    done.setdefault(net, (0, None))
                    stack.pop()
                    continue
                missing = [before for before, _, _ in self.sources[net] if before not in done]
                if missing and net not in open_nets:
                    open_nets.add(net)
                    stack += missing
                    continue
                done[net] = self._arrival(net, done, net_ns)  # a combinational loop is cut here
                stack.pop()
        return done

    def _arrival(self, net, done, net_ns):
        inputs = [(done.get(b, (0,))[0] + self.net_ps(b, into, net_ns), ps, b) for b, ps, into in self.sources[net]]
        inputs.sort(key=lambda item: item[0], reverse=True)
        times = [(at + (LUT_PS[min(i, 5)] if ps is None else ps), b) for i, (at, ps, b) in enumerate(inputs)]
        return max(times, key=lambda item: item[0], default=(0, None))

    def worst(self, net_ns):
        """The longest path that ends at a register, memory or DSP block."""
        arrival = self.arrivals(net_ns)
        ps, net, end = 0, None, ""
        for at, setup, into, name in self.ends:
            total = arrival.get(at, (0, None))[0] + self.net_ps(at, into, net_ns) + setup
            if total > ps:
                ps, net, end = total, at, name
        nets = []
        while net is not None:
            nets.append(net)
            net = arrival.get(net, (0, None))[1]
        kinds = [self.kinds.get(n) for n in nets]
        start = self.names.get(nets[-1], "?") if nets else ""
        return Path(ps / 1000, kinds.count("lut") + kinds.count("mux"), kinds.count("carry"), start, end)
