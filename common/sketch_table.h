/*
 * The table that turns a duration in nanoseconds into the index of a schema-5 bucket on seconds, in plain C so that the
 * BPF programs and common/sketch.cc share it. It needs no other header.
 *
 * For v > 0, e = floor(log2(v)) and m = v << (63 - e) (the mantissa, left-aligned to 64 bits):
 *     entry = kPpmmSketchTable[(m >> 57) & 63];
 *     local = 32 * e + (entry & 127) + (m > entry);        Prometheus' index = local - PPMM_SKETCH_LOCAL_OFFSET
 *
 * The bounds 10^9 * 2^(k/32) ns repeat in each octave of v, so 32 mantissa thresholds are enough. The 64 cells are
 * narrower than the narrowest bucket: at most one threshold lies in a cell. An entry is that threshold, rounded down,
 * with its low 7 bits replaced by the number of thresholds below the cell; a cell without one has all upper bits set.
 * The low bits are free because m ends in 7 zero bits for v < 2^57 ns (4.6 years), below which no index is wrong.
 * tests/common/sketch_test.cc recomputes every entry with big integers.
 */
#ifndef PPMM_COMMON_SKETCH_TABLE_H_
#define PPMM_COMMON_SKETCH_TABLE_H_

#define PPMM_SKETCH_LOCAL_OFFSET 956
#define PPMM_SKETCH_CELLS 64

/* clang-format off */
static const unsigned long long kPpmmSketchTable[PPMM_SKETCH_CELLS] = {
    0x81ffa7a9549ca680ull, 0xffffffffffffff81ull, 0x84d8626d3118d381ull, 0x87c11235836d1682ull,
    0xffffffffffffff83ull, 0x8aba10758e1ea383ull, 0x8dc3b8960164a784ull, 0xffffffffffffff85ull,
    0x90de67fff6000405ull, 0xffffffffffffff86ull, 0x940a7e28259fb386ull, 0x97485c9a622adb07ull,
    0xffffffffffffff88ull, 0x9a9867054d512388ull, 0x9dfb034651c99c09ull, 0xffffffffffffff8aull,
    0xa1709975dfb0670aull, 0xffffffffffffff8bull, 0xa4f993f3ed7b618bull, 0xffffffffffffff8cull,
    0xa8965f74bf06500cull, 0xffffffffffffff8dull, 0xac476b0df43f740dull, 0xffffffffffffff8eull,
    0xb00d2843e1060d8eull, 0xb3e80b172fd51a8full, 0xffffffffffffff90ull, 0xb7d88a12d0dd9e90ull,
    0xffffffffffffff91ull, 0xbbdf1e5a373ce591ull, 0xffffffffffffff92ull, 0xbffc43b7e604a912ull,
    0xffffffffffffff93ull, 0xffffffffffffff93ull, 0xc43078ac4ed47a93ull, 0xffffffffffffff94ull,
    0xc87c3e7d03cdbe94ull, 0xffffffffffffff95ull, 0xcce019443eb56c95ull, 0xffffffffffffff96ull,
    0xd15c9000bf211c16ull, 0xffffffffffffff97ull, 0xd5f22ca601974397ull, 0xffffffffffffff98ull,
    0xffffffffffffff98ull, 0xdaa17c2cd1955598ull, 0xffffffffffffff99ull, 0xdf6b0ea438793a99ull,
    0xffffffffffffff9aull, 0xffffffffffffff9aull, 0xe44f7742cb56e39aull, 0xffffffffffffff9bull,
    0xe94f4c7859ce101bull, 0xffffffffffffff9cull, 0xffffffffffffff9cull, 0xee6b28000000001cull,
    0xffffffffffffff9dull, 0xf3a3a6f29dd0c31dull, 0xffffffffffffff9eull, 0xffffffffffffff9eull,
    0xf8f969d9b5abf91eull, 0xffffffffffffff9full, 0xffffffffffffff9full, 0xfe6d14c2b511401full,
};
/* clang-format on */

#endif /* PPMM_COMMON_SKETCH_TABLE_H_ */
