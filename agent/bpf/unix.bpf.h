/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Turns of the connections that a Unix listener accepted. One hook tells of both directions: data lie ready at the
 * server's socket, a request; or at the client's, an answer. Nothing tells that a connection was accepted or closed: it
 * is known by its first bytes, and an answer to which nothing follows has no last byte that is known.
 *
 * No lock is held when the hooks run, so they may come late: an answer may be told of when the next request lies there,
 * and a request when it was already read. Therefore a read may begin a turn, too.
 */
#pragma once

#include "notes.bpf.h"
#include "turns.bpf.h"

/* The name of a listener, by which its connections are known. */
static __always_inline void read_unix_name(struct ppmm_slot *slot, __u32 number, struct sock *sk)
{
	struct unix_sock *un = bpf_skc_to_unix_sock(sk);
	struct unix_address *address;
	int length;

	if (!un)
		return;
	address = un->addr;
	if (!address)
		return;
	length = address->len - (int)sizeof(__u16);
	if (length <= 0)
		return;
	if (length > PPMM_UNIX_PATH)
		length = PPMM_UNIX_PATH;
	slot->path_length = length;
	slot->unix_name = (__u64)address;
	bpf_probe_read_kernel(slot->path, sizeof(slot->path),
			      (void *)address + bpf_core_field_offset(struct unix_address, name[0].sun_path));
	bpf_map_update_elem(&unix_slots, &slot->unix_name, &number, BPF_ANY);
}

static __always_inline void unix_listener_is_called(struct sock *sk)
{
	struct ppmm_slot *slot;
	struct note *note;

	if (bpf_sk_storage_get(&notes, sk, 0, 0))
		return;
	note = bpf_sk_storage_get(&notes, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!note) {
		__sync_fetch_and_add(&losses.storage, 1);
		return;
	}
	slot = take_slot(note, sk, 0); /* whose it is, its answers tell */
	if (slot)
		read_unix_name(slot, note->slot, sk);
}

/* The note of a connection that a listener accepted; null if it is none, or the client's end. */
static __always_inline struct note *unix_note(struct sock *sk, struct unix_sock *un)
{
	struct note *note = bpf_sk_storage_get(&notes, sk, 0, 0);
	struct ppmm_slot *slot;
	__u64 name;
	__u32 *number;

	if (note)
		return note->role == ROLE_ACCEPTED ? note : 0;
	name = (__u64)un->addr;
	if (!name)
		return 0;
	number = bpf_map_lookup_elem(&unix_slots, &name);
	if (!number)
		return 0;
	slot = slot_at(*number);
	note = bpf_sk_storage_get(&notes, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!slot || !note) {
		__sync_fetch_and_add(&losses.storage, 1);
		return 0;
	}
	note->slot = *number;
	note->listener = slot->cookie;
	note->role = ROLE_ACCEPTED;
	return note;
}

/* Waits a little; who waits in vain goes on, and the turn may be told of twice or not at all. */
static __always_inline void hold_turn(struct note *note)
{
	int held = 0, i;

#pragma clang loop unroll(full)
	for (i = 0; i < 16; i++) {
		if (!held)
			held = !__sync_val_compare_and_swap(&note->busy, 0, 1);
	}
}

static __always_inline void release_turn(struct note *note)
{
	__sync_lock_test_and_set(&note->busy, 0);
}

/* A request is counted when it is answered: how many are in work is not known where a connection's end is not. */
static __always_inline void count_unix_turn(const struct note *note, struct ppmm_turn_event *event)
{
	struct ppmm_slot *slot = slot_at(note->slot);

	if (!slot || slot->cookie != note->listener)
		return;
	event->begun = event->answered || event->set_aside;
	if (event->answered && !slot->owner_tgid)
		slot->owner_tgid = bpf_get_current_pid_tgid() >> 32;
	count_turn(note, event);
}

