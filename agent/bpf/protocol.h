/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * What the first bytes of a response tell: whose protocol it is, whether it is an error, and whether the connection
 * still takes turns. Free of the kernel, as turn.h; tests/agent/turn_test.cc. Nothing of the bytes is kept.
 */
#pragma once

#include <linux/types.h>

enum { PPMM_FIRST_BYTES = 16 };

/* The beginning of one write of an application. */
struct ppmm_first {
	__u8 bytes[PPMM_FIRST_BYTES]; /* behind `length`: 0 */
	__u32 length;		      /* of these, 0: they could not be read */
	__u32 size;		      /* of the whole write */
};

enum ppmm_protocol {
	PPMM_PROTOCOL_UNKNOWN = 0,
	PPMM_PROTOCOL_HTTP1,
	PPMM_PROTOCOL_HTTP2,
	PPMM_PROTOCOL_TLS,
	PPMM_PROTOCOL_REDIS,
};

/* What a write is. */
enum ppmm_meaning {
	PPMM_MEANS_NOTHING = 0, /* no rule applies: turns alone decide */
	PPMM_MEANS_ANSWER,	/* a response begins here, for certain */
	PPMM_MEANS_INTERIM,	/* of a response that is still to come (100 Continue) */
	PPMM_MEANS_HANDSHAKE,	/* of a connection that is being set up */
	PPMM_MEANS_MANY,	/* more than one response: requests are pipelined */
	PPMM_MEANS_STREAMS,	/* from here on there are no turns: multiplexed, or upgraded to another protocol */
};

struct ppmm_reading {
	__u8 protocol;
	__u8 meaning;
	__u8 error; /* the response reports one */
};

