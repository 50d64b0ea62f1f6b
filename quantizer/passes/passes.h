// The float-to-float rewrites, in the order in which Simplify runs them. Each leaves the network's outputs as they were (up
// to float rounding) and the graph in topological order.
#pragma once

#include "quantizer/float_graph.h"

namespace msq::quantizer {

// BatchNorm and arithmetic with constants go into the Conv or Dense before them: into its weights, or behind its activation.
void FoldAffines(FloatGraph& graph);

// Relu, Clip and leaky Relu go into the Conv, Dense or Add before them.
void FuseActivations(FloatGraph& graph);

// What FoldAffines could not fold becomes a depthwise 1x1 Conv.
void LowerAffines(FloatGraph& graph);

// Zero padding in front of a Conv becomes the Conv's own.
void FoldPads(FloatGraph& graph);

// An Add becomes the second operand of a Conv or Dense before it, whose requantizer then adds (N11).
void FuseResiduals(FloatGraph& graph);

// A Conv over a 1x1 image becomes a Dense; Reshapes merge and disappear where they change nothing.
void SimplifyShapes(FloatGraph& graph);

// Concat needs inputs of one type. Gives an input a change of scale of its own where sharing a type with the others would
// lose its clamp (Relu with a skip, Clip) or where it is the network's 8-bit input.
void SeparateConcatInputs(FloatGraph& graph);

// For networks trained on BGR: reverses the input channels of the first layers, so that the artifact takes RGB.
// FAILED_PRECONDITION when the input does not go straight into ungrouped Convs.
absl::Status ReverseInputChannels(FloatGraph& graph);

// All of the above but the last, in order.
void Simplify(FloatGraph& graph);

}  // namespace msq::quantizer
