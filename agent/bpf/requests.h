/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * What the first bytes of a request tell, as the client writes it: whose protocol it is, and whether a request begins
 * there. Free of the kernel, as call.h; tests/agent/call_test.cc. Nothing of the bytes is kept.
 */
#pragma once

#include <linux/types.h>

#include "protocol_stores.h"
#include "protocol_types.h"
#include "protocol_web.h"

/* What a client's write is. */
enum ppmm_request {
	PPMM_REQUEST_UNKNOWN = 0, /* no rule applies */
	PPMM_REQUEST_BEGINS,	  /* for certain */
	PPMM_REQUEST_GOES_ON,	  /* of a protocol whose requests would be known by their beginning */
	PPMM_REQUEST_ASIDE,	  /* sets the connection up or ends it, or wants no answer */
	PPMM_REQUEST_MANY,	  /* more than one: pipelined */
	PPMM_REQUEST_STREAMS,	  /* from here on there are no turns */
};

struct ppmm_request_reading {
	__u8 protocol;
	__u8 meaning;
	__u8 whole;  /* the write is all of a request, or its end */
	__u8 is_1_2; /* of TLS: not later than 1.2 */
};

static inline __attribute__((always_inline)) __u32 ppmm_request_packed(__u32 protocol, __u32 meaning, int whole)
{
	return protocol + 0x100 * meaning + (whole ? 0x10000u : 0);
}

/* The first word of a request. What a proxy is asked to connect is a tunnel. */
PPMM_RULE __u32 ppmm_request_http1(const struct ppmm_first *f, __u32 known)
{
	if (!f)
		return 0;
	const __u8 *b = f->bytes;
	__u32 word = ppmm_word(b), next = ppmm_word(b + 4);

	if (f->length < 8)
		return known == PPMM_PROTOCOL_HTTP1 ? ppmm_request_packed(known, PPMM_REQUEST_GOES_ON, 0) : 0;
	if (word == PPMM_WORD('G', 'E', 'T', ' ') || word == PPMM_WORD('P', 'U', 'T', ' ') ||
	    (word == PPMM_WORD('P', 'O', 'S', 'T') && b[4] == ' ') ||
	    (word == PPMM_WORD('H', 'E', 'A', 'D') && b[4] == ' ') ||
	    (word == PPMM_WORD('D', 'E', 'L', 'E') && b[4] == 'T' && b[5] == 'E' && b[6] == ' ') ||
	    (word == PPMM_WORD('P', 'A', 'T', 'C') && b[4] == 'H' && b[5] == ' ') ||
	    (word == PPMM_WORD('O', 'P', 'T', 'I') && next == PPMM_WORD('O', 'N', 'S', ' ')))
		return ppmm_request_packed(PPMM_PROTOCOL_HTTP1, PPMM_REQUEST_BEGINS, 0);
	if (word == PPMM_WORD('C', 'O', 'N', 'N') && next == PPMM_WORD('E', 'C', 'T', ' '))
		return ppmm_request_packed(PPMM_PROTOCOL_HTTP1, PPMM_REQUEST_STREAMS, 0);
	return known == PPMM_PROTOCOL_HTTP1 ? ppmm_request_packed(known, PPMM_REQUEST_GOES_ON, 0) : 0;
}

/*
 * Records: type, version 3.x, length. Application data of 19 bytes are, in 1.3, the encrypted notice that the client
 * closes.
 */
PPMM_RULE __u32 ppmm_request_tls(const struct ppmm_first *f, __u32 known)
{
	if (!f)
		return 0;
	const __u8 *b = f->bytes;
	int is_1_2, is_notice;

	if (f->length < 5 || b[1] != 3 || b[2] > 4 || b[0] < 0x14 || b[0] > 0x17 ||
	    (known != PPMM_PROTOCOL_TLS && b[0] != 0x16))
		return 0;
	is_notice = f->size == 24 && b[3] == 0 && b[4] == 19;
	if (b[0] == 0x17 && !is_notice)
		return ppmm_request_packed(PPMM_PROTOCOL_TLS, PPMM_REQUEST_UNKNOWN, 0);
	/* A certificate or the key exchange in the clear; a change of cipher with a handshake behind it. */
	is_1_2 = known == PPMM_PROTOCOL_TLS &&
		 ((b[0] == 0x16 && (b[5] == 0x0b || b[5] == 0x10)) || (b[0] == 0x14 && b[6] == 0x16 && b[11] != 1));
	return ppmm_request_packed(PPMM_PROTOCOL_TLS, PPMM_REQUEST_ASIDE, 0) + (is_1_2 ? 0x20000u : 0);
}

