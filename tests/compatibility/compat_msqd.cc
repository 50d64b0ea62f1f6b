// msqd with the toy models of the platform `compatibility` besides.
#include "server/daemon.h"
#include "tests/compatibility/compatibility_platform.h"

int main(int argc, char** argv) {
  std::vector<std::unique_ptr<msq::server::Platform>> platforms;
  platforms.push_back(msq::server::CreateCompatibilityPlatform());
  return msq::server::RunDaemon(argc, argv, std::move(platforms));
}
