"""Counts the LUTs of a netlist that Yosys has mapped to 7-series cells: as they are, and shared as the silicon allows.

A LUT6 has two outputs, O6 and O5: two functions fit into one if they have at most five different inputs. Yosys does
not pair them, placement does; here greedily, as a bound that Vivado should reach or beat. Not two drivers of a CARRY4's
S in one LUT: S can come from O6 only. An S that no LUT drives takes one as a wire.
"""

import collections

# LUTs that a memory or shift register cell occupies.
MEMORY_LUTS = {
    "RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM32X1S": 1, "RAM64X1S": 1,
    "SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1,
}  # fmt: skip
PAIR_INPUTS = 5
# A net with more loads tells nothing about which LUTs belong together, and searching it would take long.
WIDE_NET = 400


def lut_inputs(cell):
    """Number of inputs of a cell that is one function of up to six; None for other cells."""
    kind = cell["type"]
    if kind == "INV":
        return 1
    return int(kind[3]) if len(kind) == 4 and kind.startswith("LUT") else None


def _nets(bits):
    return [bit for bit in bits if isinstance(bit, int)]


def _outputs(cell):
    if cell["type"] == "LUT6_2":
        return _nets(cell["connections"]["O6"] + cell["connections"].get("O5", []))
    return _nets(cell["connections"]["O"]) if lut_inputs(cell) else []


def _inputs(cell):
    if cell["type"] == "INV":
        return frozenset(_nets(cell["connections"]["I"]))
    return frozenset(net for i in range(lut_inputs(cell)) for net in _nets(cell["connections"][f"I{i}"]))


def route_throughs(cells):
    """LUTs that only bring a net to a CARRY4's S."""
    driven = {net for cell in cells for net in _outputs(cell)}
    through, served = 0, set()
    for cell in cells:
        if cell["type"] == "CARRY4":
            for net in _nets(cell["connections"]["S"]):
                if net in driven and net not in served:
                    served.add(net)
                else:
                    through += 1
    return through


def _best_partner(i, functions, drives_carry, by_net, free):
    best, best_score = None, -1
    seen = {i}
    for net in functions[i]:
        if len(by_net[net]) > WIDE_NET:
            continue
        for j in by_net[net]:
            if j in seen or not free[j]:
                continue
            seen.add(j)
            if drives_carry[i] and drives_carry[j] or len(functions[i] | functions[j]) > PAIR_INPUTS:
                continue
            score = 10 * len(functions[i] & functions[j]) + len(functions[j])
            if score > best_score:
                best, best_score = j, score
    return best


def _pairs_without_shared_inputs(carry_sizes, other_sizes):
    """Pairs among what is left, by number of inputs: a carry driver with another function, then two others."""
    carry, other, pairs = sorted(carry_sizes, reverse=True), [], 0
    for size in sorted(other_sizes, reverse=True):
        partner = next((i for i, c in enumerate(carry) if c + size <= PAIR_INPUTS), None)
        if partner is None:
            other.append(size)
        else:
            carry.pop(partner)
            pairs += 1
    low, high = len(other) - 1, 0  # descending: the smallest is last
    while high < low:
        if other[low] + other[high] <= PAIR_INPUTS:
            pairs, low = pairs + 1, low - 1
        high += 1
    return pairs


def pair_count(cells):
    """How many pairs of functions share a LUT."""
    carry_s = {net for cell in cells if cell["type"] == "CARRY4" for net in _nets(cell["connections"]["S"])}
    small = [cell for cell in cells if lut_inputs(cell) and lut_inputs(cell) <= PAIR_INPUTS]
    functions = [_inputs(cell) for cell in small]
    drives_carry = [any(net in carry_s for net in _outputs(cell)) for cell in small]
    by_net = collections.defaultdict(list)
    for i, function in enumerate(functions):
        for net in sorted(function):
            by_net[net].append(i)
    free = [True] * len(small)
    pairs = 0
    for i in sorted(range(len(small)), key=lambda i: -len(functions[i])):
        if not free[i]:
            continue
        partner = _best_partner(i, functions, drives_carry, by_net, free)
        if partner is not None:
            free[i] = free[partner] = False
            pairs += 1
    left = [i for i in range(len(small)) if free[i]]
    return pairs + _pairs_without_shared_inputs(
        [len(functions[i]) for i in left if drives_carry[i]], [len(functions[i]) for i in left if not drives_carry[i]]
    )


def count_luts(cells):
    """{"raw", "packed", "memory"} of the cells of a netlist module: logic before and after pairing, and memory LUTs."""
    cells = list(cells)
    raw = sum(1 for cell in cells if lut_inputs(cell) or cell["type"] == "LUT6_2") + route_throughs(cells)
    memory = sum(MEMORY_LUTS.get(cell["type"], 0) for cell in cells)
    return {"raw": raw, "packed": raw - pair_count(cells), "memory": memory}
