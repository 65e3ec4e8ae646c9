/* tracepoint.h: the LTTng-UST tracepoint that carries a record, in the form that LTTng's headers include. */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER ringdown_bench

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "peers/tracepoint.h"

#if !defined(RINGDOWN_BENCH_TRACEPOINT_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define RINGDOWN_BENCH_TRACEPOINT_H

#include <lttng/tracepoint.h>
#include <stdint.h>

LTTNG_UST_TRACEPOINT_EVENT(
  ringdown_bench, sample,
  LTTNG_UST_TP_ARGS(int64_t, time_ns, double, value, uint64_t, series, uint64_t, seq),
  LTTNG_UST_TP_FIELDS(
    lttng_ust_field_integer(int64_t, time_ns, time_ns)
    lttng_ust_field_float(double, value, value)
    lttng_ust_field_integer(uint64_t, series, series)
    lttng_ust_field_integer(uint64_t, seq, seq)))

#endif

#include <lttng/tracepoint-event.h>