/* Arrays of strings; the first is the command. Some turn the connection into a stream. */
PPMM_RULE __u32 ppmm_request_redis(const struct ppmm_first *f)
{
	if (!f)
		return 0;
	const __u8 *b = f->bytes;
	int two = ppmm_is_digit(b[2]); /* digits of the number of strings */
	/* What a command begins with, in small letters; those that are looked for have one or two digits of length. */
	__u32 one_string = ppmm_word(b + 8), length = b[5];

	if (f->length < 8 || b[0] != '*' || !ppmm_is_digit(b[1]))
		return 0;
	if (two ? b[3] != '\r' || b[5] != '$' : b[2] != '\r' || b[4] != '$')
		return 0;
	if (!two && b[6] == '\r') {
		one_string |= PPMM_WORD(' ', ' ', ' ', ' ');
		if ((length == '9' && one_string == PPMM_WORD('s', 'u', 'b', 's')) ||
		    (length == '7' && one_string == PPMM_WORD('m', 'o', 'n', 'i')) ||
		    (length == '5' && one_string == PPMM_WORD('p', 's', 'y', 'n')) ||
		    (length == '4' && one_string == PPMM_WORD('s', 'y', 'n', 'c')))
			return ppmm_request_packed(PPMM_PROTOCOL_REDIS, PPMM_REQUEST_STREAMS, 0);
	} else if (!two && b[5] == '1' && b[6] == '0') {
		one_string = ppmm_word(b + 9) | PPMM_WORD(' ', ' ', ' ', ' ');
		if (one_string == PPMM_WORD('p', 's', 'u', 'b') || one_string == PPMM_WORD('s', 's', 'u', 'b'))
			return ppmm_request_packed(PPMM_PROTOCOL_REDIS, PPMM_REQUEST_STREAMS, 0);
	}
	if (f->redis_end && f->size > f->redis_end)
		return ppmm_request_packed(PPMM_PROTOCOL_REDIS, PPMM_REQUEST_MANY, 0);
	return ppmm_request_packed(PPMM_PROTOCOL_REDIS, PPMM_REQUEST_BEGINS, 0);
}

/* Messages: type, length in four bytes, which counts itself; the first of a connection has no type. */
PPMM_RULE __u32 ppmm_request_postgres(const struct ppmm_first *f, __u32 known)
{
	if (!f)
		return 0;
	const __u8 *b = f->bytes;
	__u32 length = b[1] * 0x1000000u + b[2] * 0x10000u + b[3] * 256u + b[4];
	__u32 code = ppmm_word(b + 4), first_length = b[2] * 256u + b[3];
	int synced = f->last[1] == 'S' && ppmm_word(f->last + 2) == PPMM_WORD(0, 0, 0, 4);

	if (f->length < 5)
		return 0;
	if (!b[0]) { /* asks for TLS, for GSSAPI, cancels, or begins */
		if (f->length < 8 || b[1] || first_length != f->size ||
		    !(code == PPMM_WORD(4, 0xd2, 0x16, 0x2f) || code == PPMM_WORD(4, 0xd2, 0x16, 0x30) ||
		      code == PPMM_WORD(4, 0xd2, 0x16, 0x2e) || (code & 0xffffffu) == PPMM_WORD(0, 3, 0, 0)))
			return 0;
		return ppmm_request_packed(PPMM_PROTOCOL_POSTGRES, PPMM_REQUEST_ASIDE, 0);
	}
	if (b[0] == 'Q' && length + 1 == f->size)
		return ppmm_request_packed(PPMM_PROTOCOL_POSTGRES, PPMM_REQUEST_BEGINS, 1);
	if (b[0] == 'Q' && known == PPMM_PROTOCOL_POSTGRES && !b[1] && length + 1 < f->size)
		return ppmm_request_packed(PPMM_PROTOCOL_POSTGRES, PPMM_REQUEST_MANY, 0);
	if (known != PPMM_PROTOCOL_POSTGRES && !((b[0] == 'P' || b[0] == 'B') && !b[1] && !b[2] && length < f->size))
		return 0;
	if (b[0] == 'X' || b[0] == 'p') /* the end; a password */
		return ppmm_request_packed(PPMM_PROTOCOL_POSTGRES, PPMM_REQUEST_ASIDE, 0);
	return ppmm_request_packed(PPMM_PROTOCOL_POSTGRES, PPMM_REQUEST_BEGINS, synced);
}

