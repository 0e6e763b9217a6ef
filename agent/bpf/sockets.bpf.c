// SPDX-License-Identifier: GPL-2.0
/*
 * Listening sockets, connections and peers, of all network namespaces.
 *
 * Each TCP socket carries a note (socket storage) that a connection inherits from its listener, so nothing is looked up
 * by address. Three programs:
 *   on_state   each change of state: new listeners, opened and closed connections; exact counts
 *   seed       all open files, at start and now and then: sockets older than we, owners of listeners
 *   poll       all sockets with a note, each second: bytes, accept queues
 * and one each, of several, that takes the times of the turns of an accepted connection (turn.h), and of the calls of
 * one that went out (call.h):
 *   arrival_*  data lie ready: the request arrives, or the answer to a call; of Unix sockets (unix.bpf.h) both
 *   read_*     the application takes bytes
 *   write_*    the application writes
 */
#include "notes.bpf.h"
#include "turns.bpf.h"
#include "unix.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/*
 * The hooks, for each of the three points of the clock, the best first. agent/capture_hooks.cc chooses; the others are
 * not loaded.
 */
SEC("tp_btf/sk_data_ready") /* since 6.3 */
int BPF_PROG(arrival_tracepoint, const struct sock *sk)
{
	return sk->__sk_common.skc_family == AF_UNIX ? unix_data_lie_ready((struct sock *)sk) : data_lie_ready(sk);
}

SEC("fentry/sock_def_readable")
int BPF_PROG(arrival_fentry, const struct sock *sk)
{
	return sk->__sk_common.skc_family == AF_UNIX ? unix_data_lie_ready((struct sock *)sk) : data_lie_ready(sk);
}

SEC("tp_btf/sock_recv_length") /* since 6.3 */
int BPF_PROG(read_tracepoint, const struct sock *sk, int bytes, int flags)
{
	return sk->__sk_common.skc_family == AF_UNIX ? unix_bytes_were_read((struct sock *)sk, bytes, flags)
						     : bytes_were_read(sk);
}

SEC("fexit/tcp_recvmsg")
int BPF_PROG(read_fexit, const struct sock *sk)
{
	return bytes_were_read(sk);
}

SEC("fexit/unix_stream_recvmsg")
int BPF_PROG(read_unix_fexit, struct socket *socket, struct msghdr *msg, __u64 size, int flags, int bytes)
{
	return unix_bytes_were_read(socket->sk, bytes, flags);
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

/* Behind the last byte that arrived. The end of the stream takes one number, if it came: who closes shuts both ways. */
static __always_inline __u32 received_seq(struct sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	return tcp ? tcp->rcv_nxt - (sk->__sk_common.skc_flags >> bpf_core_enum_value(enum sock_flags, SOCK_DONE) & 1)
		   : 0;
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
		if (note->role == ROLE_OUTBOUND)
			end_calls(sk, note);
		slot = slot_at(note->slot);
		if (slot && note->role == ROLE_ACCEPTED) {
			struct ppmm_turn_event event = {};
			__u64 arrived = note->turn.arrived_ns;

			ppmm_turn_close(&note->turn, received_seq(sk), &event);
			count_turn(note, &event);
			if (event.unanswered || event.set_aside)
				add_untimed(note, arrived, bpf_ktime_get_ns());
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
			__builtin_memset(&note->call, 0, sizeof(note->call));
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
 * Of several processes that hold a listener the oldest is the owner: a parent that forks, not the child that will be
 * gone in a moment. Process 1 only if nobody else holds it: it hands its sockets to services.
 */
static __always_inline void claim_listener(struct ppmm_slot *slot, __u32 tgid, __u64 began)
{
	if (slot->seeded != seed_number || slot->owner_tgid == 1 || (tgid != 1 && began < slot->owner_began)) {
		slot->seeded = seed_number;
		slot->owner_tgid = tgid;
		slot->owner_began = began;
	}
}

static __always_inline void seed_listener(struct sock *sk, __u32 tgid, __u64 began, bool is_unix)
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
			read_unix_name(slot, note->slot, sk);
	} else {
		slot = note->slot ? slot_at(note->slot) : 0;
	}
	if (!slot)
		return;
	claim_listener(slot, tgid, began);
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
	__u64 began;

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
	began = task->group_leader->start_boottime;
	state = sk->__sk_common.skc_state;

	if (sk->__sk_common.skc_family == AF_UNIX) {
		if (state == TCP_LISTEN)
			seed_listener(sk, tgid, began, true);
		return 0;
	}
	if (sk->sk_protocol != IPPROTO_TCP ||
	    (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6))
		return 0;
	if (state == TCP_LISTEN) {
		seed_listener(sk, tgid, began, false);
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

/* Requests in flight, as the socket shows it, and how long they are already, as our hooks do. */
static __always_inline void see_requests(struct sock *sk, const struct note *note)
{
	struct ppmm_slot *slot = slot_at(note->slot);
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	/* Once: an answer on another CPU may end it now. */
	__u64 arrived = *(const volatile __u64 *)&note->turn.arrived_ns;
	enum owed owed;
	__u64 now;

	if (!slot || !tcp || note->turn.label)
		return;
	if (slot->aged != poll_number) {
		slot->aged = poll_number;
		slot->open_ns = 0;
	}
	now = bpf_ktime_get_ns();
	if (arrived && now > arrived)
		slot->open_ns += now - arrived;
	owed = owes_an_answer(sk, tcp);
	if (owed == OWED_YES || owed == OWED_PERHAPS)
		slot->owed_ns += since_poll_ns;
	if (note->turn.protocol == PPMM_PROTOCOL_FASTCGI) /* its servers may leave the end of a request unread */
		return;
	/* A hook and the kernel's own note of the same event are not at once: what is older than a tick is no race. */
	if (owed == OWED_YES && !arrived && (__u32)bpf_jiffies64() - tcp->inet_conn.icsk_ack.lrcvtime > 1)
		slot->hidden_ns += since_poll_ns;
	else if (owed == OWED_NO && arrived && (__u32)bpf_jiffies64() - tcp->lsndtime > 1)
		slot->kept_ns += since_poll_ns;
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
	if (note->role == ROLE_LISTENER || sk->__sk_common.skc_family == AF_UNIX) /* a handshake that is not complete */
		return 0;
	if (note->role == ROLE_UNKNOWN)
		decide_role(sk, note);
	account(sk, note);
	if (since_poll_ns && note->role == ROLE_ACCEPTED)
		see_requests(sk, note);
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
