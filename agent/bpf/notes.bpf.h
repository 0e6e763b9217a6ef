/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel side knows: a note at each socket, a slot for each listener, counts for each peer. Bytes are added as
 * differences to what the note already counted. The difference is taken by an atomic exchange, so that two CPUs may
 * meet and the sum is still exact.
 */
#pragma once

#include "kernel_types.h"
#include "sockets.h"

#include <bpf/bpf_endian.h>

enum {
	IPPROTO_TCP = 6,
	ROLE_UNKNOWN = 0, /* older than we: decided at the next poll */
	ROLE_LISTENER,
	ROLE_ACCEPTED,
	ROLE_OUTBOUND,
	ROLE_CLOSED,
};

struct note {
	union {
		struct { /* of TCP: what was counted */
			__u64 bytes_in;
			__u64 bytes_out;
			__u64 retransmits;
		};
		struct {		/* of Unix sockets */
			__u64 listener; /* cookie: the slot may have been taken by another one */
			__u32 read;	/* bytes; stands for the sequence number of TCP */
			__u32 busy;	/* a CPU looks at the turn: no lock of the kernel's is held then */
			__u32 rest;	/* something of an answered request is still to be read */
			__u32 unused;
		};
	};
	__u32 slot; /* of a connection that went out: its callee */
	__u32 owner_tgid;
	__u32 role;
	__u32 local_port; /* of an accepted connection: the socket itself loses it before it tells that it is closed */
	union {
		struct ppmm_turn turn;
		struct ppmm_call call; /* of a connection that went out */
	};
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct note);
} notes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PPMM_SLOTS);
	__type(key, __u32);
	__type(value, struct ppmm_slot);
} slots SEC(".maps");

/* A stack: the lowest numbers come first and again, so that user space touches few pages of the slots. */
struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, PPMM_SLOTS);
	__type(value, __u32);
} free_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PPMM_SLOTS);
	__type(key, struct ppmm_listen_key);
	__type(value, __u32);
} listen_slots SEC(".maps");

/* A Unix listener and the connections that it accepted share the address in memory of the name. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PPMM_SLOTS);
	__type(key, __u64);
	__type(value, __u32);
} unix_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PPMM_PEERS);
	__type(key, struct ppmm_peer_key);
	__type(value, struct ppmm_peer);
} peers SEC(".maps");

/* Set by user space before each run. */
__u64 poll_number = 1;
__u64 seed_number = 0;
__u64 since_poll_ns = 0; /* not 0: poll sees which requests are in flight; the time since it did */
__u64 count_number = 0; /* not 0: poll counts the open connections of each peer */

__u32 highest_slot = 0; /* ever taken; two takers may set it too low, the next poll sets it right */

__u8 paused = PPMM_PAUSE_NOTHING; /* what is not looked at */

struct ppmm_socket_losses losses = {};

#include "in_flight.bpf.h"

static __always_inline __u32 net_ns_of(const struct sock *sk)
{
	return sk->__sk_common.skc_net.net->ns.inum;
}

static __always_inline void copy_address(const struct sock *sk, bool remote, __u8 out[16])
{
	const struct sock_common *c = &sk->__sk_common;

	__builtin_memset(out, 0, 16);
	if (c->skc_family == AF_INET) {
		__be32 v4 = remote ? c->skc_daddr : c->skc_rcv_saddr;

		if (v4) {
			out[10] = 0xff;
			out[11] = 0xff;
			__builtin_memcpy(out + 12, &v4, sizeof(v4));
		}
	} else if (c->skc_family == AF_INET6) {
		const struct in6_addr *v6 = remote ? &c->skc_v6_daddr : &c->skc_v6_rcv_saddr;

		bpf_probe_read_kernel(out, 16, v6);
	}
}

static __always_inline struct ppmm_slot *slot_at(__u32 number)
{
	return bpf_map_lookup_elem(&slots, &number);
}

static __always_inline void describe_listener(struct ppmm_slot *slot, __u32 number, const struct sock *sk)
{
	if (number > highest_slot)
		highest_slot = number;
	slot->family = sk->__sk_common.skc_family;
	slot->net_ns = net_ns_of(sk);
	slot->polled = poll_number;
	slot->max_backlog = sk->sk_max_ack_backlog;
	if (slot->family == AF_UNIX) {
		slot->backlog = sk->sk_receive_queue.qlen;
		return;
	}
	slot->backlog = sk->sk_ack_backlog;
	slot->port = sk->__sk_common.skc_num; /* 0 within a listen() that binds by itself */
	copy_address(sk, false, slot->address);
}

