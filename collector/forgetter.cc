#include "collector/forgetter.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>
#include <utility>

#include "collector/dormant.h"
#include "collector/facts/bits.h"
#include "collector/origin_guess.h"
#include "collector/writer.h"
#include "common/status.h"
#include "proto/telemetry.pb.h"

namespace ppmm {
namespace {

constexpr std::int64_t kSecondsPerDay = 86400;
// A clock that was set back by less leaves the newest step on the day of the newest rows.
constexpr std::int64_t kSetBackSeconds = 3600;

std::int64_t DayOfUs(std::int64_t us) {
  return us / 1'000'000 / kSecondsPerDay;
}

bool IsDue(const SeriesState& series, std::int64_t sealed_day) {
  return series.last_step == 0 || (series.last_step + kSetBackSeconds) / kSecondsPerDay < sealed_day;
}

bool FirstSeenBefore(const EntityState& entity, std::int64_t day) {
  return DayOfUs(entity.row.first_seen_us) < day;
}

// Whether nothing keeps the entity itself; of an instance its application may.
bool IsDue(const EntityState& entity, std::int64_t sealed_day) {
  if (entity.row.kind == EntityKind::kHost || !entity.series.empty() || !FirstSeenBefore(entity, sealed_day)) {
    return false;
  }
  return std::all_of(entity.lives.begin(), entity.lives.end(), [sealed_day](const InstanceLifeRow& life) {
    return life.to_minute != 0 && life.to_minute / kMinutesPerDay < sealed_day;
  });
}

// Of an application's instances, those by which it is described: whose guess of its origin counts, the first that has a
// product, says where its name is from, says plumbing or short-lived; the one whose port was seen first, from which it
// is aged; the youngest, of those that have a version.
std::set<EntityId> Describing(const Tables& tables, const ApplicationState& application) {
  EntityId origin_of = 0;
  EntityId product_of = 0;
  EntityId name_of = 0;
  EntityId plumbing_of = 0;
  EntityId short_lived_of = 0;
  EntityId port_of = 0;
  EntityId version_of = application.instances.back();
  const auto first = [](bool says, EntityId id, EntityId& found) { found = says && found == 0 ? id : found; };
  OriginGuess origin;
  std::int64_t port_us = std::numeric_limits<std::int64_t>::max();
  for (const EntityId id : application.instances) {
    const EntityState& entity = *tables.Entity(id);
    first(!entity.instance.product.empty(), id, product_of);
    version_of = entity.instance.version.empty() ? version_of : id;
    for (const ListenerRow& listener : entity.listeners) {
      port_of = listener.first_seen_us < port_us ? id : port_of;
      port_us = std::min(port_us, listener.first_seen_us);
    }
    wire::Entity record;
    if (record.ParseFromString(entity.row.attributes)) {
      origin_of = origin.Take(record.instance()) ? id : origin_of;
      first(!record.instance().name_source().empty(), id, name_of);
      first(record.instance().plumbing(), id, plumbing_of);
      first(record.instance().short_lived(), id, short_lived_of);
    }
  }
  return {origin_of, product_of, name_of, plumbing_of, short_lived_of, port_of, version_of};
}

// The day of the newest sign of an application.
std::int64_t HeardOn(const Tables& tables, const ApplicationState& application) {
  std::int64_t newest = DayOfUs(application.row.first_seen_us);
  for (const auto& [key, total] : application.totals) {
    newest = std::max(newest, total.newest_step / kSecondsPerDay);
  }
  for (const EntityId id : application.instances) {
    for (const InstanceLifeRow& life : tables.Entity(id)->lives) {
      newest = std::max(newest, life.to_minute / kMinutesPerDay);
    }
  }
  return newest;
}

// What of an application may fall dormant: instances, or all of it.
DormantIds LookAt(const Tables& tables, const ApplicationState& application, std::int64_t last_day) {
  const auto due = [&tables](EntityId id) { return IsDue(*tables.Entity(id), tables.sealed_day); };
  const std::vector<EntityId>& instances = application.instances;
  if (std::all_of(instances.begin(), instances.end(), due) && HeardOn(tables, application) < last_day) {
    return {{}, instances, {application.row.id}};
  }
  DormantIds ids;
  if (std::any_of(instances.begin(), instances.end(), due)) {
    const std::set<EntityId> kept = Describing(tables, application);
    std::copy_if(instances.begin(), instances.end(), std::back_inserter(ids.entities),
                 [&](EntityId id) { return due(id) && !kept.contains(id); });
  }
  return ids;
}

// Between looking and the commit batches came: who is named must still be due.
absl::Status LayDown(const DormantIds& ids, std::int64_t last_day, Tables& tables, Store& store) {
  for (const SeriesId id : ids.series) {
    if (const SeriesState* series = tables.Series(id); series != nullptr && IsDue(*series, tables.sealed_day)) {
      RETURN_IF_ERROR(LayDownSeries(tables, store, id));
    }
  }
  for (const EntityId id : ids.entities) {
    if (const EntityState* entity = tables.Entity(id); entity != nullptr && IsDue(*entity, tables.sealed_day)) {
      RETURN_IF_ERROR(LayDownEntity(tables, store, id));
    }
  }
  for (const ApplicationId id : ids.applications) {
    const ApplicationState* application = tables.Application(id);
    if (application != nullptr && application->instances.empty() && HeardOn(tables, *application) < last_day) {
      RETURN_IF_ERROR(LayDownApplication(tables, store, id));
    }
  }
  return absl::OkStatus();
}

}  // namespace

DormantIds Forgetter::LookAtHosts(const Tables& tables) {
  DormantIds ids;
  std::size_t looked_at = 0;
  auto host = tables.hosts.lower_bound(next_);
  for (; host != tables.hosts.end(); ++host) {
    next_ = host->first;
    std::set<SeriesId> named;  // by the forecasts that are shown
    for (const ForecastRow& forecast : host->second.forecasts) {
      named.insert(forecast.series);
    }
    for (const EntityId entity_id : host->second.entities) {
      const EntityState& entity = *tables.Entity(entity_id);
      std::size_t left = entity.series.size();
      for (const SeriesId id : entity.series) {
        if (IsDue(*tables.Series(id), tables.sealed_day) && !named.contains(id)) {
          ids.series.push_back(id);
          --left;
        }
      }
      looked_at += 1 + entity.series.size();
      const bool no_application = entity.instance.application == 0 && entity.row.kind != EntityKind::kHost;
      if (no_application && left == 0 && FirstSeenBefore(entity, tables.sealed_day)) {
        ids.entities.push_back(entity_id);
      }
      if (ids.size() >= options_.most_ids) {
        return ids;  // the rest of this host next time
      }
    }
    if (looked_at >= options_.most_looked_at) {
      break;
    }
  }
  if (host == tables.hosts.end()) {
    phase_ = Phase::kApplications;
    next_ = 0;
  } else {
    ++next_;
  }
  return ids;
}

DormantIds Forgetter::LookAtApplications(const Tables& tables, std::int64_t last_day) {
  DormantIds ids;
  std::size_t looked_at = 0;
  for (auto application = tables.applications.lower_bound(next_); application != tables.applications.end();
       ++application) {
    DormantIds more = LookAt(tables, application->second, last_day);
    next_ = application->first;
    if (ids.size() > 0 && ids.size() + more.size() > options_.most_ids) {
      return ids;
    }
    if (more.size() > options_.most_ids) {  // the rest of this application next time
      more.entities.resize(options_.most_ids);
      more.applications.clear();
      return more;
    }
    ids.entities.insert(ids.entities.end(), more.entities.begin(), more.entities.end());
    ids.applications.insert(ids.applications.end(), more.applications.begin(), more.applications.end());
    ++next_;
    looked_at += 1 + application->second.instances.size();
    if (looked_at >= options_.most_looked_at) {
      return ids;
    }
  }
  phase_ = Phase::kDone;
  return ids;
}

absl::Status Forgetter::Slice(absl::Time store_time) {
  const std::int64_t last_day = absl::ToUnixSeconds(store_time) / kSecondsPerDay - options_.application_days;
  DormantIds ids;
  {
    ReaderLock lock(&state_->mutex());
    const Tables& tables = state_->tables();
    if (submitted_ || (round_ == tables.sealed_day && phase_ == Phase::kDone)) {
      return absl::OkStatus();
    }
    if (round_ != tables.sealed_day) {
      round_ = tables.sealed_day;
      phase_ = Phase::kHosts;
      next_ = 0;
    }
    ids = phase_ == Phase::kHosts ? LookAtHosts(tables) : LookAtApplications(tables, last_day);
  }
  if (ids.size() == 0) {
    return absl::OkStatus();
  }
  submitted_ = true;
  writer_->Submit(
      [ids = std::move(ids), last_day](Tables& tables, Store& store) { return LayDown(ids, last_day, tables, store); },
      [this](const absl::Status& status) {
        submitted_ = false;
        round_ = status.ok() ? round_ : -1;
      });
  return absl::OkStatus();
}

}  // namespace ppmm