/* The beginning of what was written last, if the client has not taken it yet. */
static __always_inline void read_unix_first(const struct sock *client, struct ppmm_first *first)
{
	struct sk_buff *skb = client->sk_receive_queue.prev;
	__u64 length;

	if (!client->sk_receive_queue.qlen)
		return;
	first->size = BPF_CORE_READ(skb, len);
	length = first->size - BPF_CORE_READ(skb, data_len);
	if (length > PPMM_FIRST_BYTES)
		length = PPMM_FIRST_BYTES;
	asm volatile("" : "+r"(length));
	if (!length || length > PPMM_FIRST_BYTES ||
	    bpf_probe_read_kernel(first->bytes, length, BPF_CORE_READ(skb, data)))
		return;
	first->length = length;
	if (first->size >= PPMM_LAST_BYTES && !BPF_CORE_READ(skb, data_len))
		bpf_probe_read_kernel(first->last, PPMM_LAST_BYTES,
				      BPF_CORE_READ(skb, data) + (first->size - PPMM_LAST_BYTES));
	if (client->sk_receive_queue.prev != skb) { /* it was taken meanwhile */
		first->length = 0;
		first->last[0] = 0;
	}
}

static __always_inline void unix_answer(const struct sock *client, const struct sock *server, struct note *note)
{
	struct ppmm_first first = {.late = 1};
	struct ppmm_turn_event event = {};
	int unread;

	if (note->turn.label)
		return;
	if (note->turn.arrived_ns || !note->turn.ended || ppmm_protocol_tells_answers(note->turn.protocol))
		read_unix_first(client, &first);
	first.drained = client->sk_receive_queue.qlen <= 1;
	unread = server->sk_receive_queue.qlen;
	hold_turn(note);
	ppmm_turn_write(&note->turn, bpf_ktime_get_ns(), unread, note->read, &first, &event);
	note->rest = unread && !note->turn.arrived_ns;
	release_turn(note);
	count_unix_turn(note, &event);
}

/* A function of its own, so that what TCP runs lies together in memory. */
static __attribute__((noinline)) int unix_data_lie_ready(struct sock *sk)
{
	struct ppmm_turn_event event = {};
	struct unix_sock *un;
	struct note *note;
	struct sock *peer;

	if (paused == PPMM_PAUSE_ALL || sk->sk_type != SOCK_STREAM)
		return 0;
	if (sk->__sk_common.skc_state == TCP_LISTEN) {
		unix_listener_is_called(sk);
		return 0;
	}
	un = bpf_skc_to_unix_sock(sk);
	if (!un)
		return 0;
	note = unix_note(sk, un);
	if (note) {
		hold_turn(note);
		ppmm_turn_arrival(&note->turn, bpf_ktime_get_ns(), sk->sk_receive_queue.qlen, note->read, &event);
		release_turn(note);
		if (event.has[PPMM_TURN_FULL])
			count_unix_turn(note, &event);
		return 0;
	}
	peer = un->peer;
	if (!peer)
		return 0;
	note = bpf_sk_storage_get(&notes, peer, 0, 0);
	if (note && note->role == ROLE_ACCEPTED)
		unix_answer(sk, peer, note);
	return 0;
}

static __attribute__((noinline)) int unix_bytes_were_read(struct sock *sk, int bytes, int flags)
{
	struct ppmm_turn_event event = {};
	struct note *note;
	__u64 now;

	if (paused == PPMM_PAUSE_ALL || bytes <= 0 || flags & MSG_PEEK)
		return 0;
	note = bpf_sk_storage_get(&notes, sk, 0, 0);
	if (!note || note->role != ROLE_ACCEPTED || note->turn.label)
		return 0;
	now = bpf_ktime_get_ns();
	hold_turn(note);
	if (!note->rest && !note->turn.arrived_ns)
		ppmm_turn_arrival(&note->turn, now, bytes, note->read, &event);
	note->rest = 0;
	note->read += bytes;
	ppmm_turn_read(&note->turn, now, note->read);
	release_turn(note);
	if (event.has[PPMM_TURN_FULL])
		count_unix_turn(note, &event);
	return 0;
}
