// gRPC's own lines in our log, as component `grpc`: its errors as warnings, what else it says at debug. gRPC stays in
// grpc_log.cc.
#pragma once

namespace ppmm {

// From now on, for the whole process. gRPC says the same at each attempt, so one error a minute is written, with the
// number of those since the last. What gRPC says at all is up to its variable GRPC_VERBOSITY: without it, errors.
void RouteGrpcLog();

}  // namespace ppmm
