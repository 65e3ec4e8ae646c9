"""ringdown.py: records metrics from a Python control loop into a shared-memory ring, through libring_c.

    with ringdown.Producer("plant") as producer:
        rtt = producer.gauge("wanctl_rtt_ms", {"wan": "spectrum"}, "ms")
        while running:
            rtt.push(measure(), time.time_ns())

One Producer belongs to one thread. Set-up (Producer, definitions, maintain) may block; a push never does, keeps the
interpreter lock and raises for nothing but arguments of a wrong type. A daemon outlives its telemetry: without a ring
the producer is inert, its pushes return False and are counted, and `why` tells.

The library is the file that RING_LIBRARY names, else libring_c.so.1 where ld.so finds it, else beside this module.
"""
from __future__ import annotations

import ctypes
import enum
import functools
import os
import pathlib
from ctypes import c_bool, c_char_p, c_double, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any, Callable, Mapping, Optional, Sequence

__all__ = ["Clock", "Group", "Loss", "Mode", "Producer", "RingError", "Series", "version"]

_SONAME = "libring_c.so.1"


class Clock(enum.IntEnum):
    """Whose time a push without a time stamp carries."""

    REALTIME = 0
    COARSE = 1  # as of the last kernel tick, 1 to 10 ms old
    COUNTER = 2  # the time stamp counter; call maintain() once a second


class Mode(enum.IntEnum):
    """What a full lane does; fixed when the ring is created."""

    DROP_NEWEST = 0
    OVERWRITE_OLDEST = 1


class Loss(enum.IntEnum):
    """Why a sample was lost."""

    LANE_FULL = 0
    NON_FINITE = 1
    UNKNOWN_SERIES = 2
    REENTRANT = 3
    DETACHED = 4


class RingError(Exception):
    """A bad argument, or no memory: `code` is that of ring.h, negative."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class _Label(ctypes.Structure):
    _fields_ = [("key", c_char_p), ("value", c_char_p)]


class _Options(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("lanes", c_uint32),
        ("lane_records", c_uint32),
        ("arena_bytes", c_uint32),
        ("mode", c_uint32),
        ("must_exist", c_uint32),
        ("clock", c_uint32),
        ("name", c_char_p),
    ]


class _Handle(c_void_p):
    """A ring_producer*, closed when its last user is gone. After close() it is NULL, which the library refuses."""

    def close(self) -> None:
        address, self.value = self.value, None
        if address:
            _close(address)

    def __del__(self) -> None:
        self.close()


def _library_names() -> list[str]:
    named = os.environ.get("RING_LIBRARY")
    return [named] if named else [_SONAME, str(pathlib.Path(__file__).resolve().parent / _SONAME)]


def _load() -> tuple[ctypes.CDLL, ctypes.PyDLL]:
    """The library twice: with calls that release the interpreter lock, and with calls that keep it, which are faster."""
    failures = []
    for name in _library_names():
        try:
            return ctypes.CDLL(name), ctypes.PyDLL(name)
        except OSError as failure:
            failures.append(str(failure))
    raise ImportError(
        "ringdown: cannot load libring_c: " + "; ".join(failures) + "; install it or name its file in RING_LIBRARY"
    )


_blocking, _quick = _load()


def _bind(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    function = getattr(library, name)
    function.argtypes, function.restype = arguments, result
    return function


_LABELS, _STRINGS = ctypes.POINTER(_Label), ctypes.POINTER(c_char_p)
_UNSIGNED, _SERIES, _VALUES = ctypes.POINTER(c_uint32), ctypes.POINTER(c_int), ctypes.POINTER(c_double)

_open = _bind(_blocking, "ring_open", c_int, ctypes.POINTER(_Handle), c_char_p, ctypes.POINTER(_Options))
_close = _bind(_blocking, "ring_close", None, c_void_p)
_maintain = _bind(_blocking, "ring_maintain", c_bool, _Handle)
_gauge = _bind(_quick, "ring_gauge", c_int, _Handle, c_char_p, c_char_p, _LABELS, c_size_t)
_counter = _bind(_quick, "ring_counter", c_int, _Handle, c_char_p, c_char_p, _LABELS, c_size_t)
_state = _bind(_quick, "ring_state", c_int, _Handle, c_char_p, _LABELS, c_size_t, _STRINGS, c_size_t)
_push = _bind(_quick, "ring_push", c_bool, _Handle, c_int, c_double, c_int64)
_push_now = _bind(_quick, "ring_push_now", c_bool, _Handle, c_int, c_double)
_push_many = _bind(_quick, "ring_push_many", c_size_t, _Handle, c_int64, _SERIES, _VALUES, c_size_t)
_attached = _bind(_quick, "ring_attached", c_bool, _Handle)
_why = _bind(_quick, "ring_why", c_char_p, _Handle)
_failure = _bind(_quick, "ring_failure", c_int, _Handle)
_lost = _bind(_quick, "ring_lost", c_uint64, _Handle, c_int)
_lost_total = _bind(_quick, "ring_lost_total", c_uint64, _Handle)
_left_behind = _bind(_quick, "ring_left_behind", c_uint64, _Handle)
_last_error = _bind(_quick, "ring_last_error", c_char_p)
_version = _bind(_quick, "ring_version", c_char_p, _UNSIGNED, _UNSIGNED)


def version() -> tuple[str, int, int]:
    """The library's version, and the major and minor version of the ring's bytes."""
    major, minor = c_uint32(), c_uint32()
    text = _version(major, minor).decode()
    return text, major.value, minor.value


def _checked(code: int) -> int:
    if code < 0:
        raise RingError(code, _last_error().decode(errors="replace"))
    return code


def _bytes(text: str) -> bytes:
    if "\0" in text:  # C would see the part before it
        raise RingError(-1, f"{text!r}: expected text without NUL")
    return text.encode()


class Series:
    """A series of one producer. Bind `push` to a local name in the hottest loop."""

    __slots__ = ("_handle", "id", "push", "push_now")

    push: Callable[[float, int], bool]
    """push(value, time_ns): False when it was refused, the loss is counted."""
    push_now: Callable[[float], bool]
    """push_now(value): with the time of the producer's clock."""

    def __init__(self, handle: _Handle, series: int) -> None:
        self._handle = handle
        self.id = series
        self.push = functools.partial(_push, handle, c_int(series))
        self.push_now = functools.partial(_push_now, handle, c_int(series))


