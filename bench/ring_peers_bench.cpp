// ring_peers_bench.cpp: what a push costs beside what else could carry a record, in the same situations.
#include "peers/axes.hpp"
#include "peers/channels.hpp"
#include "peers/ours.hpp"
#include "peers/queues.hpp"
#include "peers/recorders.hpp"

namespace {

void add_all() {
  using namespace peers;
  add_rival<Ring>();
  add_rival<RingOverwrite>();
  add_rival<BoostSpsc>();
#ifdef PEERS_READERWRITERQUEUE
  add_rival<MoodycamelSpsc>();
#else
  add_missing("moodycamel_readerwriterqueue", "libreaderwriterqueue-dev");
#endif
#ifdef PEERS_ATOMIC_QUEUE
  add_rival<AtomicQueue<true>>();
  add_rival<AtomicQueue<false>>();
#else
  add_missing("atomic_queue", "libatomic-queue-dev");
#endif
#ifdef PEERS_CONCURRENTQUEUE
  add_rival<MoodycamelMpmc>();
#else
  add_missing("moodycamel_concurrentqueue", "libconcurrentqueue-dev");
#endif
  add_rival<BoostMessageQueue>();
  add_rival<Pipe>();
  add_rival<DatagramSocket>();
  add_rival<PosixMessageQueue>();
#ifdef PEERS_LTTNG
  add_rival<LttngUst>();
#else
  add_missing("lttng_ust", "liblttng-ust-dev");
#endif
#ifdef PEERS_MMV
  add_rival<PcpMmv>();
#else
  add_missing("pcp_mmv", "libpcp-mmv1-dev");
#endif
  add_rival<SqliteInsert>();
}

}  // namespace

int main(int argc, char** argv) {
  bench::tick_ns();
  add_all();
  return bench::run(argc, argv);
}
