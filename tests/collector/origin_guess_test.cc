#include "collector/origin_guess.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

using ::testing::ElementsAre;

wire::Instance Instance(wire::Origin origin, double confidence, const std::string& evidence) {
  wire::Instance instance;
  instance.set_origin_guess(origin);
  instance.set_origin_confidence(confidence);
  instance.add_origin_evidence()->set_text(evidence);
  return instance;
}

TEST(OriginGuessTest, NobodyAskedKnowsNothing) {
  const OriginGuess guess;
  EXPECT_EQ(OriginName(guess.origin()), "unknown");
  EXPECT_EQ(guess.confidence(), std::nullopt);
}

TEST(OriginGuessTest, TheSurestCounts) {
  OriginGuess guess;
  guess.Take(Instance(wire::ORIGIN_IN_HOUSE, 0.6, "copied"));
  guess.Take(Instance(wire::ORIGIN_OFF_THE_SHELF, 0.99, "packaged"));
  guess.Take(Instance(wire::ORIGIN_IN_HOUSE, 0.85, "built here"));
  EXPECT_EQ(OriginName(guess.origin()), "off_the_shelf");
  EXPECT_EQ(guess.confidence(), 0.99);
  EXPECT_THAT(guess.evidence(), ElementsAre("packaged"));
}

TEST(OriginGuessTest, OfEquallySureOnesTheFirst) {
  OriginGuess guess;
  guess.Take(Instance(wire::ORIGIN_IN_HOUSE, 0.9, "first"));
  guess.Take(Instance(wire::ORIGIN_OFF_THE_SHELF, 0.9, "second"));
  EXPECT_EQ(OriginName(guess.origin()), "in_house");
  EXPECT_THAT(guess.evidence(), ElementsAre("first"));
}

TEST(OriginGuessTest, OneThatDoesNotKnowGivesWay) {
  OriginGuess guess;
  guess.Take(Instance(wire::ORIGIN_UNKNOWN, 0, "cannot see"));
  EXPECT_THAT(guess.evidence(), ElementsAre("cannot see"));
  EXPECT_EQ(guess.confidence(), std::nullopt);
  guess.Take(Instance(wire::ORIGIN_IN_HOUSE, 0, "a guess without confidence is one"));
  EXPECT_EQ(OriginName(guess.origin()), "in_house");
  guess.Take(Instance(wire::ORIGIN_UNKNOWN, 0, "cannot see"));
  EXPECT_EQ(OriginName(guess.origin()), "in_house");
}

}  // namespace
}  // namespace ppmm
