// How good forecasts are: on lines with noise, always; on public series of real systems where PPMM_DATA_SETS names a
// folder that holds them (m4/Hourly-train.csv, nab/real*/*.csv, ms_cloud_monitoring/data/*/*.csv), and exits 77 after
// the first part where not. Prints the figures of docs/forecast.md.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

#include "collector/forecast/line.h"

namespace ppmm {
namespace {

constexpr std::size_t kHorizon = 7;
constexpr std::size_t kHoursPerDay = 24;
constexpr Day kFirst = 20000;

using Series = std::vector<double>;  // a value a day

std::string DataSets() {
  const char* const folder = std::getenv("PPMM_DATA_SETS");
  return folder == nullptr ? "" : folder;
}

Forecast At(const Series& series, std::size_t from, std::size_t to, double capacity) {
  std::vector<DayUse> values;
  for (std::size_t i = from; i < to; ++i) {
    values.push_back({kFirst + static_cast<Day>(i), 0, series[i], capacity});
  }
  return ForecastExhaustion(values, kFirst + static_cast<Day>(to) - 1);
}

double MedianOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// The busiest hour of each day.
std::vector<Series> M4(const std::filesystem::path& file) {
  std::vector<Series> all;
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    Series hours;
    for (const absl::string_view field : absl::StrSplit(absl::StrReplaceAll(line, {{"\"", ""}}), ',')) {
      double value = 0;
      if (absl::SimpleAtod(field, &value)) {
        hours.push_back(value);
      }
    }
    Series& days = all.emplace_back();
    for (std::size_t i = 0; i + kHoursPerDay <= hours.size(); i += kHoursPerDay) {
      days.push_back(*std::max_element(hours.begin() + static_cast<std::ptrdiff_t>(i),
                                       hours.begin() + static_cast<std::ptrdiff_t>(i + kHoursPerDay)));
    }
  }
  return all;
}

// Rows of time and value; the mean of the busiest hour of each day.
std::vector<Series> Clouds(const std::filesystem::path& folder) {
  std::vector<Series> all;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".csv" && entry.path().string().find("artificial") == std::string::npos) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  for (const std::filesystem::path& file : files) {
    std::map<std::string, std::pair<double, int>> hours;  // "2018-04-25 13": sum and number
    std::ifstream in(file);
    std::string line;
    while (std::getline(in, line)) {
      const std::string plain = absl::StrReplaceAll(line, {{"\"", ""}});
      const std::vector<absl::string_view> fields = absl::StrSplit(plain, ',');
      double value = 0;
      if (fields.size() >= 2 && fields[0].size() >= 13 && absl::SimpleAtod(fields[1], &value)) {
        auto& [sum, count] = hours[std::string(fields[0].substr(0, 13))];
        sum += value;
        ++count;
      }
    }
    std::map<std::string, double> days;
    for (const auto& [hour, sum] : hours) {
      double& busiest = days.try_emplace(hour.substr(0, 10), sum.first / sum.second).first->second;
      busiest = std::max(busiest, sum.first / sum.second);
    }
    Series series;
    for (const auto& [day, busiest] : days) {
      series.push_back(busiest);
    }
    if (series.size() >= 2 * kHorizon && *std::min_element(series.begin(), series.end()) >= 0) {
      all.push_back(std::move(series));
    }
  }
  return all;
}

struct Score {
  int forecasts = 0;
  double error = 0;       // of the line, mean over the next 7 days; capacity is the series' largest value
  double last_error = 0;  // of "as on the last day"
  double inside = 0;      // share of days within the interval
  double below = 0;       // share of days not above its upper edge
};

