// What lies between two looks at a server, and what is dropped when a sensor vanishes.
#include "clients/bench/server_snapshot.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace msq::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Pair;

ServerSnapshot Parse(const std::string& page, double time_s = 0) {
  const auto series = ParsePrometheusText(page);
  EXPECT_TRUE(series.ok()) << series.status();
  return MakeSnapshot(*series, "net", time_s);
}

// One page: so many images, batches of 4, joules of two rails of the FPGA; a negative one is not on the page.
std::string Page(int images, double first_rail_j, double second_rail_j) {
  const std::string labels = "{model=\"net\",version=\"1\",backend=\"fpga\"";
  std::string page = "process_start_time_seconds 77\n";
  page += "msq_images_total" + labels + "} " + std::to_string(images) + "\n";
  page += "msq_images_total{model=\"other\",version=\"1\",backend=\"fpga\"} 1000000\n";
  page += "msq_requests_total" + labels + "} " + std::to_string(images) + "\n";
  page += "msq_batch_size_sum" + labels + "} " + std::to_string(images) + "\n";
  page += "msq_batch_size_count" + labels + "} " + std::to_string(images / 4) + "\n";
  page += "msq_batch_size_bucket" + labels + ",le=\"2\"} 0\n";
  page += "msq_batch_size_bucket" + labels + ",le=\"4\"} " + std::to_string(images / 4) + "\n";
  page += "msq_batch_size_bucket" + labels + ",le=\"+Inf\"} " + std::to_string(images / 4) + "\n";
  page += "msq_request_duration_seconds_sum" + labels + ",phase=\"queue\"} " + std::to_string(images * 0.002) + "\n";
  page += "msq_request_duration_seconds_count" + labels + ",phase=\"queue\"} " + std::to_string(images) + "\n";
  const auto rail = [&page](const char* name, double joules) {
    if (joules < 0) return;
    const std::string rail_labels =
        std::string("{backend=\"fpga\",device=\"d\",rail=\"") + name + "\",source=\"hwmon\"} ";
    page += "msq_energy_joules_total" + rail_labels + std::to_string(joules) + "\n";
    page += "msq_power_watts" + rail_labels + "2.5\n";
  };
  rail("VCCINT", first_rail_j);
  rail("VCCAUX", second_rail_j);
  return page;
}

const EnergyKey kFpga{"fpga", "hwmon"};

TEST(ServerSnapshotTest, WorkAndEnergyAreWhatCountersDifferBy) {
  const std::vector<ServerSnapshot> snapshots = {Parse(Page(100, 5, 1)), Parse(Page(160, 6, 1)),
                                                 Parse(Page(300, 9, 3))};
  const Interval interval = Between(snapshots);
  EXPECT_EQ(interval.dropped, "");
  const ServerWork& work = interval.work.at("fpga");
  EXPECT_EQ(work.counters.images, 200);
  EXPECT_EQ(work.Batches()->mean, 4);
  EXPECT_THAT(work.Batches()->buckets, ::testing::ElementsAre(Pair(4, 50)));
  ASSERT_EQ(work.Phases().size(), 1u);
  EXPECT_EQ(work.Phases()[0].name, "queue");
  EXPECT_NEAR(work.Phases()[0].mean_ms, 2, 1e-9);
  const Energy& energy = interval.energy.at(kFpga);
  EXPECT_EQ(energy.dropped, "");
  EXPECT_EQ(energy.joules, 6);
  EXPECT_EQ(energy.images, 200);
  EXPECT_FALSE(energy.active_joules.has_value());
}

// Images count when they are answered, batches when they are formed: a look may come between the two.
TEST(ServerSnapshotTest, TheMeanSizeIsThatOfTheBatchesThemselves) {
  const auto page = [](int images, int sum, int count) {
    const std::string labels = "{model=\"net\",version=\"1\",backend=\"cpu\"} ";
    return Parse("msq_images_total" + labels + std::to_string(images) + "\nmsq_batch_size_sum" + labels +
                 std::to_string(sum) + "\nmsq_batch_size_count" + labels + std::to_string(count) + "\n");
  };
  const auto batches = [](const std::vector<ServerSnapshot>& snapshots) {
    return Between(snapshots).work.at("cpu").Batches();
  };
  EXPECT_EQ(batches({page(100, 100, 20), page(180, 188, 42)})->mean, 4);
  EXPECT_FALSE(batches({page(100, 104, 21), page(104, 104, 21)}).has_value());
}

TEST(ServerSnapshotTest, ARailThatVanishesTakesTheFigureAway) {
  for (int missing = 0; missing < 3; ++missing) {
    std::vector<ServerSnapshot> snapshots;
    for (int i = 0; i < 3; ++i) snapshots.push_back(Parse(Page(100 * i, 5 + i, i == missing ? -1 : 1 + i)));
    const Interval interval = Between(snapshots);
    EXPECT_THAT(interval.energy.at(kFpga).dropped, HasSubstr("d/VCCAUX vanished")) << missing;
    EXPECT_EQ(interval.work.at("fpga").counters.images, 200);  // that is known nevertheless
  }
}

TEST(ServerSnapshotTest, CountersThatFallAreNotMeasured) {
  const std::vector<ServerSnapshot> rail_fell = {Parse(Page(100, 5, 1)), Parse(Page(200, 4, 2))};
  EXPECT_THAT(Between(rail_fell).energy.at(kFpga).dropped, HasSubstr("set back"));
  const std::vector<ServerSnapshot> model_fell = {Parse(Page(100, 5, 1)), Parse(Page(50, 6, 2))};
  EXPECT_THAT(Between(model_fell).dropped, HasSubstr("set back"));
  std::vector<ServerSnapshot> restarted = {Parse(Page(100, 5, 1)), Parse(Page(200, 6, 2))};
  restarted[1].process_start_s = 78;
  EXPECT_THAT(Between(restarted).dropped, HasSubstr("started anew"));
}

TEST(ServerSnapshotTest, PowerIsOfAllRailsOrNotKnown) {
  const std::vector<RailKey> known = {{"fpga", "hwmon", "d", "VCCAUX"}, {"fpga", "hwmon", "d", "VCCINT"}};
  EXPECT_EQ(PowerOf(Parse(Page(1, 1, 1)), kFpga, known), 5);
  EXPECT_EQ(PowerOf(Parse(Page(1, 1, -1)), kFpga, known), std::nullopt);
  EXPECT_EQ(PowerOf(Parse(Page(1, 1, 1)), {"cpu", "rapl"}, known), std::nullopt);
}

TEST(ServerSnapshotTest, ValuesThatAreNoNumbersAreNotThere) {
  const ServerSnapshot snapshot = Parse("msq_power_watts{backend=\"cpu\",device=\"p\",source=\"rapl\"} NaN\n");
  EXPECT_TRUE(snapshot.rails.empty());
}

}  // namespace
}  // namespace msq::bench