class Group:
    """Series of one producer that are pushed together under one time stamp, which costs a quarter a value."""

    __slots__ = ("_handle", "_series", "_values", "_count")

    def __init__(self, handle: _Handle, series: Sequence[Series]) -> None:
        if any(one._handle is not handle for one in series):  # its number would mean another series
            raise RingError(-1, "group of series: one is of another producer; expected this producer's own")
        count = len(series)
        self._handle = handle
        self._series = (c_int * count)(*(one.id for one in series))
        self._values = (c_double * count)()
        self._count = count

    def push(self, values: Sequence[float], time_ns: int) -> int:
        """One value a series, in the group's order. Returns how many were accepted."""
        self._values[:] = values
        return _push_many(self._handle, time_ns, self._series, self._values, self._count)


class Producer:
    """What records. See ring.h for the options; `name` is at most 16 bytes, by default the process' command name."""

    def __init__(
        self,
        ring: str,
        *,
        lanes: int = 0,
        lane_records: int = 0,
        arena_bytes: int = 0,
        mode: Mode = Mode.DROP_NEWEST,
        create: bool = True,
        clock: Clock = Clock.REALTIME,
        name: Optional[str] = None,
    ) -> None:
        options = _Options(
            ctypes.sizeof(_Options), lanes, lane_records, arena_bytes, mode, not create, clock,
            None if name is None else _bytes(name),
        )
        self._handle = _Handle()
        _checked(_open(self._handle, _bytes(ring), options))

    def __enter__(self) -> Producer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees the lane; what was pushed stays in the ring. Later pushes return False."""
        self._handle.close()

    def gauge(self, name: str, labels: Optional[Mapping[str, str]] = None, unit: str = "") -> Series:
        """A value that goes up and down. The same series defined twice is one."""
        return self._series(_gauge(self._handle, _bytes(name), _bytes(unit), *_to_labels(labels)))

    def counter(self, name: str, labels: Optional[Mapping[str, str]] = None, unit: str = "") -> Series:
        """A total that only grows, and starts again from zero when its process does."""
        return self._series(_counter(self._handle, _bytes(name), _bytes(unit), *_to_labels(labels)))

    def state(self, name: str, states: Sequence[str], labels: Optional[Mapping[str, str]] = None) -> Series:
        """One of a few named values; `states` names the values 0, 1, ..."""
        names = (c_char_p * len(states))(*map(_bytes, states))
        return self._series(_state(self._handle, _bytes(name), *_to_labels(labels), names, len(states)))

    def group(self, series: Sequence[Series]) -> Group:
        return Group(self._handle, series)

    def push(self, series: Series, value: float, time_ns: Optional[int] = None) -> bool:
        """False when it was refused: nothing written, the loss is counted. `series.push` costs less."""
        return series.push_now(value) if time_ns is None else series.push(value, time_ns)

    def push_many(self, time_ns: int, series: Sequence[Series], values: Sequence[float]) -> int:
        """Pairs of series and value under one time stamp; returns how many were accepted. A `group` costs less."""
        return Group(self._handle, series).push(values, time_ns)

    def maintain(self) -> bool:
        """For outside the loop, once a second or so: attaches what is not attached. Returns `attached`."""
        return _maintain(self._handle)

    @property
    def attached(self) -> bool:
        return _attached(self._handle)

    @property
    def why(self) -> str:
        """What keeps this producer from recording, or the last series it had no room for; empty when all is well."""
        return _why(self._handle).decode(errors="replace")

    @property
    def failure(self) -> int:
        """The same as a code of ring.h; 0 when all is well."""
        return _failure(self._handle)

    def lost(self, reason: Optional[Loss] = None) -> int:
        """Samples lost since the producer attached, of one reason or of all."""
        return _lost_total(self._handle) if reason is None else _lost(self._handle, reason)

    @property
    def left_behind(self) -> int:
        """Records not stored yet in a ring when maintain() left it for the new one of its name."""
        return _left_behind(self._handle)

    def _series(self, code: int) -> Series:
        return Series(self._handle, _checked(code))


def _to_labels(labels: Optional[Mapping[str, str]]) -> tuple[Any, int]:
    pairs = [_Label(_bytes(key), _bytes(value)) for key, value in (labels or {}).items()]
    return (_Label * len(pairs))(*pairs), len(pairs)
