// The daemon as a program: its command line, its signals, its exit status.
#pragma once

#include <memory>
#include <vector>

#include "server/models/platform.h"

namespace msq::server {

// Serves until SIGTERM or SIGINT; the exit status of the process. `platforms` are served besides MSQ's own.
int RunDaemon(int argc, char** argv, std::vector<std::unique_ptr<Platform>> platforms);

}  // namespace msq::server
