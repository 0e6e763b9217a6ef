/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Histograms of durations that the kernel side fills and user space empties: an array mapped into user space, so that
 * neither an event nor a system call is needed for a request. A group holds the kinds of one listener.
 */
#pragma once

#include "kernel_types.h"
#include "sockets.h"

#include "../../common/sketch_table.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PPMM_GROUPS);
	__type(key, __u32);
	__type(value, struct ppmm_histograms);
} histograms SEC(".maps");

/* A stack: the lowest numbers come first and again, so that user space touches few pages. */
struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, PPMM_GROUPS);
	__type(value, __u32);
} free_groups SEC(".maps");

/* floor(log2(v)) of v > 0, by hand: clang 14 fails on __builtin_clzll for BPF. */
static __always_inline __u32 log2_of(__u64 v)
{
	__u32 r = 0;

	if (v >> 32) {
		v >>= 32;
		r = 32;
	}
	if (v >> 16) {
		v >>= 16;
		r += 16;
	}
	if (v >> 8) {
		v >>= 8;
		r += 8;
	}
	if (v >> 4) {
		v >>= 4;
		r += 4;
	}
	if (v >> 2) {
		v >>= 2;
		r += 2;
	}
	return r + (v >> 1);
}

/*
 * The bucket of common/sketch_table.h, moved so that the first one is 0; what lies outside is in the first or last. A
 * function of its own for the verifier, which so looks at its branches once.
 */
__attribute__((noinline)) __u32 bucket_of(__u64 ns)
{
	__u32 e, local;
	__u64 m, entry;

	if (ns <= PPMM_FIRST_BUCKET_NS)
		return 0;
	e = log2_of(ns);
	m = ns << ((63 - e) & 63);
	entry = kPpmmSketchTable[(m >> 57) & 63];
	local = 32 * e + (entry & 127) + (m > entry) - PPMM_FIRST_BUCKET;
	return local < PPMM_BUCKETS ? local : PPMM_BUCKETS - 1;
}

static __always_inline void add_to(struct ppmm_histogram *h, __u64 ns)
{
	__sync_fetch_and_add(&h->sum_ns, ns);
	__sync_fetch_and_add(&h->buckets[bucket_of(ns) & (PPMM_BUCKETS - 1)], 1);
}

static __always_inline void observe(struct ppmm_histograms *h, enum ppmm_turn_kind kind, __u64 ns)
{
	__sync_fetch_and_add(&h->sum_ns[kind], ns);
	__sync_fetch_and_add(&h->buckets[bucket_of(ns) & (PPMM_BUCKETS - 1)][kind], 1);
}
