// SPDX-License-Identifier: GPL-2.0
/*
 * Listening sockets, connections and peers, of all network namespaces.
 *
 * Each TCP socket carries a note (socket storage) that a connection inherits from its listener, so nothing is looked up
 * by address. Three programs:
 *   on_state   each change of state: new listeners, opened and closed connections; exact counts
 *   seed       all open files, at start and now and then: sockets older than we, owners of listeners
 *   poll       all sockets with a note, each second: bytes, accept queues
 * and one each, of several, that takes the times of the turns of an accepted connection (turn.h):
 *   arrival_*  data lie ready: the request arrives
 *   read_*     the application takes bytes
 *   write_*    the application writes
 * Bytes are added as differences to what the note already counted. The difference is taken by an atomic exchange, so
 * that poll and the closing of a connection may meet on two CPUs and the sum is still exact.
 */
#include "histogram.bpf.h"
#include "kernel_types.h"
#include "sockets.h"

#include <bpf/bpf_endian.h>

char LICENSE[] SEC("license") = "GPL";

enum {
	IPPROTO_TCP = 6,
	ROLE_UNKNOWN = 0, /* older than we: decided at the next poll */
	ROLE_LISTENER,
	ROLE_ACCEPTED,
	ROLE_OUTBOUND,
	ROLE_CLOSED,
};

