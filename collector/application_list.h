// Which applications a person sees first, and in which order. Most of what runs on a host are shells, compilers and
// what ended at once; the list is to show what the organization lives on. Pure.
#pragma once

#include <string>

#include "absl/time/time.h"

#include "collector/application_view.h"

namespace ppmm {

// Of the CPU or memory of its hosts, over the window: from here on an application is listed for its use alone.
inline constexpr double kListedShare = 0.01;
// A line-of-business application that is not heard of now is listed for so long, so that its end is seen.
inline constexpr absl::Duration kListedAfterEnd = absl::Minutes(10);

// Sets `listed` of what is declared, of what serves (it runs, and listens or takes connections or requests), of what
// uses kListedShare, and of line-of-business applications that ended within kListedAfterEnd. Orders: line of business
// first, then by CPU, memory and key.
void OrderForPeople(absl::Time now, ApplicationViews* views);

// "17 more serve nobody and use less than 1 % of a host" and how many of them are rated; empty: all are listed.
std::string NotListedInWords(const ApplicationViews& views);

}  // namespace ppmm