Score Judge(const std::vector<Series>& all, std::size_t history) {
  Score score;
  for (const Series& series : all) {
    const double capacity = series.empty() ? 0 : *std::max_element(series.begin(), series.end());
    for (std::size_t now = history; capacity > 0 && now + kHorizon <= series.size(); now += kHorizon) {
      const Forecast forecast = At(series, now - history, now, capacity);
      EXPECT_EQ(forecast.refusal, Refusal::kNone);
      ++score.forecasts;
      for (std::size_t ahead = 1; ahead <= kHorizon; ++ahead) {
        const double actual = series[now + ahead - 1] / capacity;
        const auto days = static_cast<double>(ahead);
        const double upper = forecast.level + forecast.band + forecast.slope_high * days;
        const double lower = forecast.level - forecast.band + forecast.slope_low * days;
        score.error += std::abs(forecast.level + forecast.slope * days - actual) / kHorizon;
        score.last_error += std::abs(series[now - 1] / capacity - actual) / kHorizon;
        score.inside += (actual <= upper && actual >= lower ? 1.0 : 0.0) / kHorizon;
        score.below += (actual <= upper ? 1.0 : 0.0) / kHorizon;
      }
    }
  }
  for (double* const sum : {&score.error, &score.last_error, &score.inside, &score.below}) {
    *sum /= std::max(1, score.forecasts);
  }
  return score;
}

void JudgeSet(const char* name, const std::vector<Series>& all) {
  ASSERT_FALSE(all.empty()) << name;
  for (const std::size_t history : {7U, 14U, 28U}) {
    const Score score = Judge(all, history);
    std::printf("%-6s history %2zu d: %4d forecasts, error %.3f, of the last day %.3f, inside %.2f, below %.2f\n", name,
                history, score.forecasts, score.error, score.last_error, score.inside, score.below);
    EXPECT_LT(score.error, 0.82 * score.last_error) << name << " " << history;
    EXPECT_GT(score.inside, 0.70) << name << " " << history;
    EXPECT_GT(score.below, 0.85) << name << " " << history;
  }
}

TEST(AccuracyTest, DaysToExhaustionOfNoisyLines) {
  std::mt19937_64 random(1);  // the figures are published
  std::normal_distribution<double> normal;
  for (const double noise : {0.01, 0.03}) {
    for (const int history : {7, 14, 28}) {
      std::vector<double> errors;
      int seen = 0;
      int inside = 0;
      const int rounds = 2000;
      for (int round = 0; round < rounds; ++round) {
        const double slope = 0.01;
        const double true_days = 30;
        Series series;
        for (int i = 1; i <= history; ++i) {
          series.push_back(kExhaustedAt - slope * (true_days + history - i) + noise * normal(random));
        }
        const Forecast forecast = At(series, 0, series.size(), 1);
        inside +=
            static_cast<double>(forecast.days_low) <= true_days && true_days <= static_cast<double>(forecast.days_high)
                ? 1
                : 0;
        if (forecast.days < kNotInSight) {
          ++seen;
          errors.push_back(std::abs(static_cast<double>(forecast.days) + 0.5 - true_days) / true_days);
        }
      }
      std::printf(
          "30 days left at 1 %% a day, noise %.0f %%, history %2d d: %3.0f %% seen, median error %4.1f %%, "
          "inside %.3f\n",
          100 * noise, history, 100.0 * seen / rounds, errors.empty() ? 0 : 100 * MedianOf(errors),
          1.0 * inside / rounds);
      EXPECT_GT(inside, 0.95 * rounds);
      if (history == 28) {
        EXPECT_GT(seen, 0.99 * rounds);
        EXPECT_LT(MedianOf(errors), 0.1);
      }
    }
  }
}

TEST(AccuracyTest, TheWeekAheadOfRealSystems) {
  if (DataSets().empty()) {
    GTEST_SKIP();
  }
  const std::filesystem::path folder = DataSets();
  JudgeSet("M4", M4(folder / "m4" / "Hourly-train.csv"));
  std::vector<Series> clouds = Clouds(folder / "nab");
  const std::vector<Series> more = Clouds(folder / "ms_cloud_monitoring" / "data");
  clouds.insert(clouds.end(), more.begin(), more.end());
  JudgeSet("clouds", clouds);
}

}  // namespace
}  // namespace ppmm

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const int result = RUN_ALL_TESTS();
  if (result == 0 && ppmm::DataSets().empty()) {
    std::puts("SKIPPED: PPMM_DATA_SETS names no folder with public series");
    return 77;
  }
  return result;
}
