"""Writes the .xclbin of a configuration: what XRT wants to know about a design, in AMD's container format, without Vitis.

    make_xclbin.py --configuration tiny --out tiny.xclbin
        [--control user_managed|ap_ctrl_hs]   who starts programs: the host through xrt::ip, or XRT's scheduler
        [--clock-mhz 100] [--dram-base 0x10000000] [--dram-mb 256]
        [--bitstream design.bit]              for a board; the emulation needs none

Sections are the structures of /usr/include/xrt/xclbin.h, all little-endian. The UUID is a hash of the content.
"""

import argparse
import hashlib
import json
import pathlib
import struct
import sys
import uuid
import xml.etree.ElementTree as ElementTree

CONFIGURATIONS = pathlib.Path(__file__).resolve().parent.parent / "regs" / "configurations.json"

# enum axlf_section_kind
BITSTREAM, EMBEDDED_METADATA, MEM_TOPOLOGY, CONNECTIVITY, IP_LAYOUT, CLOCK_FREQ_TOPOLOGY = 0, 2, 6, 7, 8, 11
IP_KERNEL = 1
MEM_DDR3 = 0
CLOCK_TYPE_KERNEL = 2
IP_CONTROL = {"ap_ctrl_hs": 0, "user_managed": 2}
MODE_FLAT = 0

HEAD_BYTES, HEADER_BYTES, SECTION_BYTES = 304, 152, 40
ALIGNMENT = 8

KERNEL, INSTANCE = "msq_kernel", "msq_kernel_1"
IP_BASE, IP_RANGE = 0x43C00000, 0x1000
# Name, type, register offset and bytes: docs/hw/registers.md. The first one is a buffer.
ARGUMENTS = [("program", "void*", 0x10, 8), ("window_base", "ulong", 0x18, 8), ("window_bytes", "ulong", 0x20, 8),
             ("watchdog", "uint", 0x28, 4)]


def text(value, size):
    """A C string in an array of `size` characters."""
    encoded = value.encode()
    if len(encoded) >= size:
        raise ValueError(f"{value!r} does not fit into {size} bytes")
    return encoded.ljust(size, b"\0")


def mem_topology(options):
    bank = struct.pack("<BB6xQQ", MEM_DDR3, 1, options.dram_mb * 1024, options.dram_base) + text("DDR", 16)
    return struct.pack("<i4x", 1) + bank


def ip_layout(options):
    interrupt_enabled, interrupt_id = 1, 0
    properties = interrupt_enabled | interrupt_id << 1 | IP_CONTROL[options.control] << 8
    kernel = struct.pack("<IIQ", IP_KERNEL, properties, IP_BASE) + text(f"{KERNEL}:{INSTANCE}", 64)
    return struct.pack("<i4x", 1) + kernel


def connectivity():
    argument, ip, bank = 0, 0, 0
    return struct.pack("<iiii", 1, argument, ip, bank)


def clock_topology(options):
    return struct.pack("<hHB5x", 1, options.clock_mhz, CLOCK_TYPE_KERNEL) + text("KERNEL_CLK", 128)


