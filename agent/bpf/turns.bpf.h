/* SPDX-License-Identifier: GPL-2.0 */
/* Turns (turn.h) of the connections that a TCP listener accepted: what the hooks of the three points call. */
#pragma once

#include "histogram.bpf.h"
#include "notes.bpf.h"

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
	if (event->protocol)
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
	for (kind = 0; kind < PPMM_TURN_KINDS; kind++) {
		if (event->has[kind])
			observe(group, kind, event->ns[kind]);
	}
	__sync_fetch_and_add(&slot->observed, 1); /* last: who sees it finds the histograms filled */
}

/* The note of a connection whose turns count, and its place in the stream; null if it is none. */
static __always_inline struct note *note_of_turns(const struct sock *socket, struct tcp_sock **tcp, int *unread)
{
	struct sock *sk = (struct sock *)socket;
	struct note *note;
	__u8 state = sk->__sk_common.skc_state;

	if (paused || sk->sk_protocol != IPPROTO_TCP || state == TCP_LISTEN)
		return 0;
	note = bpf_sk_storage_get(&notes, sk, 0, 0);
	if (!note || note->role != ROLE_ACCEPTED)
		return 0;
	*tcp = bpf_skc_to_tcp_sock(sk);
	if (!*tcp)
		return 0;
	/* The end of the stream takes one number. */
	*unread = (*tcp)->rcv_nxt - (*tcp)->copied_seq - (sk->sk_shutdown & RCV_SHUTDOWN);
	return note;
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
	struct ppmm_turn_event event = {};
	struct tcp_sock *tcp;
	struct note *note;
	int unread;

	note = note_of_turns(sk, &tcp, &unread);
	if (!note || note->turn.label)
		return 0;
	ppmm_turn_arrival(&note->turn, bpf_ktime_get_ns(), unread, tcp->copied_seq, &event);
	count_turn(note, &event);
	return 0;
}

static __always_inline int bytes_were_read(const struct sock *sk)
{
	struct tcp_sock *tcp;
	struct note *note;
	int unread;

	note = note_of_turns(sk, &tcp, &unread);
	if (note && note->turn.arrived_ns && !note->turn.read_ns)
		ppmm_turn_read(&note->turn, bpf_ktime_get_ns(), tcp->copied_seq);
	return 0;
}

/* Memory of the process that writes, with the bytes that are written. */
struct piece {
	const void *base;
	__u64 length;
};

/* At most `most` of its bytes; the number. Lengths are of 64 bits, since Linux 6.1 forgets the bounds of copies of
 * others. */
static __always_inline __u64 read_piece(const struct piece *piece, __u64 offset, void *out, __u64 most)
{
	__u64 length = piece->length - offset;

	if (length > most)
		length = most;
	asm volatile("" : "+r"(length));
	if (!length || length > most || bpf_probe_read_user(out, length, piece->base + offset))
		return 0;
	return length;
}

static __always_inline struct piece piece_of(const struct iovec *vector, __u64 offset, __u64 limit)
{
	struct piece piece = {};
	__u64 length = BPF_CORE_READ(vector, iov_len) - offset;

	if (length > limit)
		length = limit;
	piece.base = BPF_CORE_READ(vector, iov_base) + offset;
	piece.length = length;
	return piece;
}

struct redis_reply {
	struct piece piece;
	struct ppmm_redis_walk walk;
};

static long walk_redis(__u32 index, void *context)
{
	struct redis_reply *reply = context;
	struct ppmm_first head = {};
	__u64 offset = reply->walk.offset;

	if (offset >= reply->piece.length || !read_piece(&reply->piece, offset, head.bytes, PPMM_REDIS_HEAD)) {
		reply->walk.offset = 0;
		return 1;
	}
	return !ppmm_redis_step(&reply->walk, &head);
}

/* Where a reply of Redis ends that has elements; 0 if that is too far away. */
static __always_inline __u32 end_of_redis_reply(struct piece piece)
{
	struct redis_reply reply = {.piece = piece, .walk = {.left = 1}};

	bpf_loop(PPMM_REDIS_STEPS, walk_redis, &reply, 0);
	return reply.walk.left ? 0 : reply.walk.offset;
}

/* What the write begins with; nothing if that is not in memory of the process, or not in memory at all. */
static __always_inline void read_first(const struct msghdr *msg, __u8 protocol, struct ppmm_first *first)
{
	const struct iov_iter *iter = &msg->msg_iter;
	const struct iovec *vector;
	struct piece piece = {};
	__u64 length, offset;
	__u8 type;

	type = BPF_CORE_READ(iter, iter_type);
	offset = BPF_CORE_READ(iter, iov_offset);
	length = BPF_CORE_READ(iter, count);
	first->size = length > 0xffffffff ? 0xffffffff : length;
	if (bpf_core_enum_value_exists(enum iter_type, ITER_UBUF) &&
	    type == bpf_core_enum_value(enum iter_type, ITER_UBUF)) {
		piece.base = BPF_CORE_READ(iter, ubuf) + offset;
		piece.length = first->size;
	} else if (type == bpf_core_enum_value(enum iter_type, ITER_IOVEC)) {
		if (bpf_core_field_exists(iter->__iov))
			vector = BPF_CORE_READ(iter, __iov);
		else
			vector = BPF_CORE_READ((const struct iov_iter___6_3 *)iter, iov);
		piece = piece_of(vector, offset, first->size);
	}
	if (!piece.base)
		return;
	first->length = read_piece(&piece, 0, first->bytes, PPMM_FIRST_BYTES);
	if (!first->length)
		return;
	if (protocol == PPMM_PROTOCOL_POSTGRES && piece.length == first->size && piece.length >= PPMM_LAST_BYTES) {
		bpf_probe_read_user(first->last, PPMM_LAST_BYTES, piece.base + (piece.length - PPMM_LAST_BYTES));
	} else if (first->size > PPMM_REDIS_HEAD &&
		   (first->bytes[0] == '*' || first->bytes[0] == '%' || first->bytes[0] == '~') &&
		   (protocol == PPMM_PROTOCOL_REDIS || protocol == PPMM_PROTOCOL_UNKNOWN)) {
		first->redis_end = end_of_redis_reply(piece);
	}
}

/* `late`: they were already sent. */
static __always_inline int bytes_are_written(const struct sock *sk, const struct msghdr *msg, bool late)
{
	struct ppmm_first first = {.late = late};
	struct ppmm_turn_event event = {};
	__u64 now, arrived;
	struct tcp_sock *tcp;
	struct note *note;
	int unread;

	note = note_of_turns(sk, &tcp, &unread);
	if (!note || note->turn.label)
		return 0;
	/* Most further writes of an answer need no look. */
	if (msg && (note->turn.arrived_ns || !note->turn.ended || ppmm_protocol_tells_answers(note->turn.protocol)))
		read_first(msg, note->turn.protocol, &first);
	first.drained = tcp->snd_una == tcp->write_seq;
	now = bpf_ktime_get_ns();
	arrived = note->turn.arrived_ns;
	ppmm_turn_write(&note->turn, now, unread, tcp->copied_seq, &first, &event);
	count_turn(note, &event);
	if (event.set_aside)
		add_untimed(note, arrived, now);
	return 0;
}
