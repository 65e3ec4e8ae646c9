/* ring.h: the C API of libring, by which a daemon records its metrics.
 *
 *   ring_producer* producer;
 *   if (ring_open(&producer, "plant", NULL) != RING_OK) fprintf(stderr, "%s\n", ring_last_error());
 *   const ring_label wan[] = {{"wan", "spectrum"}};
 *   const ring_series rtt = ring_gauge(producer, "wanctl_rtt_ms", "ms", wan, 1);
 *   ring_push_now(producer, rtt, 23.4);
 *
 * What it does not support:
 *   - Two threads in one producer: each thread that pushes opens its own.
 *   - Reading. ring-persister drains a ring, ring-inspect shows it, C++ programs have ring/consumer.hpp.
 *   - Removing a ring, or changing its size: it keeps the geometry it was created with.
 *   - Anything but finite doubles: no text, histogram or 64-bit integer beyond 2^53.
 *   - Pushing for a parent after fork(): the child's pushes are refused and counted until its own
 * ring_maintain().
 *
 * Failures. A function that can fail returns a negative code, and ring_last_error() tells the rest. A daemon
 * outlives its telemetry, so what the environment lacks (a ring, a free lane, space in /dev/shm, ...) is not
 * an error: ring_open() gives an inert producer, its pushes return false and are counted, ring_why() tells
 * and ring_maintain() tries again. Without a producer at all (NULL) every function is harmless: pushes return
 * false, definitions an error, counts 0. Strings are NUL terminated and copied; those returned are the
 * library's. No C++ exception leaves the library.
 */
#ifndef RING_RING_H
#define RING_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define RING_API __attribute__((visibility("default")))
#else
#define RING_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum {
  RING_OK = 0,
  RING_BAD_ARGUMENT = -1, /* NULL, or a name, label, option or geometry outside its grammar or limits */
  RING_NO_RING = -2,      /* it does not exist and was not to be created */
  RING_NO_PERMISSION = -3,
  RING_BAD_VERSION = -4, /* another ABI major */
  RING_FOREIGN = -5,     /* not a ring, or damaged */
  RING_NO_FREE_LANE = -6,
  RING_NO_MEMORY = -7,  /* also: /dev/shm is full */
  RING_ARENA_FULL = -8, /* no room for one more definition */
  RING_BUSY = -9,       /* a creator that does not finish */
  RING_SYSTEM = -10     /* any other failed system call */
};

/* What a code means, in a few words. Never NULL. */
RING_API const char* ring_strerror(int code);
/* The calling thread's last negative result in full: the thing, what was found, what was expected. */
RING_API const char* ring_last_error(void);
/* The library's version, as "0.1.0". The pointers receive that of the ring's bytes; either may be NULL. */
RING_API const char* ring_version(uint32_t* abi_major, uint32_t* abi_minor);

typedef struct ring_producer ring_producer;

enum { RING_DROP_NEWEST = 0, RING_OVERWRITE_OLDEST = 1 };
enum {
  RING_CLOCK_REALTIME = 0,
  RING_CLOCK_COARSE = 1, /* as of the last kernel tick, 1 to 10 ms old, several times cheaper */
  RING_CLOCK_COUNTER = 2 /* the time stamp counter, kept with the realtime clock by ring_maintain(), once a second */
};

/* Zeros are the defaults: ring_options options = {sizeof options}. Later versions append fields. */
typedef struct ring_options {
  size_t size;           /* sizeof(ring_options); bytes that this library does not know must be 0 */
  uint32_t lanes;        /* producers at a time: 1 to 1024, default 64 */
  uint32_t lane_records; /* a power of two, 64 to 2^24, default 65536 */
  uint32_t arena_bytes;  /* for a lane's definitions: a multiple of 4096, up to 2^26, default 262144 */
  uint32_t mode;         /* what a full lane does: RING_DROP_NEWEST or RING_OVERWRITE_OLDEST */
  uint32_t must_exist;   /* 1: do not create the ring. The four fields above are for its creation only */
  uint32_t clock;        /* of ring_push_now(): one of RING_CLOCK_* */
  const char* name;      /* of this producer, at most 16 bytes; NULL: the process' command name */
} ring_options;

