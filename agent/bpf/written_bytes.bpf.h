/* SPDX-License-Identifier: GPL-2.0 */
/* What an application writes begins with, from the memory of its process before it is sent. */
#pragma once

#include "kernel_types.h"
#include "protocol.h"

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
	struct iovec first = {};
	__u64 length;

	if (bpf_probe_read_kernel(&first, sizeof(first), vector))
		return piece;
	length = first.iov_len - offset;
	if (length > limit)
		length = limit;
	piece.base = first.iov_base + offset;
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

/* Where a reply of Redis ends that has elements; 0 if that is too far away. Not inlined: few writes come here. */
static __attribute__((noinline)) __u32 end_of_redis_reply(const void *base, __u64 length)
{
	struct redis_reply reply = {.piece = {.base = base, .length = length}, .walk = {.left = 1}};

	bpf_loop(PPMM_REDIS_STEPS, walk_redis, &reply, 0);
	return reply.walk.left ? 0 : reply.walk.offset;
}

enum {
	TLS_BEFORE_SESSION = 5 + 4 + 2 + 32, /* record, message, version, random number */
	TLS_EXTENSIONS = 12,		     /* at most, of a server's hello */
};

struct tls_extensions {
	struct piece piece;
	__u32 offset; /* of the next one */
	__u32 is_http2;
};

static long walk_tls(__u32 index, void *context)
{
	struct tls_extensions *all = context;
	__u64 offset = all->offset;
	__u8 one[9] = {};

	if (offset >= all->piece.length || !read_piece(&all->piece, offset, one, sizeof(one)))
		return 1;
	all->is_http2 = ppmm_tls_extension_is_http2(one);
	all->offset += 4 + one[2] * 256 + one[3];
	return all->is_http2;
}

/* What the server's hello says, whose record is so long. Not inlined: one write of a connection comes here. */
static __attribute__((noinline)) __u32 tls_of_hello(const void *base, __u64 length, __u32 record)
{
	struct piece piece = {.base = base, .length = length};
	struct tls_extensions all = {};
	__u8 behind[11] = {}, session = 0;
	__u64 end = record + 5;
	__u32 tls = PPMM_TLS_UNKNOWN;

	if (end < length && read_piece(&piece, end, behind, sizeof(behind)))
		tls = ppmm_tls_behind_hello(behind);
	if (tls || end > length || end < TLS_BEFORE_SESSION || !read_piece(&piece, TLS_BEFORE_SESSION, &session, 1))
		return tls;
	all.piece.base = base;
	all.piece.length = end;
	all.offset = TLS_BEFORE_SESSION + 1 + session + 3 + 2; /* cipher, compression, length of all extensions */
	bpf_loop(TLS_EXTENSIONS, walk_tls, &all, 0);
	return all.is_http2 ? PPMM_TLS_HTTP2 : PPMM_TLS_UNKNOWN;
}

/* What the write begins with; nothing if that is not in memory of the process, or not in memory at all. */
static __always_inline void read_first(const struct msghdr *msg, __u8 protocol, bool is_request,
				       struct ppmm_first *first)
{
	const struct iov_iter *iter = &msg->msg_iter;
	const struct iovec *vector;
	struct piece piece = {};
	__u64 length, offset;
	__u8 type;

	type = iter->iter_type;
	offset = iter->iov_offset;
	length = iter->count;
	first->size = length > 0xffffffff ? 0xffffffff : length;
	if (bpf_core_enum_value_exists(enum iter_type, ITER_UBUF) &&
	    type == bpf_core_enum_value(enum iter_type, ITER_UBUF)) {
		/* Where the two share their place, the verifier takes what lies there for a number, so it may be read. */
		piece.base = bpf_core_field_exists(iter->__ubuf_iovec) ? iter->ubuf : BPF_CORE_READ(iter, ubuf);
		piece.base += offset;
		piece.length = first->size;
	} else if (type == bpf_core_enum_value(enum iter_type, ITER_IOVEC)) {
		if (bpf_core_field_exists(iter->__iov))
			vector = bpf_core_field_exists(iter->__ubuf_iovec) ? iter->__iov : BPF_CORE_READ(iter, __iov);
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
		   (protocol == PPMM_PROTOCOL_REDIS || protocol == PPMM_PROTOCOL_UNKNOWN) &&
		   !(is_request && ppmm_redis_is_one_request(first))) {
		first->redis_end = end_of_redis_reply(piece.base, piece.length);
	} else if (first->bytes[0] == 0x16 && first->bytes[1] == 3 && first->bytes[5] == 2) {
		first->tls = tls_of_hello(piece.base, piece.length, first->bytes[3] * 256 + first->bytes[4]);
	}
}
