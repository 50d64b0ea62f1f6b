// A line of rendered text as half-block characters for a terminal, so that a person sees what the network is given.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "demo/render.h"

namespace msq::demo {

// Half the cells' resolution, two pixels to a printed character; an empty optional is a space. A line wider than
// `columns` goes on in a further band. Ends in a newline unless there is nothing to draw. UTF-8.
std::string HalfBlockPicture(std::span<const std::optional<Cell>> line, int columns);

}  // namespace msq::demo
