"""Tests of path_delay on paths short enough to add up by hand."""

import unittest

import path_delay

LIBRARY = path_delay.Library()
FF_OUT, FF_SETUP_D = LIBRARY.outs["FDRE"]["Q"], LIBRARY.setups["FDRE"]["D"]


def flip_flop(d, q):
    pins = {"C": "input", "CE": "input", "R": "input", "D": "input", "Q": "output"}
    return {"type": "FDRE", "parameters": {}, "port_directions": pins,
            "connections": {"C": [2], "CE": ["1"], "R": ["0"], "D": [d], "Q": [q]}}  # fmt: skip


def lut(init, output, *inputs):
    names = [f"I{i}" for i in range(len(inputs))]
    return {"type": f"LUT{len(inputs)}", "parameters": {"INIT": init},
            "port_directions": {**dict.fromkeys(names, "input"), "O": "output"},
            "connections": {**{name: [net] for name, net in zip(names, inputs)}, "O": [output]}}  # fmt: skip


def worst(cells, net_ns=0.5):
    names = {f"n{i}": {"hide_name": 0, "bits": [i]} for i in range(10, 30)}
    return path_delay.Netlist({"netnames": names, "cells": dict(enumerate(cells))}, LIBRARY).worst(net_ns)


class WorstTest(unittest.TestCase):
    def test_the_library_has_delays(self):
        self.assertGreater(FF_OUT, 100)
        self.assertIn(("CI", "CO[3]", 114), LIBRARY.arcs["CARRY4"])

    def test_from_register_to_register(self):
        path = worst([flip_flop(10, 11), flip_flop(11, 12)])
        self.assertAlmostEqual(path.ns, (FF_OUT + 500 + FF_SETUP_D) / 1000)
        self.assertEqual(path.start, "n11")

    def test_through_two_luts(self):
        path = worst([flip_flop(10, 11), lut("0110", 12, 11, 13), lut("0110", 14, 12, 13), flip_flop(14, 15)])
        # Two nets; the second LUT and the register share a slice. The late signal takes the fast pin.
        self.assertAlmostEqual(path.ns, (FF_OUT + 2 * 500 + 2 * path_delay.LUT_PS[0] + FF_SETUP_D) / 1000)
        self.assertEqual((path.luts, path.carries, path.start, path.end), (2, 0, "n11", "n15 D"))

    def test_an_input_that_does_not_matter_is_no_path(self):
        only_first = "1010"  # of inputs 0 and 1
        path = worst([flip_flop(10, 11), flip_flop(16, 17), lut("0110", 12, 11, 17), lut(only_first, 14, 17, 12),
                      flip_flop(14, 15)])  # fmt: skip
        self.assertEqual((path.luts, path.start), (1, "n17"))

    def test_a_net_with_many_loads_is_slow(self):
        few = worst([flip_flop(10, 11), flip_flop(11, 12)])
        many = worst([flip_flop(10, 11)] + [flip_flop(11, 30 + i) for i in range(200)])
        self.assertAlmostEqual(many.ns - few.ns, 0.5 * 1.4)


if __name__ == "__main__":
    unittest.main()
