// Finds the handler of a request by method and path, after checking who may ask. No I/O of its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "collector/http/access.h"
#include "collector/http/message.h"
#include "common/mutex.h"

namespace ppmm::http {

// Over TCP only GET and HEAD are answered; what writes comes through the Unix socket, where the kernel names the user.
enum class Access {
  kDefault,     // GET from anywhere; every other method through the Unix socket only
  kSocketOnly,  // GET, too, through the Unix socket only
  kAnywhere,    // a POST that TCP may send: the form behind an acknowledgement link, whose token is its permission
};

// Routes are added before the server starts; from then on thread-safe.
class Router {
 public:
  explicit Router(AllowedNames names = AllowedNames());

  // Shape: `pattern` is "/", or segments that are literal or "{name}": "/api/v1/activities/{id}". A GET route also
  //        answers HEAD. The first route that fits wins. `parameters`: those of the query that it understands.
  void Add(Method method, absl::string_view pattern, Handler handler, Access access = Access::kDefault,
           std::vector<std::string> parameters = {});

  // Answers a request, whatever it asks: 400 for a malformed address and for a parameter of the query that the route
  // does not understand, since an answer to another question would look like the answer to this one; 403 and 421 for
  // foreign names, 404 with the nearest path, 405 with Allow. Errors are JSON below /api/, else text. Responses of the
  // API are not to be cached.
  Response Handle(Request& request) const;

  // After a reload of the configuration.
  void SetNames(AllowedNames names);

 private:
  struct Route {
    Method method;
    std::string pattern;
    std::vector<std::string> segments;
    Handler handler;
    Access access;
    std::vector<std::string> parameters;
  };

  const Route* Find(const std::vector<const Route*>& fitting, const Request& request, Response* refusal) const;
  std::string NotFoundText(absl::string_view path) const;

  std::vector<Route> routes_;
  mutable Mutex mutex_;
  std::shared_ptr<const AllowedNames> names_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ppmm::http
