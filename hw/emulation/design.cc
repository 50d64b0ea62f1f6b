#include "hw/emulation/design.h"

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <cstring>
#include <span>
#include <sstream>

#include "base/status.h"

namespace msq::emulation {
namespace {

constexpr uint64_t kMostDramBytes = uint64_t{1} << 30;

absl::StatusOr<std::span<const char>> Section(const axlf& xclbin, axlf_section_kind kind, std::string_view name,
                                              size_t least_bytes) {
  const auto* file = reinterpret_cast<const char*>(&xclbin);
  for (uint32_t i = 0; i < xclbin.m_header.m_numSections; ++i) {
    const axlf_section_header& section = xclbin.m_sections[i];
    if (section.m_sectionKind != static_cast<uint32_t>(kind)) continue;
    const uint64_t length = xclbin.m_header.m_length;
    if (section.m_sectionOffset > length || section.m_sectionSize > length - section.m_sectionOffset ||
        section.m_sectionSize < least_bytes) {
      return DataLoss("section ", std::string(name), " of the .xclbin is not inside it");
    }
    return std::span(file + section.m_sectionOffset, static_cast<size_t>(section.m_sectionSize));
  }
  return DataLoss("the .xclbin has no section ", std::string(name));
}

absl::Status ReadMemory(const axlf& xclbin, Design* design) {
  MSQ_ASSIGN_OR_RETURN(const auto content, Section(xclbin, MEM_TOPOLOGY, "MEM_TOPOLOGY", sizeof(mem_topology)));
  mem_topology memory;
  std::memcpy(&memory, content.data(), sizeof(memory));
  if (memory.m_count != 1) return Unimplemented("the emulation has one bank of memory, the .xclbin ", memory.m_count);
  design->dram_base = memory.m_mem_data[0].m_base_address;
  design->dram_bytes = memory.m_mem_data[0].m_size * 1024;
  if (design->dram_bytes == 0 || memory.m_mem_data[0].m_size > kMostDramBytes / 1024 ||
      design->dram_base + design->dram_bytes > uint64_t{1} << 32) {
    return Unimplemented("the emulation has up to ", kMostDramBytes, " bytes of memory, below address 2^32");
  }
  return absl::OkStatus();
}

absl::Status ReadClock(const axlf& xclbin, Design* design) {
  MSQ_ASSIGN_OR_RETURN(const auto content,
                       Section(xclbin, CLOCK_FREQ_TOPOLOGY, "CLOCK_FREQ_TOPOLOGY", sizeof(clock_freq_topology)));
  clock_freq_topology clocks;
  std::memcpy(&clocks, content.data(), sizeof(clocks));
  design->clock_mhz = clocks.m_clock_freq[0].m_freq_Mhz;
  if (clocks.m_count < 1 || design->clock_mhz == 0) return DataLoss("the .xclbin has no clock");
  return absl::OkStatus();
}

absl::Status CheckKernels(const axlf& xclbin) {
  MSQ_ASSIGN_OR_RETURN(const auto content, Section(xclbin, IP_LAYOUT, "IP_LAYOUT", sizeof(ip_layout)));
  ip_layout kernels;
  std::memcpy(&kernels, content.data(), sizeof(kernels));
  if (kernels.m_count != 1 || kernels.m_ip_data[0].m_type != IP_KERNEL) {
    return Unimplemented("the emulation has one accelerator a board, the .xclbin ", kernels.m_count);
  }
  return absl::OkStatus();
}

absl::Status ReadMetadata(const axlf& xclbin, Design* design) {
  MSQ_ASSIGN_OR_RETURN(const auto content, Section(xclbin, EMBEDDED_METADATA, "EMBEDDED_METADATA", 1));
  std::istringstream text(std::string(content.begin(), content.end()));
  boost::property_tree::ptree tree;
  try {
    boost::property_tree::read_xml(text, tree);
  } catch (const boost::property_tree::xml_parser_error& error) {
    return DataLoss("section EMBEDDED_METADATA of the .xclbin is not XML: ", error.what());
  }
  const auto name = tree.get_optional<std::string>("project.<xmlattr>.name");
  if (!name) return DataLoss("section EMBEDDED_METADATA of the .xclbin has no project name");
  design->configuration = *name;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Design> ReadDesign(const axlf& xclbin) {
  Design design;
  const auto* platform = reinterpret_cast<const char*>(xclbin.m_header.m_platformVBNV);
  design.platform.assign(platform, strnlen(platform, sizeof(xclbin.m_header.m_platformVBNV)));
  MSQ_RETURN_IF_ERROR(ReadMemory(xclbin, &design));
  MSQ_RETURN_IF_ERROR(ReadClock(xclbin, &design));
  MSQ_RETURN_IF_ERROR(CheckKernels(xclbin));
  MSQ_RETURN_IF_ERROR(ReadMetadata(xclbin, &design));
  return design;
}

}  // namespace msq::emulation
