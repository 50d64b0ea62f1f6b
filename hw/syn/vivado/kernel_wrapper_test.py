"""Tests that the wrapper for Vitis fits the ports of msq_kernel in every configuration."""

import pathlib
import re
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

import kernel_wrapper

HW = pathlib.Path(__file__).resolve().parents[2]


class KernelWrapperTest(unittest.TestCase):
    def test_fits_the_ports_of_the_kernel(self):
        kernel = re.search(r"^module msq_kernel.*?^\);", (HW / "rtl/msq_kernel.sv").read_text(), re.M | re.S).group()
        names = [entry["name"] for entry in kernel_wrapper.generate.load()["configurations"]["configurations"]]
        self.assertGreater(len(names), 2)
        for name in names:
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                kernel_wrapper.main(name, folder)
                pathlib.Path(folder, "msq_kernel.sv").write_text(kernel + "\nendmodule\n")
                waived = ["-Wno-SYMRSVDWORD", "-Wno-PINCONNECTEMPTY", "-Wno-UNUSED", "-Wno-UNDRIVEN"]
                command = ["verilator", "--lint-only", "-Wall", *waived, "--top-module", "msq"]
                command += ["msq.sv", "msq_kernel.sv"]
                result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
                self.assertEqual(result.stderr, "")
                self.assertEqual(result.returncode, 0)

    def test_the_description_names_each_port_and_register(self):
        root = xml.etree.ElementTree.fromstring(kernel_wrapper.description(4))
        # backends/fpga/xrt_device.cc looks for this name in an .xclbin.
        self.assertEqual([kernel.get("name") for kernel in root.iter("kernel")], ["msq_kernel"])
        ports = [port.get("name") for port in root.iter("port")]
        self.assertEqual(ports, ["s_axi_control"] + [f"m_axi_gmem{p}" for p in range(4)])
        offsets = {arg.get("name"): int(arg.get("offset"), 16) for arg in root.iter("arg")}
        self.assertEqual(offsets, {"prog_addr": 0x10, "dram_base": 0x18, "dram_size": 0x20, "watchdog": 0x28})


if __name__ == "__main__":
    unittest.main()