/* Attaches to a ring, creating it if it is not there. `options` may be NULL. Fails only for RING_BAD_ARGUMENT
 * or RING_NO_MEMORY (then *producer is NULL); else *producer is one, attached or inert. May block for 2 s, on
 * another process that is creating the ring. */
RING_API int ring_open(ring_producer** producer, const char* ring, const ring_options* options);
/* Frees the lane; what was pushed stays in the ring. */
RING_API void ring_close(ring_producer* producer);

/* A series of one producer. Pushes with a negative one, a failed definition's code, are counted as lost. */
typedef int ring_series;

typedef struct ring_label {
  const char* key;
  const char* value;
} ring_label;

/* Define a series; the same one twice gives the same handle. Names and labels follow Prometheus' grammar.
 * `unit` is what values are measured in, for example "ms"; NULL: none. May allocate: not for the loop. With
 * no room left the handle is inert: its samples are counted as lost, and ring_why() tells. Fail for
 * RING_BAD_ARGUMENT or RING_NO_MEMORY. */
RING_API ring_series ring_gauge(ring_producer* producer, const char* name, const char* unit,
                                const ring_label* labels, size_t label_count);
RING_API ring_series ring_counter(ring_producer* producer, const char* name, const char* unit,
                                  const ring_label* labels, size_t label_count);
/* `states` names the values 0, 1, ..., at most 64. */
RING_API ring_series ring_state(ring_producer* producer, const char* name, const ring_label* labels,
                                size_t label_count, const char* const* states, size_t state_count);

/* Publishes one sample. Wait-free: no allocation, lock or system call. `time_ns` is CLOCK_REALTIME since the
 * epoch. False when it was refused: nothing written, the loss is counted by reason. */
RING_API bool ring_push(ring_producer* producer, ring_series series, double value, int64_t time_ns);
/* As above, with the time of the clock chosen in the options. */
RING_API bool ring_push_now(ring_producer* producer, ring_series series, double value);
/* Publishes `count` pairs of series and value under one time stamp. Returns how many were accepted; each of
 * the others is counted as a loss. */
RING_API size_t ring_push_many(ring_producer* producer, int64_t time_ns, const ring_series* series,
                               const double* values, size_t count);

/* For outside the loop, once a second or so: attaches a producer that is inert, a forked child's copy, or one
 * whose ring was replaced. One system call when there is nothing to do. Returns ring_attached(). */
RING_API bool ring_maintain(ring_producer* producer);
RING_API bool ring_attached(const ring_producer* producer);
/* What keeps the producer from recording, or the last series it had no room for; "" when all is well. Valid
 * until the next ring_maintain(), definition or ring_close(). */
RING_API const char* ring_why(const ring_producer* producer);
/* The same as a code; RING_OK when all is well. */
RING_API int ring_failure(const ring_producer* producer);

enum {
  RING_LOST_LANE_FULL = 0, /* the reader is behind by a whole lane */
  RING_LOST_NON_FINITE = 1,
  RING_LOST_UNKNOWN_SERIES = 2,
  RING_LOST_REENTRANT = 3, /* pushed from a signal handler that interrupted a push */
  RING_LOST_DETACHED = 4   /* pushed while inert */
};

/* Samples lost since the producer attached: of one reason, and of all. */
RING_API uint64_t ring_lost(const ring_producer* producer, int reason);
RING_API uint64_t ring_lost_total(const ring_producer* producer);
/* Records not stored yet in a ring when ring_maintain() left it for the new one of its name. A ring-persister
 * that still holds the old ring stores them; without one they are gone. */
RING_API uint64_t ring_left_behind(const ring_producer* producer);

#ifdef __cplusplus
}
#endif
#endif
