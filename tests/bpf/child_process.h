// A child process for tests: runs a function, says when it is ready, and ends when the test says so.
#pragma once

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "gtest/gtest.h"

namespace ppmm {

class ChildProcess {
 public:
  // Runs `body` in a child and waits for it to be done; the child then stays until Stop() or the end of the scope.
  explicit ChildProcess(const std::function<void()>& body) {
    int ready[2];
    int stop[2];
    EXPECT_EQ(pipe(ready), 0);
    EXPECT_EQ(pipe(stop), 0);
    pid_ = fork();
    if (pid_ == 0) {
      close(ready[0]);
      close(stop[1]);
      body();
      char byte = 1;
      (void)!write(ready[1], &byte, 1);
      (void)!read(stop[0], &byte, 1);
      _exit(0);
    }
    close(ready[1]);
    close(stop[0]);
    stop_ = stop[1];
    char byte = 0;
    EXPECT_EQ(read(ready[0], &byte, 1), 1) << "the child failed";
    close(ready[0]);
  }
  ~ChildProcess() { Stop(); }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void Stop() {
    if (pid_ > 0) {
      close(stop_);
      waitpid(pid_, nullptr, 0);
      pid_ = -1;
    }
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int stop_ = -1;
};

}  // namespace ppmm
