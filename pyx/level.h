/* The width that a kernel is written for at each CPU level. Everything that depends on the level
 * (vector width, tile shapes) hangs on UPSHAPE_VECTOR_BYTES, so that one level's logic can be
 * compiled with another level's instructions: the compiler splits wide vectors as it must. */
#ifndef UPSHAPE_LEVEL_H
#define UPSHAPE_LEVEL_H

#ifndef UPSHAPE_VECTOR_BYTES
#if defined(__AVX512F__)
#define UPSHAPE_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define UPSHAPE_VECTOR_BYTES 32
#else
#define UPSHAPE_VECTOR_BYTES 16
#endif
#endif

/* A loop over registers, whose number is known: as many copies of its body. */
#ifdef __clang__
#define UPSHAPE_UNROLLED(count) _Pragma("clang loop unroll(full)")
#else
#define UPSHAPE_PRAGMA(text) _Pragma(#text)
#define UPSHAPE_UNROLLED(count) UPSHAPE_PRAGMA(GCC unroll count)
#endif

#endif
