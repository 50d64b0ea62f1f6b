#include "server/observe/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "server/observe/metric_families.h"

namespace msq::server {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

void AddMemory(MetricFamilies* families) {
  double size_pages = 0, resident_pages = 0;
  if (!(std::ifstream("/proc/self/statm") >> size_pages >> resident_pages)) return;
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  families->AddGauge("process_resident_memory_bytes", "Resident memory size in bytes.", {}, resident_pages * page);
  families->AddGauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", {}, size_pages * page);
}

void AddCpu(MetricFamilies* families) {
  rusage usage = {};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return;
  families->AddCounter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", {},
                       Seconds(usage.ru_utime) + Seconds(usage.ru_stime));
}

void AddDescriptors(MetricFamilies* families) {
  std::error_code error;
  const std::filesystem::directory_iterator open("/proc/self/fd", error);
  if (!error) {
    families->AddGauge("process_open_fds", "Number of open file descriptors.", {},
                       static_cast<double>(std::distance(begin(open), end(open))));
  }
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  families->AddGauge("process_max_fds", "Maximum number of open file descriptors.", {},
                     static_cast<double>(limit.rlim_cur));
}

// The 22nd field of stat, in ticks since the machine's start, which is a line of /proc/stat.
void AddStartTime(MetricFamilies* families) {
  std::ifstream stat("/proc/self/stat"), machine("/proc/stat");
  std::string text;
  if (!std::getline(stat, text)) return;
  std::istringstream fields(text.substr(text.rfind(')') + 1));  // the name before may hold anything
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  double ticks = 0, boot = 0;
  if (!(fields >> ticks)) return;
  std::string key;
  while (machine >> key && key != "btime") std::getline(machine, skipped);
  if (!(machine >> boot)) return;
  families->AddGauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", {},
                     boot + ticks / static_cast<double>(sysconf(_SC_CLK_TCK)));
}

}  // namespace

std::vector<prometheus::MetricFamily> ProcessMetrics::Collect() const {
  MetricFamilies families;
  AddMemory(&families);
  AddCpu(&families);
  AddDescriptors(&families);
  AddStartTime(&families);
  return families.Take();
}

}  // namespace msq::server
