// A vehicle without camera and learner, to be killed: queues numbered regions in small batches and steps its
// link until every region is receipted and every label is there. What it did before a kill it finds in its
// outbox again.
#include <cstdlib>
#include <iostream>

#include "tests/station/truth.h"
#include "uplink/outbox.h"
#include "uplink/zmq_vehicle_link.h"

int main(int argc, char** argv) {
  using namespace driftloop;
  if (argc != 7) return 2;
  const std::string folder = argv[1], endpoint = argv[2], key = argv[3], station_key = argv[4], id = argv[5];
  const int regions = std::atoi(argv[6]);
  try {
    uplink::Outbox outbox(folder + "/outbox.sqlite");
    uplink::VehicleLinkOptions options;
    options.station_endpoint = endpoint;
    options.station_public_key = station_key;
    options.secret_key_file = key;
    options.vehicle_id = id;
    uplink::VehicleLink link(options, outbox);
    auto stats = outbox.stats();
    for (int n = 0; stats.labels < regions || stats.queued > 0; n = std::min(n + 3, regions)) {
      std::vector<uplink::OutboundItem> items;
      for (int i = n; i < std::min(n + 3, regions); ++i)
        items.push_back(uplink::outbound(station::test::numbered_request(i, id), i % 7));
      if (outbox.add(items) != uplink::StoreOutcome::done) return 3;
      link.step(std::chrono::milliseconds(n < regions ? 1 : 20));
      stats = outbox.stats();
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "vehicle: " << error.what() << '\n';
    return 1;
  }
}
