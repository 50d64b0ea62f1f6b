// The question that the suite asks: does every engine give the reference's bits for this graph and these samples?
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "model/reference/interpreter.h"
#include "tests/conformance/engines.h"

namespace msq::conformance {

// One reference::Values per graph input.
using Sample = std::vector<reference::Values>;

// Batches 1 to 9, so that every sample meets other neighbours in other places.
inline constexpr int64_t kMaxBatch = 9;

// Runs each sample through the reference and, in batches of 1..min(kMaxBatch, samples), through every engine, and compares
// all outputs bit for bit. A failure names engine, batch, node, shape, index and both values, and ends with `replay`, a
// command that repeats it. Precondition: ir::Verify(graph) is OK and `samples` is not empty.
::testing::AssertionResult ConformOnGraph(const ir::Graph& graph, std::span<const Sample> samples,
                                          const std::string& replay, std::span<const Engine> engines = Engines());

// Samples for a graph: the first all zeros, the second all maximum codes, the others random.
std::vector<Sample> RandomSamples(const ir::Graph& graph, int64_t count, uint64_t seed);

// Values that ConformOnGraph has compared in this process and found equal.
int64_t ValuesCompared();

}  // namespace msq::conformance
