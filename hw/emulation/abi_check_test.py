"""The comparison of function tables: it must fail where they differ."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import abi_check  # noqa: E402

OURS = {0: {"msq::D::open(int)"}, 1: {"xrt_core::ishim::read(void*) const"}, 2: {"msq::D::~D()"}}
THEIRS = {0: {"xrt_core::noop::device::open(int)"}, 1: {"xrt_core::noop::shim<xrt_core::device>::read(void*) const"},
          2: {"xrt_core::noop::device::~device()"}}


class AbiCheckTest(unittest.TestCase):
    def test_scopes_do_not_matter(self):
        self.assertEqual(abi_check.differences(OURS, THEIRS), [])

    def test_swapped_slots_differ(self):
        swapped = {**OURS, 0: OURS[1], 1: OURS[0]}
        self.assertEqual(len(abi_check.differences(swapped, THEIRS)), 2)

    def test_folded_functions_are_each_of_them(self):
        self.assertEqual(abi_check.differences({**OURS, 0: {"msq::D::close(int)", "msq::D::open(int)"}}, THEIRS), [])

    def test_a_missing_slot_differs(self):
        self.assertEqual(abi_check.differences({0: OURS[0], 1: OURS[1]}, THEIRS), ["slot 2: ours is nothing, XRT's is ~()"])

    def test_types_matter(self):
        changed = {**OURS, 0: {"msq::D::open(unsigned int)"}}
        self.assertEqual(abi_check.differences(changed, THEIRS), ["slot 0: ours is open(unsigned int), XRT's is open(int)"])

    def test_enumerations_are_passed_as_integers(self):
        self.assertEqual(abi_check.without_scope("a::f(xrt::graph::access_mode)"), "f(int)")


if __name__ == "__main__":
    unittest.main()
