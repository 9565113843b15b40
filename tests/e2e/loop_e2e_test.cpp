// The loop between real processes: whoever is killed whenever, each region and each label counts once, and
// the model that comes out is the one that an undisturbed run makes.
#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <map>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <random>
#include <set>
#include <thread>
#include <tuple>

#include "config/digest.h"
#include "config/durable_file.h"
#include "tests/e2e/loop_world.h"
#include "tests/e2e/on_a_drive.h"
#include "uplink/outbox.h"

namespace driftloop::e2e {
namespace {
namespace fs = std::filesystem;

/// Another seed moves the kills: DRIFTLOOP_E2E_SEED=... for a longer hunt.
unsigned kill_seed() {
  const char* given = std::getenv("DRIFTLOOP_E2E_SEED");
  return given ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : 11;
}

using Place = std::tuple<std::string, int, int>;  // a region: frame name, x, y (all have one size)

/// What one vehicle and its station hold in the end.
struct Books {
  std::map<std::string, Place> receipted;  // the vehicle's: digest -> place
  std::vector<std::string> stored;         // the station's regions
  std::vector<std::string> acknowledged;   // the station's labels that the vehicle confirmed
  std::map<std::string, int> inbox;        // the vehicle's labels: request digest -> how often
  std::int64_t labelled_regions = 0, labelled_pixels = 0;
  std::int64_t unsettled = 0;  // regions or labels in any other state
  std::map<int, std::set<Place>> asked_by_round;
};

Books read_books(const LoopWorld& world) {
  Books books;
  SQLite::Database outbox((world.vehicle_state / "outbox.db").string(), SQLite::OPEN_READONLY);
  SQLite::Statement rows(outbox, "SELECT digest,frame_name,x,y,round FROM outbox");
  while (rows.executeStep()) {
    const Place place{rows.getColumn(1).getString(), rows.getColumn(2).getInt(), rows.getColumn(3).getInt()};
    books.receipted[rows.getColumn(0).getString()] = place;
    EXPECT_TRUE(books.asked_by_round[rows.getColumn(4).getInt()].insert(place).second)
        << "asked for twice: " << std::get<0>(place);
  }
  SQLite::Database ledger((world.station_state / "ledger.sqlite").string(), SQLite::OPEN_READONLY);
  SQLite::Statement regions(ledger, "SELECT digest FROM regions");
  while (regions.executeStep()) books.stored.push_back(regions.getColumn(0).getString());
  SQLite::Statement labels(ledger, "SELECT request_digest FROM labels");
  while (labels.executeStep()) books.acknowledged.push_back(labels.getColumn(0).getString());
  // All rows are taken for settled above; the books themselves say how many are not.
  const Outcome status =
      run({kStation, "status", "--state", world.station_state.string(), "--json"}, world.folder / "books");
  EXPECT_EQ(status.status, 0) << status.all();
  for (const auto& [vehicle_id, counts] : nlohmann::json::parse(status.out).at("vehicles").items())
    for (const char* unsettled : {"waiting", "damaged", "unacknowledged", "orphaned"})
      books.unsettled += counts.at(unsettled).get<std::int64_t>();
  uplink::Outbox inbox(world.vehicle_state / "outbox.db");
  const auto stats = inbox.stats();
  books.unsettled += stats.queued + stats.refused + stats.quarantined;
  for (const auto& label : inbox.labels_after(0)) {
    ++books.inbox[label.reply.request_digest];
    EXPECT_EQ(label.reply.outcome, uplink::LabelReply::Outcome::labelled) << label.reply.reason;
    const cv::Mat mask =
        cv::imdecode(std::vector<unsigned char>(label.reply.mask_png.begin(), label.reply.mask_png.end()),
                     cv::IMREAD_UNCHANGED);
    ++books.labelled_regions;
    books.labelled_pixels += cv::countNonZero(mask != 255);
  }
  return books;
}

void expect_everything_once(const LoopWorld& world) {
  const Books books = read_books(world);
  std::map<std::string, int> in_ledger, confirmed;
  for (const auto& digest : books.stored) ++in_ledger[digest];
  for (const auto& digest : books.acknowledged) ++confirmed[digest];
  EXPECT_EQ(books.receipted.size(), static_cast<std::size_t>(kRounds * kAskedPerRound));
  EXPECT_EQ(books.unsettled, 0);
  std::set<Place> places;
  for (const auto& [digest, place] : books.receipted) {
    EXPECT_EQ(in_ledger[digest], 1) << "receipted, not in the ledger once: " << digest;
    EXPECT_TRUE(places.insert(place).second)
        << "one place of frame " << std::get<0>(place) << " was asked for twice";
  }
  EXPECT_EQ(in_ledger.size(), books.receipted.size())
      << "the ledger holds regions that the vehicle does not know";
  EXPECT_EQ(confirmed.size(), books.receipted.size());
  for (const auto& [digest, times] : confirmed) {
    EXPECT_EQ(times, 1) << digest;
    const auto found = books.inbox.find(digest);
    EXPECT_TRUE(found != books.inbox.end() && found->second == 1)
        << "acknowledged, not in the inbox once: " << digest;
  }
  const auto rounds = world.rounds();
  ASSERT_EQ(rounds.size(), static_cast<std::size_t>(kRounds)) << world.logs();
  for (int round = 1; round <= kRounds; ++round) {
    const auto& record = rounds[static_cast<std::size_t>(round) - 1];
    EXPECT_EQ(record.at("round"), round);
    EXPECT_EQ(record.at("steps"), round * kStepsPerRound);
    EXPECT_EQ(record.at("regions"), round * kAskedPerRound);
    EXPECT_EQ(record.at("asked_regions"), round * kAskedPerRound);
    EXPECT_TRUE(fs::exists(world.vehicle_state / record.at("weights").get<std::string>()));
  }
  EXPECT_EQ(rounds.back().at("regions"), books.labelled_regions);
  EXPECT_EQ(rounds.back().at("labelled_pixels"), books.labelled_pixels)
      << "a label was merged twice or not at all";
  const auto status = world.status();
  EXPECT_EQ(status.value("phase", ""), "done") << status;
  EXPECT_EQ(status.value("running", true), false) << status;
  EXPECT_EQ(status.value("frames_in_store", 0), kFrames) << status;
}

std::string weights_of_round(const LoopWorld& world, int round) {
  return config::sha256_hex(config::read_file(world.vehicle_state / "models" /
                                              ("round_" + std::to_string(round) + ".safetensors")));
}

/// What a run came to; times and bytes on the wire left out.
nlohmann::json findings(const LoopWorld& world) {
  nlohmann::json findings;
  const Books books = read_books(world);
  for (int round = 1; round <= kRounds; ++round) {
    auto record = world.rounds().at(static_cast<std::size_t>(round) - 1);
    for (const char* key : {"seconds", "bytes_sent", "bytes_received", "memory_bytes"}) record.erase(key);
    findings.push_back({{"record", record},
                        {"weights", weights_of_round(world, round)},
                        {"asked", nlohmann::json::array()}});
    for (const auto& [frame, x, y] : books.asked_by_round.at(round))
      findings.back()["asked"].push_back({frame, x, y});
  }
  return findings;
}

class Loop : public OnADrive {};

enum class Who { vehicle, station };

/// A kill: who, and the first moment at which it may come. `when` looks from outside and stays true once it
/// was.
struct Kill {
  const char* name;
  Who who;
  std::function<bool()> when;
};

/// Round `round` is under way and in `phase`, or over.
bool reached(const LoopWorld& world, int round, const std::string& phase) {
  const auto status = world.status();
  const int now = status.value("round", 0);
  return now > round || (now == round && status.value("phase", "") == phase);
}

std::vector<Kill> killing_plan(const LoopWorld& world, std::mt19937& random) {
  // Labels of a round arrive one by one: a number of them inside the round is a moment of their way.
  const auto labels = [&](int round) {
    const int count = (round - 1) * kAskedPerRound + 1 + static_cast<int>(random() % (kAskedPerRound / 2));
    return [&world, count] { return world.labels_arrived() >= count; };
  };
  return {
      {"the vehicle in its warm-up", Who::vehicle,
       [&] { return fs::exists(world.vehicle_state / "warmup"); }},
      {"the vehicle while labels of round 1 travel", Who::vehicle, labels(1)},
      {"the station while the rest of them travel", Who::station, labels(1)},
      {"the vehicle while it trains in round 1", Who::vehicle, [&] { return reached(world, 1, "training"); }},
      {"the station while round 2 is under way", Who::station, [&] { return reached(world, 2, "waiting"); }},
      {"the vehicle while labels of round 2 travel", Who::vehicle, labels(2)},
      {"the station while labels of round 3 travel", Who::station, labels(3)},
      {"the vehicle while it trains in round 3", Who::vehicle,
       [&] { return reached(world, 3, "training"); }}};
}

TEST_F(Loop, KillsLoseNothingRepeatNothingAndChangeNothing) {
  std::mt19937 random(kill_seed());
  RecordProperty("kill_seed", std::to_string(kill_seed()));
  LoopWorld killed(drive());
  killed.start_station();
  killed.start_vehicle();
  int kills = 0, among_labels = 0;
  for (const auto& kill : killing_plan(killed, random)) {
    const auto ended = [&] { return killed.vehicle->wait(std::chrono::milliseconds(0)).has_value(); };
    ASSERT_TRUE(eventually([&] { return kill.when() || ended(); })) << "waiting to kill " << kill.name << '\n'
                                                                    << killed.logs();
    // The random instant is what is tested here, not something that is waited for.
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 30'000));
    const bool vehicle = kill.who == Who::vehicle;
    ASSERT_TRUE(kill_now(vehicle ? killed.vehicle : killed.station))
        << "nothing left to kill: " << kill.name << '\n'
        << killed.logs();
    ++kills;
    among_labels += killed.labels_arrived() % kAskedPerRound != 0;
    if (vehicle)
      killed.start_vehicle();
    else
      killed.start_station();
  }
  ASSERT_EQ(killed.wait_for_vehicle(), 0) << killed.logs();
  killed.station->terminate();
  EXPECT_EQ(killed.station->wait(kPatience), 0) << killed.logs();
  std::printf("%d kills, %d of them with a part of a round's labels on their way\n", kills, among_labels);
  EXPECT_GE(among_labels, 1) << "no kill found labels travelling: the plan no longer tests what it is for";
  expect_everything_once(killed);

  const Outcome eval =
      run({kDriftloop, "eval", "--weights", (killed.vehicle_state / "live" / "model.safetensors").string(),
           "--data", "folder:" + drive().string(), "--json", (killed.folder / "eval.json").string()},
          killed.folder / "eval");
  EXPECT_EQ(eval.status, 0) << eval.all();
  EXPECT_EQ(read_json(killed.folder / "eval.json").value("images", 0), kFrames);

  LoopWorld calm(drive());
  calm.start_station();
  calm.start_vehicle();
  ASSERT_EQ(calm.wait_for_vehicle(), 0) << calm.logs();
  expect_everything_once(calm);
  EXPECT_EQ(findings(killed), findings(calm)) << "the kills changed what was asked for or what was learnt";
}

TEST_F(Loop, StopsWithinFiveSecondsOfSigtermAndGoesOn) {
  LoopWorld world(drive());
  world.start_station();
  world.start_vehicle();
  for (const char* phase : {"waiting", "training"}) {
    ASSERT_TRUE(eventually([&] { return reached(world, 1, phase); })) << world.logs();
    world.vehicle->terminate();
    EXPECT_EQ(world.vehicle->wait(std::chrono::seconds(5)), 0) << "the vehicle, " << phase << '\n'
                                                               << world.logs();
    EXPECT_EQ(world.status().value("running", true), false);
    world.station->terminate();
    EXPECT_EQ(world.station->wait(std::chrono::seconds(5)), 0) << "the station\n" << world.logs();
    world.start_station();
    world.start_vehicle();
  }
  ASSERT_EQ(world.wait_for_vehicle(), 0) << world.logs();
  world.station->terminate();
  EXPECT_EQ(world.station->wait(std::chrono::seconds(5)), 0);
  expect_everything_once(world);
}

}  // namespace
}  // namespace driftloop::e2e
