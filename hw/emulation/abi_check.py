"""Compares the virtual function tables of our XRT driver with those of a driver that came with XRT.

    abi_check.py OUR_DRIVER.so libxrt_noop.so.2    exit code 1, and a line for each slot, where they differ

A table that is off by one slot would call the wrong function at run time, so the build fails instead. Tables are read from
relocations with readelf: 64-bit ELF, the Itanium C++ ABI, single inheritance.
"""

import re
import subprocess
import sys

# Ours, theirs.
CLASSES = [("msq::emulation::DriverDevice", "xrt_core::noop::device"), ("msq::emulation::DriverSystem", "xrt_core::noop::system")]
# Described by the type that stands for them in a call.
SAME_IN_A_CALL = {"xrt::graph::access_mode": "int"}
POINTER_BYTES = 8
BEFORE_SLOTS = 2  # offset to top, type information


def output_of(*command, text=None):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, input=text, text=True).stdout


def demangle(names):
    return output_of("c++filt", text="\n".join(names)).split("\n") if names else []


class Library:
    """The symbols and relocations of a shared library."""

    def __init__(self, path):
        self.path = path
        self.functions = {}  # address -> mangled names: the compiler folds functions that do the same
        self.objects = {}  # mangled name -> (address, size)
        for line in output_of("readelf", "-sW", path).splitlines():
            fields = line.split()
            if len(fields) < 8 or not re.fullmatch(r"[0-9a-f]{16}", fields[1]) or fields[6] == "UND":
                continue
            name = fields[7].split("@")[0]
            if fields[3] == "FUNC":
                self.functions.setdefault(int(fields[1], 16), set()).add(name)
            elif fields[3] == "OBJECT":
                self.objects[name] = (int(fields[1], 16), int(fields[2], 0))
        self.relocations = []  # (address, mangled names of what it points to)
        for line in output_of("readelf", "-rW", path).splitlines():
            fields = line.split()
            if len(fields) < 4 or not re.fullmatch(r"[0-9a-f]{16}", fields[0]):
                continue
            if "RELATIVE" in fields[2]:
                names = self.functions.get(int(fields[3], 16), set())
            else:
                names = {fields[4].split("@")[0]} if len(fields) > 4 else set()
            self.relocations.append((int(fields[0], 16), names))

    def slots(self, class_name):
        """What each slot of the class's table points to, demangled: {slot: {"ns::Class::f(int) const", ...}}."""
        tables = [name for name in self.objects if name.startswith("_ZTV")]
        table = dict(zip(demangle(tables), tables)).get(f"vtable for {class_name}")
        if table is None:
            raise ValueError(f"{self.path}: no class {class_name}")
        begin, size = self.objects[table]
        begin += BEFORE_SLOTS * POINTER_BYTES
        size -= BEFORE_SLOTS * POINTER_BYTES
        return {(at - begin) // POINTER_BYTES: set(demangle(sorted(names)))
                for at, names in self.relocations if begin <= at < begin + size}


def without_scope(signature):
    """"ns::Class<x>::f(int) const" -> "f(int) const"; destructors of all classes alike."""
    head, parenthesis, tail = signature.partition("(")
    depth, start = 0, 0
    for i, character in enumerate(head):
        depth += {"<": 1, ">": -1}.get(character, 0)
        if character == ":" and depth == 0:
            start = i + 1
    name = head[start:]
    result = ("~" if name.startswith("~") else name) + parenthesis + tail
    for theirs, ours in SAME_IN_A_CALL.items():
        result = result.replace(theirs, ours)
    return result


def differences(ours, theirs):
    """Lines that say which slots differ between two tables of signatures."""
    found = []
    for slot in sorted(set(ours) | set(theirs)):
        mine, reference = ({without_scope(name) for name in table.get(slot, {"nothing"})} for table in (ours, theirs))
        if not mine & reference:
            found.append(f"slot {slot}: ours is {' or '.join(sorted(mine))}, XRT's is {' or '.join(sorted(reference))}")
    return found


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        ours, theirs = (Library(path) for path in arguments)
        tables = [(mine, ours.slots(mine), reference, theirs.slots(reference)) for mine, reference in CLASSES]
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        print(f"abi_check: {error}", file=sys.stderr)
        return 1
    bad = 0
    for mine, our_slots, reference, their_slots in tables:
        for line in differences(our_slots, their_slots) or ([] if their_slots else ["no slot was found"]):
            print(f"abi_check: {mine}, {line}", file=sys.stderr)
            bad += 1
        print(f"{mine}: {len(our_slots)} slots compared with {reference} of {arguments[1]}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