struct note {
	__u64 bytes_in;
	__u64 bytes_out;
	__u64 retransmits;
	__u32 slot;
	__u32 owner_tgid;
	__u32 role;
	__u32 local_port; /* of an accepted connection: the socket itself loses it before it tells that it is closed */
	struct ppmm_turn turn;
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
__u64 count_number = 0; /* not 0: poll counts the open connections of each peer */

__u32 highest_slot = 0; /* ever taken; two takers may set it too low, the next poll sets it right */

__u8 paused = 0; /* turns are not looked at */

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

static __always_inline struct ppmm_peer *peer_of(const struct sock *sk, const struct note *note)
{
	struct ppmm_peer_key key = {};
	struct ppmm_peer *peer;

	copy_address(sk, true, key.address);
	key.net_ns = net_ns_of(sk);
	if (note->role == ROLE_OUTBOUND) {
		key.direction = PPMM_OUTBOUND;
		key.port = bpf_ntohs(sk->__sk_common.skc_dport);
		key.owner_tgid = note->owner_tgid;
	} else {
		struct ppmm_slot *slot = slot_at(note->slot);

		key.direction = PPMM_INBOUND;
		key.port = note->local_port;
		key.owner_tgid = slot && note->slot ? slot->owner_tgid : note->owner_tgid;
	}
	peer = bpf_map_lookup_elem(&peers, &key);
	if (!peer) {
		struct ppmm_peer empty = {};

		bpf_map_update_elem(&peers, &key, &empty, BPF_NOEXIST);
		peer = bpf_map_lookup_elem(&peers, &key);
	}
	if (!peer) {
		__sync_fetch_and_add(&losses.peers, 1);
		return 0;
	}
	peer->used_ns = bpf_ktime_get_boot_ns();
	return peer;
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

/* ---- turns ---- */

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
	ppmm_turn_write(&note->turn, bpf_ktime_get_ns(), unread, tcp->copied_seq, &first, &event);
	count_turn(note, &event);
	return 0;
}

/*
 * The hooks, for each of the three points of the clock, the best first. agent/capture_hooks.cc chooses; the others are
 * not loaded.
 */
SEC("tp_btf/sk_data_ready") /* since 6.3 */
int BPF_PROG(arrival_tracepoint, const struct sock *sk)
{
	return data_lie_ready(sk);
}

SEC("fentry/sock_def_readable")
int BPF_PROG(arrival_fentry, const struct sock *sk)
{
	return data_lie_ready(sk);
}

SEC("tp_btf/sock_recv_length") /* since 6.3 */
int BPF_PROG(read_tracepoint, const struct sock *sk)
{
	return bytes_were_read(sk);
}

SEC("fexit/tcp_recvmsg")
int BPF_PROG(read_fexit, const struct sock *sk)
{
	return bytes_were_read(sk);
}

SEC("tp_btf/tcp_sendmsg_locked") /* since 6.16 */
int BPF_PROG(write_tracepoint, const struct sock *sk, const struct msghdr *msg)
{
	return bytes_are_written(sk, msg, false);
}

SEC("fentry/tcp_sendmsg_locked")
int BPF_PROG(write_fentry, const struct sock *sk, const struct msghdr *msg)
{
	return bytes_are_written(sk, msg, false);
}

/* sendfile() and splice() do not pass tcp_sendmsg_locked() there. */
SEC("fentry/do_tcp_sendpages") /* until 6.4 */
int BPF_PROG(write_pages_fentry, const struct sock *sk)
{
	return bytes_are_written(sk, 0, false);
}

/* After the bytes were copied, so somewhat late. */
SEC("tp_btf/sock_send_length") /* since 6.3 */
int BPF_PROG(write_after_tracepoint, const struct sock *sk)
{
	return bytes_are_written(sk, 0, true);
}

static __always_inline void connection_opened(struct sock *sk, struct note *note, int old_state)
{
	struct ppmm_slot *slot;
	struct ppmm_peer *peer;

	if (note->role == ROLE_LISTENER && old_state == TCP_SYN_RECV) {
		note->local_port = sk->__sk_common.skc_num;
		note->role = ROLE_ACCEPTED; /* the note is a copy of the listener's */
		slot = slot_at(note->slot);
		if (slot) {
			__sync_fetch_and_add(&slot->accepted, 1);
			__sync_fetch_and_add(&slot->open, 1);
		}
	} else if (note->role != ROLE_OUTBOUND) {
		return;
	}
	peer = peer_of(sk, note);
	if (peer)
		__sync_fetch_and_add(&peer->connections, 1);
}

static __always_inline void socket_closed(struct sock *sk, struct note *note, int old_state)
{
	struct ppmm_slot *slot;
	struct ppmm_peer *peer;

	if (note->role == ROLE_OUTBOUND && old_state == TCP_SYN_SENT) {
		peer = peer_of(sk, note);
		if (peer)
			__sync_fetch_and_add(&peer->failed, 1);
	} else if (note->role == ROLE_OUTBOUND || note->role == ROLE_ACCEPTED) {
		account(sk, note);
		slot = slot_at(note->slot);
		if (slot && note->role == ROLE_ACCEPTED) {
			struct ppmm_turn_event event = {};

			ppmm_turn_close(&note->turn, &event);
			count_turn(note, &event);
			__sync_fetch_and_add(&slot->open, -1);
		}
	}
	note->role = ROLE_CLOSED;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, const struct sock *socket, const int old_state, const int new_state)
{
	struct sock *sk = (struct sock *)socket;
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct note *note;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;

	switch (new_state) {
	case TCP_LISTEN:   /* within listen() */
	case TCP_SYN_SENT: /* within connect() */
		note = bpf_sk_storage_get(&notes, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (!note) {
			__sync_fetch_and_add(&losses.storage, 1);
			return 0;
		}
		note->bytes_in = 0;
		note->bytes_out = 0;
		note->retransmits = 0;
		if (new_state == TCP_LISTEN) {
			take_slot(note, sk, tgid);
		} else {
			note->slot = 0;
			note->role = ROLE_OUTBOUND;
			note->owner_tgid = tgid;
		}
		break;
	case TCP_ESTABLISHED:
		note = bpf_sk_storage_get(&notes, sk, 0, 0);
		if (note)
			connection_opened(sk, note, old_state);
		else if (old_state == TCP_SYN_RECV)
			__sync_fetch_and_add(&losses.connections, 1);
		break;
	case TCP_CLOSE:
		note = bpf_sk_storage_get(&notes, sk, 0, 0);
		if (note)
			socket_closed(sk, note, old_state);
		break;
	}
	return 0;
}

/*
 * Of several processes that hold a listener the one with the lowest id is the owner: a prefork parent comes before its
 * workers. Process 1 only if nobody else holds it: it hands its sockets to services.
 */
static __always_inline void claim_listener(struct ppmm_slot *slot, __u32 tgid)
{
	if (slot->seeded != seed_number) {
		slot->seeded = seed_number;
		slot->owner_tgid = tgid;
	} else if (slot->owner_tgid == 1 || (tgid != 1 && tgid < slot->owner_tgid)) {
		slot->owner_tgid = tgid;
	}
}

static __always_inline void read_unix_path(struct ppmm_slot *slot, struct sock *sk)
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
	bpf_probe_read_kernel(slot->path, sizeof(slot->path),
			      (void *)address + bpf_core_field_offset(struct unix_address, name[0].sun_path));
}

static __always_inline void seed_listener(struct sock *sk, __u32 tgid, bool is_unix)
{
	struct ppmm_slot *slot;
	struct note *note = bpf_sk_storage_get(&notes, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!note) {
		__sync_fetch_and_add(&losses.storage, 1);
		return;
	}
	if (note->role != ROLE_LISTENER) {
		slot = take_slot(note, sk, tgid);
		if (slot && is_unix)
			read_unix_path(slot, sk);
	} else {
		slot = note->slot ? slot_at(note->slot) : 0;
	}
	if (!slot)
		return;
	claim_listener(slot, tgid);
	if (!is_unix) {
		struct ppmm_listen_key key = {.net_ns = slot->net_ns, .port = sk->__sk_common.skc_num};

		copy_address(sk, false, key.address);
		bpf_map_update_elem(&listen_slots, &key, &note->slot, BPF_NOEXIST);
	}
}

SEC("iter/task_file")
int seed(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct traffic now = {};
	struct socket *socket;
	struct note *note;
	struct sock *sk;
	__u32 tgid, state;

	if (!task || !file)
		return 0;
	begin_to_look();
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk)
		return 0;
	tgid = task->tgid;
	state = sk->__sk_common.skc_state;

