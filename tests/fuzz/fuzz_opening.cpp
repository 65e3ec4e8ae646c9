// fuzz_opening.cpp: fuzz_segment.cpp with every opening, commit and fold done for real: a tenth of the speed, and the
// object's header and the store are in it.
#define FUZZ_OPENING
#include "fuzz_segment.cpp"