/* Packets: length in three bytes, number, content. A command is number 0; to sign on is 1 and further. */
PPMM_RULE __u32 ppmm_request_mysql(const struct ppmm_first *f, __u32 known)
{
	if (!f)
		return 0;
	const __u8 *b = f->bytes;
	__u32 length = b[0] + b[1] * 256u + b[2] * 65536u;
	int whole = f->size == length + 4;
	int is_sign_on = b[3] == 1 && whole && length >= 32 && (b[5] & 2); /* of protocol 4.1 */
	int is_query = !b[3] && whole && b[4] == 3 && (b[5] | 0x20) >= 'a' && (b[5] | 0x20) <= 'z';
	int is_execute = !b[3] && whole && b[4] == 0x17 && !b[9] && ppmm_word(b + 10) == 1;

	if (f->length < 5 || (known != PPMM_PROTOCOL_MYSQL && !is_sign_on && !is_query && !is_execute))
		return 0;
	if (b[3] || (whole && (b[4] == 1 || b[4] == 0x18 || b[4] == 0x19))) /* quit, long data, a statement is closed */
		return ppmm_request_packed(PPMM_PROTOCOL_MYSQL, PPMM_REQUEST_ASIDE, 0);
	if (f->size > length + 4)
		return ppmm_request_packed(PPMM_PROTOCOL_MYSQL, PPMM_REQUEST_MANY, 0);
	return ppmm_request_packed(PPMM_PROTOCOL_MYSQL, PPMM_REQUEST_BEGINS, whole);
}

/* Records: version 1, type, request, length. A request begins with a record of type 1. */
PPMM_RULE __u32 ppmm_request_fastcgi(const struct ppmm_first *f, __u32 known)
{
	if (!f)
		return 0;
	const __u8 *b = f->bytes;

	if (f->length >= 16 && b[0] == 1 && b[1] == 1 && !b[4] && b[5] == 8)
		return ppmm_request_packed(PPMM_PROTOCOL_FASTCGI, PPMM_REQUEST_BEGINS, 0);
	return known == PPMM_PROTOCOL_FASTCGI ? ppmm_request_packed(known, PPMM_REQUEST_GOES_ON, 0) : 0;
}

/* The preface, or a frame of a connection that is older than we. */
PPMM_RULE __u32 ppmm_request_http2(const struct ppmm_first *f)
{
	if (!f)
		return 0;
	if ((f->length >= 14 && ppmm_word(f->bytes) == PPMM_WORD('P', 'R', 'I', ' ') && f->bytes[4] == '*') ||
	    ppmm_read_http2(f))
		return ppmm_request_packed(PPMM_PROTOCOL_HTTP2, PPMM_REQUEST_STREAMS, 0);
	return 0;
}

/* `known`: the protocol of the connection so far. PostgreSQL and MySQL may go on with TLS. */
static inline __attribute__((always_inline)) struct ppmm_request_reading
ppmm_read_request(const struct ppmm_first *f, __u8 known)
{
	struct ppmm_request_reading reading = {};
	__u32 r = 0;

	reading.protocol = known;
	if (!f->length)
		return reading;
	if (known == PPMM_PROTOCOL_UNKNOWN || known == PPMM_PROTOCOL_HTTP1)
		r = ppmm_request_http1(f, known);
	if (!r && (known == PPMM_PROTOCOL_UNKNOWN || known == PPMM_PROTOCOL_TLS || known == PPMM_PROTOCOL_POSTGRES ||
		   known == PPMM_PROTOCOL_MYSQL))
		r = ppmm_request_tls(f, known);
	if (!r && (known == PPMM_PROTOCOL_UNKNOWN || known == PPMM_PROTOCOL_REDIS))
		r = ppmm_request_redis(f);
	if (!r && (known == PPMM_PROTOCOL_UNKNOWN || known == PPMM_PROTOCOL_POSTGRES))
		r = ppmm_request_postgres(f, known);
	if (!r && (known == PPMM_PROTOCOL_UNKNOWN || known == PPMM_PROTOCOL_FASTCGI))
		r = ppmm_request_fastcgi(f, known);
	if (!r && (known == PPMM_PROTOCOL_UNKNOWN || known == PPMM_PROTOCOL_MYSQL))
		r = ppmm_request_mysql(f, known);
	if (!r && known == PPMM_PROTOCOL_UNKNOWN)
		r = ppmm_request_http2(f);
	if (!r)
		return reading;
	reading.protocol = r & 0xff;
	reading.meaning = r >> 8 & 0xff;
	reading.whole = r >> 16 & 1;
	reading.is_1_2 = r >> 17 & 1;
	return reading;
}