/* Gives the note of a listening socket its slot. */
static __always_inline struct ppmm_slot *take_slot(struct note *note, struct sock *sk, __u32 tgid)
{
	struct ppmm_slot *slot;
	__u32 number = 0;

	if (bpf_map_pop_elem(&free_slots, &number)) {
		number = 0;
		__sync_fetch_and_add(&losses.listeners, 1);
	}
	note->slot = number;
	note->role = ROLE_LISTENER;
	note->owner_tgid = tgid;
	slot = slot_at(number);
	if (!slot || !number)
		return 0;
	__builtin_memset(slot, 0, sizeof(*slot)); /* a last connection may have counted after it was given back */
	slot->owner_tgid = tgid;
	describe_listener(slot, number, sk);
	slot->cookie = bpf_get_socket_cookie(sk); /* last: the slot counts from here on */
	return slot;
}

static __always_inline void describe_peer(const struct sock *sk, const struct note *note, struct ppmm_peer_key *key)
{
	copy_address(sk, true, key->address);
	key->net_ns = net_ns_of(sk);
	if (note->role == ROLE_OUTBOUND) {
		key->direction = PPMM_OUTBOUND;
		key->port = bpf_ntohs(sk->__sk_common.skc_dport);
		key->owner_tgid = note->owner_tgid;
	} else {
		struct ppmm_slot *slot = slot_at(note->slot);

		key->direction = PPMM_INBOUND;
		key->port = note->local_port;
		key->owner_tgid = slot && note->slot ? slot->owner_tgid : note->owner_tgid;
	}
}

static __always_inline struct ppmm_peer *peer_at(const struct ppmm_peer_key *key)
{
	struct ppmm_peer *peer = bpf_map_lookup_elem(&peers, key);

	if (!peer) {
		struct ppmm_peer empty = {};

		bpf_map_update_elem(&peers, key, &empty, BPF_NOEXIST);
		peer = bpf_map_lookup_elem(&peers, key);
	}
	if (!peer) {
		__sync_fetch_and_add(&losses.peers, 1);
		return 0;
	}
	peer->used_ns = bpf_ktime_get_boot_ns();
	return peer;
}

static __always_inline struct ppmm_peer *peer_of(const struct sock *sk, const struct note *note)
{
	struct ppmm_peer_key key = {};

	describe_peer(sk, note, &key);
	return peer_at(&key);
}

struct traffic {
	__u64 bytes_in;
	__u64 bytes_out;
	__u64 retransmits;
	__u32 srtt_us;
};

static __always_inline bool read_traffic(struct sock *sk, struct traffic *now)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	if (!tcp)
		return false;
	now->bytes_in = tcp->bytes_received;
	now->bytes_out = tcp->bytes_sent - tcp->bytes_retrans;
	now->retransmits = tcp->total_retrans;
	now->srtt_us = tcp->srtt_us >> 3;
	/* A received FIN takes one number of the sequence and is counted as a byte. */
	if (now->bytes_in && sk->__sk_common.skc_flags >> bpf_core_enum_value(enum sock_flags, SOCK_DONE) & 1)
		now->bytes_in--;
	return true;
}

/* Adds what went through the connection since the last time. */
static __always_inline void account(struct sock *sk, struct note *note)
{
	struct traffic now = {};
	struct ppmm_slot *slot;
	struct ppmm_peer *peer;
	__u64 in, out, retransmits;

	if (!read_traffic(sk, &now))
		return;
	in = now.bytes_in - __sync_lock_test_and_set(&note->bytes_in, now.bytes_in);
	out = now.bytes_out - __sync_lock_test_and_set(&note->bytes_out, now.bytes_out);
	retransmits = now.retransmits - __sync_lock_test_and_set(&note->retransmits, now.retransmits);
	if (!in && !out && !retransmits)
		return;
	if (note->role == ROLE_ACCEPTED) {
		slot = slot_at(note->slot);
		if (slot) {
			__sync_fetch_and_add(&slot->bytes_in, in);
			__sync_fetch_and_add(&slot->bytes_out, out);
			__sync_fetch_and_add(&slot->retransmits, retransmits);
		}
	}
	peer = peer_of(sk, note);
	if (peer) {
		__sync_fetch_and_add(&peer->bytes_in, in);
		__sync_fetch_and_add(&peer->bytes_out, out);
		peer->srtt_us = now.srtt_us;
	}
}
