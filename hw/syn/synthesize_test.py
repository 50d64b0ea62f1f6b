"""Tests of synthesize: one small module through Yosys, and what becomes of the numbers."""

import copy
import unittest

import synthesize

RESULT = {
    "module": "msq_kernel", "parameters": {"P": 2}, "part": "xc7z020",
    "total": {"lut_raw": 1200, "lut": 1064, "lut_memory": 64, "ff": 2128, "dsp": 22, "bram": 17.5, "carry4": 40},
    "units": {}, "paths": [{"net_ns": 0.4, "ns": 5.0, "luts": 4, "carries": 2, "start": "a", "end": "b D"}],
}  # fmt: skip


class SynthesizeTest(unittest.TestCase):
    def test_a_module_through_yosys(self):
        result = synthesize.synthesize("msq_addr_add", {"BANKS": "11"}, "xc7z020", "none")
        self.assertGreater(result["total"]["lut"], 20)
        self.assertLess(result["total"]["lut"], 60)
        self.assertGreaterEqual(result["total"]["lut_raw"], result["total"]["lut"])
        self.assertEqual(result["total"]["ff"], 0)

    def test_parameters_reach_the_module(self):
        with self.assertRaisesRegex(synthesize.SynthesisError, "no parameter LANES"):
            synthesize.synthesize("msq_addr_add", {"LANES": "11"}, "xc7z020", "none")

    def test_a_module_that_is_not_there(self):
        with self.assertRaisesRegex(synthesize.SynthesisError, "no module msq_nothing"):
            synthesize.synthesize("msq_nothing", {}, "xc7z020", "none")

    def test_a_configuration_that_is_not_there(self):
        with self.assertRaisesRegex(synthesize.SynthesisError, "no configuration huge; there are tiny"):
            synthesize.named_configurations(["huge"])

    def test_the_table_relates_to_the_part(self):
        text = synthesize.table(RESULT)
        self.assertIn("| **total** | 1 | 1,200 | 1,064 | 64 | 2,128 | 22 | 17.5 | 40 |", text)
        self.assertIn("| of the XC7Z020 | |  | 2.0 % |  | 2.0 % | 10.0 % | 12.5 % |  |", text)

    def test_three_percent_are_tolerated(self):
        for change, found in ((31, 0), (33, 1), (-33, 1)):
            other = copy.deepcopy(RESULT)
            other["total"]["lut"] += change
            self.assertEqual(len(list(synthesize.differences("tiny", RESULT, other))), found, change)

    def test_the_document_keeps_what_is_around_the_tables(self):
        text = f"before\n{synthesize.BEGIN}\nold\n{synthesize.END}\nafter\n"
        new = synthesize.document_with(text, {"tiny": RESULT})
        self.assertTrue(new.startswith("before\n") and new.endswith("after\n"))
        self.assertIn("### tiny\nP 2.", new)
        self.assertNotIn("old", new)
        self.assertEqual(synthesize.document_with(new, {"tiny": RESULT}), new)

    def test_a_document_without_markers(self):
        with self.assertRaisesRegex(synthesize.SynthesisError, "no markers"):
            synthesize.document_with("nothing", {})


if __name__ == "__main__":
    unittest.main()
