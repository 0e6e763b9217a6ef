/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls (call.h) of the connections that went out, counted by who calls and what is called. Where a connection's calls
 * count is looked up once and kept in its note.
 */
#pragma once

#include "histogram.bpf.h"
#include "notes.bpf.h"
#include "written_bytes.bpf.h"

enum { NO_CALLEE = PPMM_CALLEES }; /* none was free */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PPMM_CALLEES);
	__type(key, __u32);
	__type(value, struct ppmm_callee);
} callees SEC(".maps");

/* Beside the callees, which user space keeps mapped. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PPMM_CALLEES);
	__type(key, __u32);
	__type(value, struct ppmm_histogram);
} call_times SEC(".maps");

/* A stack: the lowest numbers come first and again, so that user space looks at few. */
struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, PPMM_CALLEES);
	__type(value, __u32);
} free_callees SEC(".maps");

__u32 highest_callee = 0; /* ever taken */

static __always_inline bool is_same(const struct ppmm_peer_key *a, const struct ppmm_peer_key *b)
{
	const __u64 *x = (const __u64 *)a->address, *y = (const __u64 *)b->address;

	return x[0] == y[0] && x[1] == y[1] && a->owner_tgid == b->owner_tgid && a->net_ns == b->net_ns &&
	       a->port == b->port;
}

/* Counts the connection there, if that still is this peer's. */
static __always_inline bool join_callee(__u32 number, const struct ppmm_peer_key *key)
{
	struct ppmm_callee *callee;

	if (!number)
		return false;
	callee = bpf_map_lookup_elem(&callees, &number);
	if (!callee)
		return false;
	if (__sync_fetch_and_add(&callee->connections, 1) >= 0 && is_same(&callee->key, key))
		return true;
	__sync_fetch_and_add(&callee->connections, -1);
	return false;
}

/* Where the connection's calls count; its first call looks it up. */
static __attribute__((noinline)) int find_callee(struct sock *sk)
{
	struct ppmm_peer_key key __attribute__((aligned(8))) = {};
	struct ppmm_callee *callee;
	struct ppmm_peer *peer;
	struct note *note;
	__u32 number = 0;

	if (!sk)
		return 0;
	note = bpf_sk_storage_get(&notes, sk, 0, 0);
	if (!note)
		return 0;
	describe_peer(sk, note, &key);
	peer = peer_at(&key);
	if (!peer) {
		note->slot = NO_CALLEE;
		return 0;
	}
	number = peer->callee;
	if (join_callee(number, &key)) {
		note->slot = number;
		return 0;
	}
	note->slot = NO_CALLEE;
	if (bpf_map_pop_elem(&free_callees, &number))
		return 0;
	callee = bpf_map_lookup_elem(&callees, &number);
	if (!callee)
		return 0;
	callee->key = key;
	__sync_fetch_and_add(&callee->connections, 1 - PPMM_CALLEE_FREE); /* last: it counts from here on */
	if (number > highest_callee)
		highest_callee = number;
	peer->callee = number;
	note->slot = number;
	return 0;
}

static __always_inline void count_call(struct sock *sk, struct note *note, const struct ppmm_call_event *event)
{
	struct ppmm_histogram *times;
	struct ppmm_callee *callee;
	__u32 number;

	if (!event->answered && !event->unanswered && !event->labelled)
		return;
	if (!note->slot)
		find_callee(sk);
	number = note->slot;
	callee = number ? bpf_map_lookup_elem(&callees, &number) : 0;
	if (!callee) {
		__sync_fetch_and_add(&losses.callees, 1);
		return;
	}
	if (event->answered) {
		times = bpf_map_lookup_elem(&call_times, &number);
		if (times)
			add_to(times, event->ns);
		__sync_fetch_and_add(&callee->answered, 1); /* last: who sees it finds the histogram filled */
	}
	if (event->unanswered)
		__sync_fetch_and_add(&callee->unanswered, 1);
	if (event->labelled == PPMM_LABEL_PIPELINED)
		__sync_fetch_and_add(&callee->pipelined, 1);
	else if (event->labelled == PPMM_LABEL_STREAMS)
		__sync_fetch_and_add(&callee->streams, 1);
}

static __always_inline int call_is_written(struct sock *sk, const struct msghdr *msg, struct note *note, int unread)
{
	struct ppmm_call_event event = {};
	struct ppmm_first first = {};

	ppmm_call_finish(&note->call, &event);
	if (msg && ppmm_call_wants_bytes(&note->call))
		read_first(msg, note->call.protocol, true, &first);
	ppmm_call_write(&note->call, bpf_ktime_get_ns(), unread, &first, &event);
	count_call(sk, note, &event);
	return 0;
}

static __always_inline int answer_is_read(const struct sock *sk, struct note *note)
{
	struct ppmm_call_event event = {};

	ppmm_call_finish(&note->call, &event);
	count_call((struct sock *)sk, note, &event);
	return 0;
}

/* The connection is gone. */
static __always_inline void end_calls(struct sock *sk, struct note *note)
{
	struct ppmm_call_event event = {};
	struct ppmm_callee *callee;
	__u32 number;

	ppmm_call_close(&note->call, &event);
	count_call(sk, note, &event);
	number = note->slot;
	note->slot = 0;
	if (!number)
		return;
	callee = bpf_map_lookup_elem(&callees, &number);
	if (callee)
		__sync_fetch_and_add(&callee->connections, -1);
}
