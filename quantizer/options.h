// Every choice a user has, and nothing else: what the command line fills in and the pipeline reads.
#pragma once

#include <string>
#include <vector>

namespace msq::quantizer {

// How rows are split between schemes. kMsq mixes SP2 and fixed4 by variance.
enum class SchemeChoice { kMsq, kFixed, kSp2, kP2 };
// How the range of an activation is cut: least squared error, or a share of the calibration values.
enum class RangeMethod { kMse, kPercentile };
// How weights are rounded to the levels of their row: each to the nearest, or each so that it makes up for the error of
// those before it on the calibration set.
enum class Rounding { kNearest, kCompensated };

struct QuantizeOptions {
  std::string model_path;

  std::string calibration_path;  // folder of PNG/JPEG, .npy or .npz
  int calibration_samples = 512;
  std::vector<float> mean;    // of pixel / 255, one per channel or one for all; empty: inputs are no images
  std::vector<float> stddev;  // likewise
  bool bgr = false;           // the network takes BGR; the artifact will take RGB
  std::string labels_path;
  std::string evaluate_path;  // labelled set to measure the float network on, or empty

  SchemeChoice scheme = SchemeChoice::kMsq;
  std::string target = "z020";  // for the report; sp2_share is what counts
  double sp2_share = 0.625;     // share of SP2 rows under kMsq
  bool tied_rows = true;        // kMsq: layers whose channels meet have their SP2 rows in the same places

  int activation_bits = 4;
  std::vector<std::string> activations8;                  // layers whose output has 8 bits
  std::vector<std::string> weights8 = {"first", "last"};  // layers with 8-bit weights; also "all"
  int depthwise_bits = 4;
  RangeMethod range = RangeMethod::kMse;
  double percentile = 99.9;
  Rounding rounding = Rounding::kCompensated;
  bool bias_correction = true;
  int threads = 2;
};

// "1.5", "1.5:1" or "5/3" (SP2 to fixed) as the share of SP2 rows; negative when malformed.
double ParseRatio(const std::string& text);
// The share of a target by name, negative when there is no such target.
double ShareOfTarget(const std::string& target);

}  // namespace msq::quantizer
