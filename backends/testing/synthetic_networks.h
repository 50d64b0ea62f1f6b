// Graphs with the shapes of well-known networks and invented weights, for speed measurements and conformance.
#pragma once

#include "model/ir/graph.h"

namespace msq::testing {

// The CIFAR-10 residual network of 6n+2 layers; n = 3 is ResNet-20. Input [3,32,32], 8-bit; output [10], raw.
ir::Graph ResNetCifar(int n);

// ResNet-18 for ImageNet. Input [3,224,224], 8-bit; output [1000], raw.
ir::Graph ResNet18();

// ResNet-50 and MobileNet-v2 for ImageNet, the classifier in 4 bits too. Input [3,224,224], 8-bit; output [1000], raw.
ir::Graph ResNet50();
ir::Graph MobileNetV2();

// Inverted residual blocks: 1x1, depthwise 3x3, 1x1. Input [3,32,32], 8-bit; output [10], raw.
ir::Graph MobileNetLike();

// Dense layers alone: 784 -> 1024 -> 1024 -> 10.
ir::Graph Perceptron();

// What an LSTM of 512 cells multiplies, without its tables: the state of one time step, [512] -> [2048], and the inputs of 16 at
// once, [512,16,1] -> [2048,16,1]; 4 bits in, raw out.
ir::Graph LstmGates();

}  // namespace msq::testing