static inline __attribute__((always_inline)) int ppmm_is_digit(__u8 c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.x NNN". */
static inline __attribute__((always_inline)) int ppmm_read_http1(const struct ppmm_first *f, struct ppmm_reading *r)
{
	const __u8 *b = f->bytes;

	if (f->length < 12 || b[0] != 'H' || b[1] != 'T' || b[2] != 'T' || b[3] != 'P' || b[4] != '/' || b[5] != '1' ||
	    b[6] != '.' || b[8] != ' ' || !ppmm_is_digit(b[9]))
		return 0;
	r->protocol = PPMM_PROTOCOL_HTTP1;
	r->meaning = b[9] != '1'		    ? PPMM_MEANS_ANSWER
		     : b[10] == '0' && b[11] == '1' ? PPMM_MEANS_STREAMS
						    : PPMM_MEANS_INTERIM;
	r->error = b[9] == '4' || b[9] == '5';
	return 1;
}

/* A record: type, version 3.x, length. The first of a server is of type handshake. */
static inline __attribute__((always_inline)) int ppmm_read_tls(const struct ppmm_first *f, __u8 known,
							       struct ppmm_reading *r)
{
	const __u8 *b = f->bytes;

	if (f->length < 5 || b[1] != 3 || b[2] > 4 || b[0] < 0x14 || b[0] > 0x17 ||
	    (known != PPMM_PROTOCOL_TLS && b[0] != 0x16))
		return 0;
	r->protocol = PPMM_PROTOCOL_TLS;
	r->meaning = b[0] == 0x17 ? PPMM_MEANS_NOTHING : PPMM_MEANS_HANDSHAKE;
	return 1;
}

/*
 * A server begins with SETTINGS: length of whole settings, type 4, flags 0, stream 0. On a connection older than we its
 * writes begin with another frame: HEADERS (type 1, complete, of a stream that the client opened), WINDOW_UPDATE
 * (type 8, length 4), an answer to PING (type 6, length 8, for the whole connection), or, of gRPC, DATA (type 0) that
 * holds one message: whether it is compressed, and its length, which agrees with the frame's.
 */
static inline __attribute__((always_inline)) int ppmm_read_http2(const struct ppmm_first *f, struct ppmm_reading *r)
{
	const __u8 *b = f->bytes;

	int whole = !b[6] && !b[7] && !b[8];
	__u32 length = b[1] * 256u + b[2];
	int settings = !b[1] && b[2] % 6 == 0 && b[2] <= 60 && b[3] == 4 && !b[4] && whole;
	int headers = b[3] == 1 && (b[4] & ~5) == 0 && (b[4] & 4) && (b[8] & 1);
	int update = length == 4 && b[3] == 8 && !b[4];
	int ping = length == 8 && b[3] == 6 && b[4] == 1 && whole;
	int message = f->length >= 14 && b[3] == 0 && b[4] <= 1 && (b[8] & 1) && b[9] <= 1 && !b[10] && !b[11] &&
		      length == 5 + b[12] * 256u + b[13];

	if (f->length < 9 || b[0] || b[5] || !(settings || headers || update || ping || message))
		return 0;
	r->protocol = PPMM_PROTOCOL_HTTP2;
	r->meaning = PPMM_MEANS_STREAMS;
	return 1;
}

/* Length of the first reply of RESP; 0: no RESP; ~0: RESP, but its end is not to be seen from here. */
static inline __attribute__((always_inline)) __u32 ppmm_redis_reply(const struct ppmm_first *f)
{
	const __u8 *b = f->bytes;
	__u32 number = 0, i, end = 0;
	int digits = 1, text = 1;

	if (b[0] != '+' && b[0] != '-' && b[0] != ':' && b[0] != '$' && b[0] != '*')
		return 0;
		/* Unrolled, and so without an exit: Linux 6.1 takes only loops whose code lies in an order it can
		 * follow. */
#ifdef __bpf__
#pragma clang loop unroll(full)
#endif
	for (i = 1; i + 1 < PPMM_FIRST_BYTES; i++) {
		if (end || !text)
			continue;
		if (b[i] == '\r' && b[i + 1] == '\n')
			end = i + 2;
		else if (ppmm_is_digit(b[i]))
			number = number * 10 + (b[i] - '0');
		else if (b[i] >= ' ' && b[i] < 0x7f)
			digits = digits && i == 1 && b[i] == '-';
		else
			text = 0;
	}
	if (!text)
		return 0;
	if (b[0] == '+' || b[0] == '-')
		return end ? end : ~0u;
	if (!digits || (!end && f->length == f->size))
		return 0;
	if (b[0] == ':')
		return end ? end : ~0u;
	if (b[0] == '*' || !end)
		return b[0] == '*' && end && b[1] == '0' ? end : ~0u;
	return b[1] == '-' ? end : end + number + 2; /* $-1: nothing */
}

static inline __attribute__((always_inline)) int ppmm_read_redis(const struct ppmm_first *f, struct ppmm_reading *r)
{
	__u32 reply;

	if (f->length < 4)
		return 0;
	reply = ppmm_redis_reply(f);
	if (!reply)
		return 0;
	r->protocol = PPMM_PROTOCOL_REDIS;
	r->meaning = reply != ~0u && f->size > reply ? PPMM_MEANS_MANY : PPMM_MEANS_NOTHING;
	r->error = f->bytes[0] == '-';
	return 1;
}

/* `known`: the protocol of the connection so far. */
static inline __attribute__((always_inline)) struct ppmm_reading ppmm_read_first(const struct ppmm_first *f, __u8 known)
{
	struct ppmm_reading r = {};

	if (!f->length) {
		r.protocol = known;
		return r;
	}
	if (known == PPMM_PROTOCOL_UNKNOWN || known == PPMM_PROTOCOL_HTTP1) {
		if (ppmm_read_http1(f, &r))
			return r;
	}
	if (known == PPMM_PROTOCOL_UNKNOWN || known == PPMM_PROTOCOL_TLS) {
		if (ppmm_read_tls(f, known, &r))
			return r;
	}
	if (known == PPMM_PROTOCOL_UNKNOWN || known == PPMM_PROTOCOL_REDIS) {
		if (ppmm_read_redis(f, &r))
			return r;
	}
	if (known == PPMM_PROTOCOL_UNKNOWN && ppmm_read_http2(f, &r))
		return r;
	r.protocol = known;
	return r;
}
