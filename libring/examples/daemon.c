/* daemon.c: a 20 Hz control loop that records how late it wakes, its cycles and its mode.
 * usage: example_c RING [--seconds N]    without --seconds: until SIGTERM or Ctrl-C */
#define _POSIX_C_SOURCE 200809L
#include <ring/ring.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile sig_atomic_t stop = 0;
static void on_signal(int number) { stop = number; }
static int64_t to_ns(struct timespec t) { return t.tv_sec * INT64_C(1000000000) + t.tv_nsec; }
static struct timespec to_timespec(int64_t ns) { return (struct timespec){ns / 1000000000, ns % 1000000000}; }
static int64_t clock_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return to_ns(t);
}

int main(int argc, char** argv) {
  const int limited = argc == 4 && strcmp(argv[2], "--seconds") == 0;
  if (argc != 2 && !limited) return fprintf(stderr, "usage: %s RING [--seconds N]\n", argv[0]), 2;
  const long cycles_max = limited ? 20 * atol(argv[3]) : -1;
  signal(SIGTERM, on_signal);
  signal(SIGINT, on_signal);

  ring_producer* producer;
  if (ring_open(&producer, argv[1], NULL) != RING_OK) return fprintf(stderr, "%s\n", ring_last_error()), 1;
  const ring_label loop[] = {{"loop", "main"}};
  const char* const modes[] = {"STARTING", "RUNNING"};
  const ring_series series[] = {ring_gauge(producer, "daemon_lateness_ms", "ms", loop, 1),
                                ring_counter(producer, "daemon_cycles_total", NULL, NULL, 0),
                                ring_state(producer, "daemon_mode", NULL, 0, modes, 2)};
  if (!ring_attached(producer)) fprintf(stderr, "not recording for now: %s\n", ring_why(producer));

  int64_t wake_ns = clock_ns(CLOCK_MONOTONIC);
  for (long cycle = 0; !stop && cycle != cycles_max; ++cycle) {
    const double late_ms = (double)(clock_ns(CLOCK_MONOTONIC) - wake_ns) * 1e-6;
    const double values[] = {late_ms, (double)(cycle + 1), cycle < 10 ? 0 : 1};
    ring_push_many(producer, clock_ns(CLOCK_REALTIME), series, values, 3); /* one time stamp for all */
    if (cycle % 20 == 19) ring_maintain(producer);
    const struct timespec next = to_timespec(wake_ns += 50000000);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
  }
  ring_close(producer);
  return 0;
}
