/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How many requests are in flight, seen at instants that do not depend on them: a timer of the kernel looks at all
 * listeners, so user space need not wake up for it. What a look sees stands for the time since the look before, so that
 * looks which come late, as on a virtual machine that was stopped, do not count less. By Little's law the mean of what
 * it sees is the throughput times the mean response time, which are counted elsewhere; so each checks the other.
 */
#pragma once

#include "kernel_types.h"
#include "sockets.h"

enum { CLOCK_MONOTONIC = 1 };

struct look {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct look);
} look_timer SEC(".maps");

__u32 look_interval_ns = 10000000; /* on average; from half of it to one and a half, else it might follow a beat */
__u8 looking = 0;
__u64 looked_ns = 0; /* between the first look and the latest one */
__u64 latest_look_ns = 0;

enum owed { OWED_NO, OWED_YES, OWED_PERHAPS, OWED_PERHAPS_NOT };

/*
 * Whether a request was received and not answered, from what the socket itself knows, so that it shows what our hooks
 * missed. Received and sent are compared by ticks of the kernel. Within the same tick it is not sure: an acknowledgement
 * that is still owed, or was sent because it was late, shows that no answer took it along; but not after the client said
 * that nothing follows, since that is to be acknowledged too.
 */
static __always_inline enum owed owes_an_answer(const struct sock *sk, struct tcp_sock *tcp)
{
	__s32 received_after = tcp->inet_conn.icsk_ack.lrcvtime - tcp->lsndtime;

	if ((__s32)(tcp->rcv_nxt - tcp->copied_seq - (sk->sk_shutdown & RCV_SHUTDOWN)) > 0)
		return OWED_YES;
	if (!tcp->bytes_received || !tcp->bytes_sent)
		return tcp->bytes_received > 0 ? OWED_YES : OWED_NO;
	if (received_after)
		return received_after > 0 ? OWED_YES : OWED_NO;
	if (sk->sk_shutdown & RCV_SHUTDOWN)
		return OWED_PERHAPS_NOT;
	return (tcp->inet_conn.icsk_ack.pending & 1) || !tcp->inet_conn.icsk_ack.pingpong ? OWED_PERHAPS
										      : OWED_PERHAPS_NOT;
}

static long look_at_slot(__u32 index, __u64 *between)
{
	__u32 number = index + 1;
	volatile struct ppmm_slot *slot = bpf_map_lookup_elem(&slots, &number);
	__u64 ended;

	if (!slot)
		return 1;
	if (!slot->requests)
		return 0;
	ended = slot->responses + slot->unanswered + slot->set_aside; /* before what began: it is never the larger */
	slot->in_flight_ns += (slot->requests - ended) * *between;
	return 0;
}

static int look(void *map, __u32 *key, struct look *look)
{
	__u64 now = bpf_ktime_get_ns();
	__u64 between = now - latest_look_ns;

	bpf_loop(highest_slot, look_at_slot, &between, 0);
	looked_ns += between;
	latest_look_ns = now;
	bpf_timer_start(&look->timer, look_interval_ns / 2 + bpf_get_prandom_u32() % (look_interval_ns + 1), 0);
	return 0;
}

static __always_inline void begin_to_look(void)
{
	__u32 key = 0;
	struct look *first = bpf_map_lookup_elem(&look_timer, &key);

	if (looking || !first)
		return;
	looking = 1;
	latest_look_ns = bpf_ktime_get_ns();
	bpf_timer_init(&first->timer, &look_timer, CLOCK_MONOTONIC);
	bpf_timer_set_callback(&first->timer, look);
	bpf_timer_start(&first->timer, look_interval_ns, 0);
}
