/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * What the first bytes of a response tell: whose protocol it is, whether it is an error, and whether the connection
 * still takes turns. Free of the kernel, as turn.h; tests/agent/turn_test.cc. Nothing of the bytes is kept.
 */
#pragma once

#include <linux/types.h>

#include "protocol_stores.h"
#include "protocol_types.h"
#include "protocol_web.h"

/* Whether writes that begin no answer that is owed must be looked at, too. */
static inline __attribute__((always_inline)) int ppmm_protocol_tells_answers(__u8 protocol)
{
	return protocol == PPMM_PROTOCOL_HTTP1 || protocol == PPMM_PROTOCOL_POSTGRES ||
	       protocol == PPMM_PROTOCOL_MYSQL || protocol == PPMM_PROTOCOL_MEMCACHED;
}

/*
 * Whether this write is the end of an answer. Only then does what looks like an answer begin one: large answers go on
 * with whatever lies at the edge of a buffer.
 */
static inline __attribute__((always_inline)) int ppmm_is_end(const struct ppmm_first *f, const struct ppmm_reading *r)
{
	return r->protocol == PPMM_PROTOCOL_POSTGRES
		   ? ppmm_postgres_is_ready(f)
		   : r->protocol != PPMM_PROTOCOL_MEMCACHED || r->meaning == PPMM_MEANS_ANSWER;
}

/* Whether its responses say that they are errors. */
static inline __attribute__((always_inline)) int ppmm_protocol_tells_errors(__u32 protocol)
{
	return protocol != PPMM_PROTOCOL_UNKNOWN && protocol != PPMM_PROTOCOL_HTTP2 && protocol != PPMM_PROTOCOL_TLS;
}

/* `known`: the protocol of the connection so far. MySQL may go on with TLS. */
static inline __attribute__((always_inline)) struct ppmm_reading ppmm_read_first(const struct ppmm_first *f, __u8 known)
{
	struct ppmm_reading nothing = {};
	__u32 r = 0;

	nothing.protocol = known;
	if (!f->length)
		return nothing;
	if (known == PPMM_PROTOCOL_UNKNOWN || known == PPMM_PROTOCOL_HTTP1)
		r = ppmm_read_http1(f);
	if (!r && (known == PPMM_PROTOCOL_UNKNOWN || known == PPMM_PROTOCOL_TLS || known == PPMM_PROTOCOL_MYSQL))
		r = ppmm_read_tls(f, known);
	if (!r && (known == PPMM_PROTOCOL_UNKNOWN || known == PPMM_PROTOCOL_REDIS))
		r = ppmm_read_redis(f, known);
	if (!r && (known == PPMM_PROTOCOL_UNKNOWN || known == PPMM_PROTOCOL_POSTGRES))
		r = ppmm_read_postgres(f, known);
	if (!r && (known == PPMM_PROTOCOL_UNKNOWN || known == PPMM_PROTOCOL_MYSQL))
		r = ppmm_read_mysql(f, known);
	if (!r && (known == PPMM_PROTOCOL_UNKNOWN || known == PPMM_PROTOCOL_MEMCACHED))
		r = ppmm_read_memcached(f);
	if (!r && (known == PPMM_PROTOCOL_UNKNOWN || known == PPMM_PROTOCOL_FASTCGI))
		r = ppmm_read_fastcgi(f);
	if (!r && known == PPMM_PROTOCOL_UNKNOWN)
		r = ppmm_read_http2(f);
	return r ? ppmm_unpacked(r) : nothing;
}
