// msqd: serves the MSQ networks of a model repository over gRPC until SIGTERM or SIGINT.
#include "server/daemon.h"

int main(int argc, char** argv) {
  return msq::server::RunDaemon(argc, argv, {});
}
