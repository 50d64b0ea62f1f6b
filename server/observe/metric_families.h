// Metric families that are made anew at each scrape, for collectables whose figures live elsewhere.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>

namespace msq::server {

using LabelMap = std::map<std::string, std::string>;

class MetricFamilies {
 public:
  // A family stands where it is first added to. The help is that of the first call.
  void AddCounter(const std::string& name, const std::string& help, const LabelMap& labels, double value) {
    prometheus::ClientMetric metric = Metric(labels);
    metric.counter.value = value;
    Family(name, help, prometheus::MetricType::Counter).metric.push_back(std::move(metric));
  }
  void AddGauge(const std::string& name, const std::string& help, const LabelMap& labels, double value) {
    prometheus::ClientMetric metric = Metric(labels);
    metric.gauge.value = value;
    Family(name, help, prometheus::MetricType::Gauge).metric.push_back(std::move(metric));
  }
  std::vector<prometheus::MetricFamily> Take() { return std::move(families_); }

 private:
  // Labels without a value are none.
  static prometheus::ClientMetric Metric(const LabelMap& labels) {
    prometheus::ClientMetric metric;
    for (const auto& [name, value] : labels) {
      if (!value.empty()) metric.label.push_back({name, value});
    }
    return metric;
  }
  prometheus::MetricFamily& Family(const std::string& name, const std::string& help, prometheus::MetricType type) {
    for (prometheus::MetricFamily& family : families_) {
      if (family.name == name) return family;
    }
    return families_.emplace_back(prometheus::MetricFamily{name, help, type, {}});
  }

  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace msq::server