def metadata(options, configuration):
    """The XML that names the kernel and its arguments. The project's name is the configuration's: the emulation reads it."""
    name = configuration["name"]
    project = ElementTree.Element("project", name=name)
    platform = ElementTree.SubElement(project, "platform", vendor="msq", boardid="zynq7000", name=name, featureRomTime="0")
    device = ElementTree.SubElement(platform, "device", name="fpga0", fpgaDevice=configuration["part"])
    core = ElementTree.SubElement(device, "core", name=name, target="hw", type="clc_region",
                                  clockFreq=f"{options.clock_mhz}MHz", numComputeUnits="1")
    clocks = ElementTree.SubElement(core, "kernelClocks")
    ElementTree.SubElement(clocks, "clock", port="KERNEL_CLK", frequency=f"{options.clock_mhz}.0MHz")
    kernel = ElementTree.SubElement(core, "kernel", name=KERNEL, language="c", type="pl", attributes="",
                                    preferredWorkGroupSizeMultiple="0", workGroupSize="1", interrupt="true")
    ElementTree.SubElement(kernel, "port", name="S_AXI_CONTROL", mode="slave", range=hex(IP_RANGE), dataWidth="32",
                           portType="addressable", base="0x0")
    ElementTree.SubElement(kernel, "port", name="M_AXI_DRAM", mode="master", range="0xFFFFFFFF", dataWidth="64",
                           portType="addressable", base="0x0")
    for number, (argument, kind, offset, size) in enumerate(ARGUMENTS):
        is_buffer = number == 0
        ElementTree.SubElement(kernel, "arg", name=argument, addressQualifier="1" if is_buffer else "0", id=str(number),
                               port="M_AXI_DRAM" if is_buffer else "S_AXI_CONTROL", size=hex(size), offset=hex(offset),
                               hostOffset="0x0", hostSize=hex(size), type=kind)
    instance = ElementTree.SubElement(kernel, "instance", name=INSTANCE)
    ElementTree.SubElement(instance, "addrRemap", base=hex(IP_BASE), port="S_AXI_CONTROL")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(project)


def container(sections, platform):
    """The file of (kind, name, content) sections."""
    at = HEAD_BYTES + HEADER_BYTES + SECTION_BYTES * len(sections)
    headers, body = b"", b""
    for kind, name, content in sections:
        body += b"\0" * (-at % ALIGNMENT)
        at += -at % ALIGNMENT
        headers += struct.pack("<I16s4xQQ", kind, text(name, 16), at, len(content))
        body += content
        at += len(content)
    identity = uuid.UUID(bytes=hashlib.sha256(headers + body).digest()[:16], version=4)
    no_signature, no_key, no_time = -1, b"\0" * 256, 0
    head = struct.pack("<8si28s256sQ", b"xclbin2\0", no_signature, b"\xff" * 28, no_key, no_time)
    major, minor, patch, no_actions = 2, 13, 0, 0
    header = struct.pack("<QQQHBBHH16x", at, no_time, 0, patch, major, minor, MODE_FLAT, no_actions)
    header += text(platform, 64) + identity.bytes + b"\0" * 16 + struct.pack("<I4x", len(sections))
    assert len(head) == HEAD_BYTES and len(header) == HEADER_BYTES
    return head + header + headers + body


def make(options):
    known = {c["name"]: c for c in json.loads(CONFIGURATIONS.read_text())["configurations"]}
    if options.configuration not in known:
        raise ValueError(f"no configuration {options.configuration!r}; there are {', '.join(known)}")
    configuration = known[options.configuration]
    sections = []
    if options.bitstream is not None:
        sections.append((BITSTREAM, "bitstream", options.bitstream.read_bytes()))
    sections += [
        (MEM_TOPOLOGY, "memory", mem_topology(options)),
        (IP_LAYOUT, "ip", ip_layout(options)),
        (CONNECTIVITY, "connectivity", connectivity()),
        (CLOCK_FREQ_TOPOLOGY, "clocks", clock_topology(options)),
        (EMBEDDED_METADATA, "metadata", metadata(options, configuration)),
    ]
    return container(sections, f"msq:zynq7000:{configuration['name']}:1.0")


def parse(arguments):
    parser = argparse.ArgumentParser(description="Writes the .xclbin of a configuration.")
    parser.add_argument("--configuration", required=True)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--control", choices=sorted(IP_CONTROL), default="user_managed")
    parser.add_argument("--clock-mhz", type=int, default=100)
    parser.add_argument("--dram-base", type=lambda number: int(number, 0), default=0x10000000)
    parser.add_argument("--dram-mb", type=int, default=256)
    parser.add_argument("--bitstream", type=pathlib.Path)
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    try:
        content = make(options)
    except (ValueError, OSError) as error:
        print(f"make_xclbin: {error}", file=sys.stderr)
        return 1
    options.out.write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
