/* Include the file that UPSHAPE_EACH_REAL names for float and for double: one body for both, with
 * lines that debuggers and compilers can point to.
 *
 *     #define UPSHAPE_EACH_REAL "body.inc.h"
 *     #include "each_real.h"
 *
 * In such a file REAL is the type, VECTOR and INTS a vector of it and of integers as wide, LANES how
 * many of them a vector has, and OF(name) the name of a function for it: name_32 or name_64. */
#define LANES ((int)(UPSHAPE_VECTOR_BYTES / sizeof(REAL)))

#define REAL float
#define VECTOR upshape_floats
#define INTS upshape_words
#define OF(name) name##_32
#include UPSHAPE_EACH_REAL
#undef REAL
#undef VECTOR
#undef INTS
#undef OF

#define REAL double
#define VECTOR upshape_doubles
#define INTS upshape_longs
#define OF(name) name##_64
#include UPSHAPE_EACH_REAL
#undef REAL
#undef VECTOR
#undef INTS
#undef OF

#undef LANES
#undef UPSHAPE_EACH_REAL
