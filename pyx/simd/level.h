/* What a CPU level is: a handful of properties, named here and nowhere else.
 *
 *                        bytes   registers   masks   FMA
 *     x86-64-v2             16          16       0     0
 *     x86-64-v3             32          16       0     1
 *     x86-64-v4             64          32       1     1
 *     AArch64 (NEON)        16          32       0     1
 *     any other             16          16       0     0
 *
 * UPSHAPE_VECTOR_BYTES  bytes of a vector
 * UPSHAPE_REGISTERS     vectors that the registers hold: what a tile is made for
 * UPSHAPE_HAS_MASKS     a part of a vector is loaded and stored by one instruction
 * UPSHAPE_HAS_FMA       a product is added to without being rounded
 *
 * Vector width, tile shapes and paths hang on these. UPSHAPE_VECTOR_BYTES and UPSHAPE_REGISTERS may be
 * given to the compiler, so that one level's logic is compiled in another's instructions: wide
 * vectors are split as they must be. An intrinsic stands behind a test of the instruction set, and
 * has a portable fallback. */
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

#ifndef UPSHAPE_REGISTERS
#if UPSHAPE_VECTOR_BYTES == 64 || defined(__aarch64__)
#define UPSHAPE_REGISTERS 32
#else
#define UPSHAPE_REGISTERS 16
#endif
#endif

#if defined(__AVX512F__) && UPSHAPE_VECTOR_BYTES == 64
#define UPSHAPE_HAS_MASKS 1
#else
#define UPSHAPE_HAS_MASKS 0
#endif

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define UPSHAPE_HAS_FMA 1
#else
#define UPSHAPE_HAS_FMA 0
#endif

#define UPSHAPE_INLINE static inline __attribute__((always_inline))
#define UPSHAPE_CALLED static __attribute__((noinline, unused))

/* A loop over registers, whose number is known: as many copies of its body. */
#ifdef __clang__
#define UPSHAPE_UNROLLED(count) _Pragma("clang loop unroll(full)")
#else
#define UPSHAPE_PRAGMA(text) _Pragma(#text)
#define UPSHAPE_UNROLLED(count) UPSHAPE_PRAGMA(GCC unroll count)
#endif
#define UPSHAPE_UNROLL UPSHAPE_UNROLLED(16)
#define UPSHAPE_UNROLL_MORE UPSHAPE_UNROLLED(64)

#endif