	if (sk->__sk_common.skc_family == AF_UNIX) {
		if (state == TCP_LISTEN)
			seed_listener(sk, tgid, true);
		return 0;
	}
	if (sk->sk_protocol != IPPROTO_TCP ||
	    (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6))
		return 0;
	if (state == TCP_LISTEN) {
		seed_listener(sk, tgid, false);
		return 0;
	}
	if (state == TCP_CLOSE || bpf_sk_storage_get(&notes, sk, 0, 0))
		return 0;

	/* A connection older than we: what went through it before does not count. */
	note = bpf_sk_storage_get(&notes, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!note) {
		__sync_fetch_and_add(&losses.storage, 1);
		return 0;
	}
	note->owner_tgid = tgid;
	if (read_traffic(sk, &now)) {
		note->bytes_in = now.bytes_in;
		note->bytes_out = now.bytes_out;
		note->retransmits = now.retransmits;
	}
	return 0;
}

/* Whether a connection older than we came in through one of the listeners or went out. */
static __always_inline void decide_role(struct sock *sk, struct note *note)
{
	struct ppmm_listen_key key = {};
	struct ppmm_slot *slot;
	__u32 *number;

	key.net_ns = net_ns_of(sk);
	key.port = sk->__sk_common.skc_num;
	copy_address(sk, false, key.address);
	number = bpf_map_lookup_elem(&listen_slots, &key);
	if (!number) {
		__builtin_memset(key.address, 0, sizeof(key.address));
		number = bpf_map_lookup_elem(&listen_slots, &key);
	}
	if (!number) {
		note->role = ROLE_OUTBOUND;
		return;
	}
	note->local_port = key.port;
	note->role = ROLE_ACCEPTED;
	note->slot = *number;
	slot = slot_at(note->slot);
	if (slot)
		__sync_fetch_and_add(&slot->open, 1);
}

SEC("iter/bpf_sk_storage_map")
int poll(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = ctx->sk;
	struct ppmm_slot *slot;
	struct ppmm_peer *peer;
	struct note *note;

	if (!sk || !ctx->value)
		return 0;
	note = bpf_sk_storage_get(&notes, sk, 0, 0);
	if (!note || note->role == ROLE_CLOSED)
		return 0;
	if (sk->__sk_common.skc_state == TCP_LISTEN) {
		slot = note->slot ? slot_at(note->slot) : 0;
		if (slot)
			describe_listener(slot, note->slot, sk);
		return 0;
	}
	if (note->role == ROLE_LISTENER) /* a handshake that is not complete */
		return 0;
	if (note->role == ROLE_UNKNOWN)
		decide_role(sk, note);
	account(sk, note);
	if (count_number && sk->__sk_common.skc_state == TCP_ESTABLISHED) {
		peer = peer_of(sk, note);
		if (peer) {
			if (peer->counted != count_number) {
				peer->counted = count_number;
				peer->open = 0;
			}
			peer->open++;
		}
	}
	return 0;
}
