"""Descriptions that contradict themselves are refused, and the hash of a build follows what matters."""

import copy
import unittest

import generate


class GenerateTest(unittest.TestCase):
    def setUp(self):
        self.spec = generate.load()

    def refuse(self, check, part, change, message):
        spec = copy.deepcopy(self.spec[part])
        check(spec)
        change(spec)
        with self.assertRaisesRegex(generate.SpecError, message):
            check(spec)

    def refuse_instructions(self, change, message):
        self.refuse(generate.check_instructions, "instructions", change, message)

    def refuse_registers(self, change, message):
        self.refuse(generate.check_registers, "registers", change, message)

    def test_instructions_that_contradict_themselves(self):
        def load_field(isa, index):
            return isa["instructions"][2]["fields"][index]

        self.refuse_instructions(lambda isa: load_field(isa, 1).update(bit=208), "overlaps")
        self.refuse_instructions(lambda isa: load_field(isa, 6).update(bit=310), "crosses a word")
        self.refuse_instructions(lambda isa: load_field(isa, 6).update(bit=1010), "outside")
        self.refuse_instructions(lambda isa: load_field(isa, 6).update(width=23), "an address has 24 bits")
        self.refuse_instructions(lambda isa: load_field(isa, 6).update(kind="float"), "kind float")
        self.refuse_instructions(lambda isa: load_field(isa, 6).update(name="act"), "twice")
        self.refuse_instructions(lambda isa: isa["instructions"][2].update(opcode=2), "opcode")

    def test_registers_that_contradict_themselves(self):
        self.refuse_registers(lambda regs: regs["registers"][1].update(address="0x000"), "address occurs twice")
        self.refuse_registers(lambda regs: regs["registers"][1].update(address="0x006"), "address")
        self.refuse_registers(lambda regs: regs["registers"][1].update(address="0x080"), "address occurs twice")
        self.refuse_registers(lambda regs: regs["registers"][0]["fields"][1].update(bit=0), "overlaps")

    def test_the_build_id_follows_bits_and_not_words(self):
        tiny = self.spec["configurations"]["configurations"][0]
        before = generate.build_id(self.spec, tiny)
        self.assertEqual(generate.build_id(self.spec, tiny | {"doc": "Other words."}), before)
        self.assertNotEqual(generate.build_id(self.spec, tiny | {"DEPTH": 1}), before)
        self.spec["instructions"]["instructions"][2]["fields"][0]["width"] = 47
        self.assertNotEqual(generate.build_id(self.spec, tiny), before)


if __name__ == "__main__":
    unittest.main()
