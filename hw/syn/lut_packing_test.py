"""Tests of lut_packing on netlists small enough to count by hand."""

import unittest

import lut_packing


def lut(output, *inputs):
    connections = {f"I{i}": [net] for i, net in enumerate(inputs)}
    return {"type": f"LUT{len(inputs)}", "connections": {**connections, "O": [output]}}


def carry(*s):
    return {"type": "CARRY4", "connections": {"S": list(s)}}


class CountTest(unittest.TestCase):
    def check(self, cells, raw, packed, memory=0):
        self.assertEqual(lut_packing.count_luts(cells), {"raw": raw, "packed": packed, "memory": memory})

    def test_two_functions_of_the_same_five_inputs_share_one(self):
        self.check([lut(100, 1, 2, 3, 4, 5), lut(101, 1, 2, 3, 4, 5)], 2, 1)

    def test_six_different_inputs_are_too_many(self):
        self.check([lut(100, 1, 2, 3, 4, 5), lut(101, 2, 3, 4, 5, 6)], 2, 2)

    def test_a_function_of_six_inputs_is_alone(self):
        self.check([lut(100, 1, 2, 3, 4, 5, 6), lut(101, 1, 2)], 2, 2)

    def test_functions_without_shared_inputs_pair_too(self):
        self.check([lut(100, 1, 2), lut(101, 3, 4, 5), lut(102, 6, 7, 8)], 3, 2)

    def test_each_function_is_in_one_pair(self):
        self.check([lut(100 + i, 1, 2, 3) for i in range(5)], 5, 3)

    def test_constant_inputs_do_not_count(self):
        self.check([lut(100, 1, 2, 3, 4, "1"), lut(101, 1, 2, 3, 9, "0")], 2, 1)

    def test_two_drivers_of_carry_inputs_do_not_pair(self):
        self.check([lut(100, 1, 2), lut(101, 1, 2), carry(100, 101, "0", "0")], 2, 2)
        self.check([lut(100, 1, 2), lut(101, 1, 2), carry(100, "0", "0", "0")], 2, 1)

    def test_a_carry_input_from_elsewhere_takes_a_lut(self):
        self.check([carry(7, 8, "0", "1")], 2, 2)

    def test_a_net_at_two_carry_inputs_takes_a_second_lut(self):
        self.check([lut(100, 1, 2), carry(100, 100, "0", "0")], 2, 2)

    def test_lut6_2_and_inverters_are_luts(self):
        cell = {"type": "LUT6_2", "connections": {**{f"I{i}": [i] for i in range(6)}, "O6": [50], "O5": [51]}}
        inverter = {"type": "INV", "connections": {"I": [1], "O": [52]}}
        self.check([cell, inverter, carry(50, "0", "0", "0")], 2, 2)

    def test_memories(self):
        cells = [{"type": kind, "connections": {}} for kind in ("RAM32M", "SRL16E", "FDRE", "RAM64X1D")]
        self.check(cells, 0, 0, 7)


if __name__ == "__main__":
    unittest.main()
