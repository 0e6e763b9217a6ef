/* SPDX-License-Identifier: GPL-2.0 */
/* Turns (turn.h) of the connections that a TCP listener accepted: what the hooks of the three points call. */
#pragma once

#include "calls.bpf.h"
#include "histogram.bpf.h"
#include "notes.bpf.h"
#include "written_bytes.bpf.h"

/* The group of histograms of a listener: its own, given with its first answer, or the common one. */
static __always_inline __u32 group_of(struct ppmm_slot *slot)
{
	__u32 number = slot->group;

	if (number || !slot->cookie)
		return number;
	if (bpf_map_pop_elem(&free_groups, &number)) {
		__sync_fetch_and_add(&losses.groups, 1);
		return 0;
	}
	if (__sync_val_compare_and_swap(&slot->group, 0, number)) /* another CPU was first */
		bpf_map_push_elem(&free_groups, &number, 0);
	return slot->group;
}

static __always_inline void count_turn(const struct note *note, const struct ppmm_turn_event *event)
{
	struct ppmm_histograms *times;
	struct ppmm_slot *slot;
	__u32 group, kind;

	if (!event->begun && !event->answered && !event->unanswered && !event->set_aside && !event->labelled &&
	    !event->has[PPMM_TURN_FULL])
		return;
	slot = slot_at(note->slot);
	if (!slot)
		return;
	if (event->begun)
		__sync_fetch_and_add(&slot->requests, 1);
	if (event->answered)
		__sync_fetch_and_add(&slot->responses, 1);
	if (event->unanswered)
		__sync_fetch_and_add(&slot->unanswered, 1);
	if (event->set_aside)
		__sync_fetch_and_add(&slot->set_aside, 1);
	if (event->protocol && event->protocol != slot->protocol)
		slot->protocol = event->protocol;
	if (event->error)
		__sync_fetch_and_add(&slot->errors, 1);
	if (event->labelled == PPMM_LABEL_PIPELINED)
		__sync_fetch_and_add(&slot->pipelined, 1);
	else if (event->labelled == PPMM_LABEL_STREAMS)
		__sync_fetch_and_add(&slot->streams, 1);
	if (!event->answered && !event->has[PPMM_TURN_FULL])
		return;
	group = group_of(slot);
	times = bpf_map_lookup_elem(&histograms, &group);
	if (!times)
		return;
	for (kind = 0; kind < PPMM_TURN_KINDS; kind++) {
		if (event->has[kind])
			observe(times, kind, event->ns[kind]);
	}
	__sync_fetch_and_add(&slot->observed, 1); /* last: who sees it finds the histograms filled */
}

/* The note of a TCP connection; null if it has none. */
static __always_inline struct note *note_of_turns(const struct sock *sk)
{
	struct note *note;

	if (paused == PPMM_PAUSE_ALL || sk->sk_protocol != IPPROTO_TCP || sk->__sk_common.skc_state == TCP_LISTEN)
		return 0;
	note = bpf_sk_storage_get(&notes, (struct sock *)sk, 0, 0);
	return note && note->role == ROLE_OUTBOUND && paused ? 0 : note;
}

/* Its place in the stream; null if there is none. The end of the stream takes one number. */
static __always_inline struct tcp_sock *place_of(const struct sock *sk, int *unread)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock((struct sock *)sk);

	if (tcp)
		*unread = tcp->rcv_nxt - tcp->copied_seq - (sk->sk_shutdown & RCV_SHUTDOWN);
	return tcp;
}

/* A turn ended at `now` without a time. */
static __always_inline void add_untimed(const struct note *note, __u64 arrived, __u64 now)
{
	struct ppmm_slot *slot = slot_at(note->slot);

	if (slot && arrived)
		__sync_fetch_and_add(&slot->untimed_ns, now - arrived);
}

static __always_inline int data_lie_ready(const struct sock *sk)
{
	struct note *note = note_of_turns(sk);
	struct ppmm_turn_event event = {};
	struct tcp_sock *tcp;
	int unread;

	if (!note)
		return 0;
	if (note->role == ROLE_OUTBOUND ? !note->call.begun_ns || note->call.answered_ns : note->role != ROLE_ACCEPTED || note->turn.label)
		return 0;
	tcp = place_of(sk, &unread);
	if (!tcp)
		return 0;
	if (note->role == ROLE_OUTBOUND) {
		ppmm_call_arrival(&note->call, bpf_ktime_get_ns(), unread);
		return 0;
	}
	ppmm_turn_arrival(&note->turn, bpf_ktime_get_ns(), unread, tcp->copied_seq, &event);
	count_turn(note, &event);
	return 0;
}

static __always_inline int bytes_were_read(const struct sock *sk)
{
	struct note *note = note_of_turns(sk);
	struct tcp_sock *tcp;
	int unread;

	if (note && note->role == ROLE_OUTBOUND)
		return note->call.answered_ns ? answer_is_read(sk, note) : 0;
	if (!note || note->role != ROLE_ACCEPTED || !note->turn.arrived_ns || note->turn.read_ns)
		return 0;
	tcp = place_of(sk, &unread);
	if (tcp)
		ppmm_turn_read(&note->turn, bpf_ktime_get_ns(), tcp->copied_seq);
	return 0;
}

/* `late`: they were already sent. */
static __always_inline int bytes_are_written(const struct sock *sk, const struct msghdr *msg, bool late)
{
	struct ppmm_first first = {.late = late};
	struct ppmm_turn_event event = {};
	struct note *note = note_of_turns(sk);
	__u64 now, arrived;
	struct tcp_sock *tcp;
	int unread;

	if (!note)
		return 0;
	if (note->role == ROLE_OUTBOUND ? late || note->call.label : note->role != ROLE_ACCEPTED || note->turn.label)
		return 0;
	tcp = place_of(sk, &unread);
	if (!tcp)
		return 0;
	if (note->role == ROLE_OUTBOUND)
		return call_is_written((struct sock *)sk, msg, note, unread);
	/* Most further writes of an answer need no look. */
	if (msg && (note->turn.arrived_ns || !note->turn.ended || ppmm_protocol_tells_answers(note->turn.protocol)))
		read_first(msg, note->turn.protocol, false, &first);
	first.drained = tcp->snd_una == tcp->write_seq;
	now = bpf_ktime_get_ns();
	arrived = note->turn.arrived_ns;
	ppmm_turn_write(&note->turn, now, unread, tcp->copied_seq, &first, &event);
	count_turn(note, &event);
	if (event.set_aside || (event.answered && !event.has[PPMM_TURN_TOTAL]))
		add_untimed(note, arrived, now);
	return 0;
}
