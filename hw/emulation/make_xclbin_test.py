"""The writer of .xclbin files: what is where, what depends on what, what is refused. XRT reads one in xrt_driver_test.cc."""

import pathlib
import struct
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import make_xclbin  # noqa: E402


def write(*arguments):
    return make_xclbin.make(make_xclbin.parse(["--out", "unused", *arguments]))


def sections(content):
    count = struct.unpack_from("<I", content, 448)[0]
    result = {}
    for i in range(count):
        kind, _, at, size = struct.unpack_from("<I16s4xQQ", content, 456 + 40 * i)
        assert at % 8 == 0
        result[kind] = content[at:at + size]
    return result


def uuid_of(content):
    return content[416:432]


class MakeXclbinTest(unittest.TestCase):
    def test_has_the_sections(self):
        content = write("--configuration", "tiny", "--dram-mb", "16", "--clock-mhz", "125")
        self.assertEqual(content[:8], b"xclbin2\0")
        self.assertEqual(struct.unpack_from("<Q", content, 304)[0], len(content))
        found = sections(content)
        self.assertEqual(sorted(found), [2, 6, 7, 8, 11])
        self.assertEqual(struct.unpack_from("<i4xBB6xQQ", found[6]), (1, 0, 1, 16 * 1024, 0x10000000))
        self.assertEqual(struct.unpack_from("<i4xIIQ", found[8]), (1, 1, 0x201, 0x43C00000))
        self.assertEqual(found[7], struct.pack("<iiii", 1, 0, 0, 0))
        self.assertEqual(struct.unpack_from("<hHB", found[11]), (1, 125, 2))
        self.assertIn(b'<project name="tiny">', found[2])

    def test_uuid_follows_content(self):
        tiny = write("--configuration", "tiny")
        self.assertEqual(uuid_of(tiny), uuid_of(write("--configuration", "tiny")))
        self.assertNotEqual(uuid_of(tiny), uuid_of(write("--configuration", "z020")))
        self.assertNotEqual(uuid_of(tiny), uuid_of(write("--configuration", "tiny", "--control", "ap_ctrl_hs")))

    def test_takes_a_bitstream(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "design.bit"
            path.write_bytes(b"bits")
            self.assertEqual(sections(write("--configuration", "tiny", "--bitstream", str(path)))[0], b"bits")

    def test_refuses_what_there_is_not(self):
        with tempfile.TemporaryDirectory() as folder:
            out = str(pathlib.Path(folder) / "x.xclbin")
            self.assertEqual(make_xclbin.main(["--configuration", "huge", "--out", out]), 1)
            missing = ["--configuration", "tiny", "--out", out, "--bitstream", out]
            self.assertEqual(make_xclbin.main(missing), 1)
            self.assertFalse(pathlib.Path(out).exists())


if __name__ == "__main__":
    unittest.main()
