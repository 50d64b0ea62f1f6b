// The platform `compatibility`: the toy models that the stock examples of Triton's clients talk to. For tests only.
#pragma once

#include <memory>

#include "server/models/platform.h"

namespace msq::server {

// A model is known by its name and needs no file in its version's folder. NOT_FOUND for other names.
std::unique_ptr<Platform> CreateCompatibilityPlatform();

}  // namespace msq::server
