/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Responses of Redis, memcached, PostgreSQL and MySQL. Free of the kernel; tests/agent/turn_test.cc. */
#pragma once

#include <linux/types.h>

#include "protocol_types.h"

/* ---- Redis ---- */

enum { PPMM_REDIS_HEAD = 16 }; /* bytes that are looked at */

struct ppmm_redis_element {
	__u32 length;	/* ~0: its end is not to be seen from here */
	__u32 children; /* elements that follow and belong to it */
};

/* Of `digits` decimal digits, at most 8, the first in the lowest byte. */
static inline __attribute__((always_inline)) __u32 ppmm_decimal(__u64 text, __u32 digits)
{
	if (!digits)
		return 0;
	text <<= 64 - 8 * digits; /* zero bytes in front are zeros */
	text = (text & PPMM_EACH(0x0f)) * (10 * 0x100 + 1) >> 8;
	text = (text & 0x00ff00ff00ff00ffull) * (100 * 0x10000 + 1) >> 16;
	return (text & 0x0000ffff0000ffffull) * (10000 * 0x100000000ull + 1) >> 32 & 0x7ffffffu;
}

/* The first element of RESP; 0 if it is none. `whole`: there are no more bytes than these. */
PPMM_RULE int ppmm_redis_first(const struct ppmm_first *f, __u32 whole, struct ppmm_redis_element *element)
{
	if (!f || !element)
		return 0;
	const __u8 *b = f->bytes;
	__u8 type = b[0];
	int is_map = type == '%';
	int is_array = type == '*' || type == '~' || type == '>' || is_map;
	int is_line = type == '+' || type == '-' || type == '_' || type == '#' || type == ',';

	if (!is_array && !is_line && type != ':' && type != '$')
		return 0;

	/* The line up to its end, or what of it can be seen. All its bytes at once, since branches cost more. */
	__u64 low = ppmm_eight(b), high = ppmm_eight(b + 8);
	__u64 end_low = ppmm_which_are(low, '\r') & ~0xffull, end_high = ppmm_which_are(high, '\r');
	__u64 in_low = end_low ? end_low ^ (end_low - 1) : ~0ull; /* up to its end */
	__u64 in_high = end_low ? 0 : end_high ? end_high ^ (end_high - 1) : ~0ull;
	__u32 length = (((in_low & PPMM_EACH(1)) * PPMM_EACH(1) >> 56) + ((in_high & PPMM_EACH(1)) * PPMM_EACH(1) >> 56)) &
		       0xffu;
	int ends = length < PPMM_REDIS_HEAD && (end_low || end_high);
	__u64 digits_low, digits_high, strange;

	in_low &= PPMM_EACH(0x80) & ~end_low & ~0xffull;
	in_high &= PPMM_EACH(0x80) & ~end_high & ~(0xffull << 56);
	strange = (low | ~PPMM_AT_LEAST(low, ' ') | PPMM_AT_LEAST(low, 0x7f)) & in_low;
	strange |= (high | ~PPMM_AT_LEAST(high, ' ') | PPMM_AT_LEAST(high, 0x7f)) & in_high;
	if (strange || (ends && b[length & (PPMM_REDIS_HEAD - 1)] != '\n'))
		return 0;
	digits_low = PPMM_AT_LEAST(low, '0') & ~PPMM_AT_LEAST(low, '9' + 1);
	digits_high = PPMM_AT_LEAST(high, '0') & ~PPMM_AT_LEAST(high, '9' + 1);
	if (b[1] == '-') /* $-1 and *-1: nothing */
		in_low &= ~0xffffull;
	if (!is_line && ((~digits_low & in_low) | (~digits_high & in_high) || (!ends && whole)))
		return 0;

	element->length = ends ? length + 1 : ~0u;
	element->children = 0;
	if (!ends || b[1] == '-' || (type != '$' && !is_array))
		return 1;
	if (length > 2 + 8) { /* more digits than anybody has bytes */
		element->length = ~0u;
		return 1;
	}
	length = ppmm_decimal(low >> 8 | high << 56, length - 2);
	if (type == '$')
		element->length += length + 2;
	else
		element->children = is_map ? 2 * length : length;
	return 1;
}

/*
 * Whether all that a client writes lies here, and no further array begins in it: then it is one request, which needs no
 * walk.
 */
static inline __attribute__((always_inline)) int ppmm_redis_is_one_request(const struct ppmm_first *f)
{
	const __u8 *b = f->bytes;

	return f->size == f->length && b[0] == '*' &&
	       !((ppmm_which_are(ppmm_eight(b), '*') & ~0xffull) | ppmm_which_are(ppmm_eight(b + 8), '*') |
		 ppmm_which_are(ppmm_eight(b + 16), '*'));
}

/* A walk over the elements of one reply, to its end. Of 32 bits: the verifier does not look at what they may be. */
struct ppmm_redis_walk {
	__u32 offset; /* of the next element */
	__u32 left;   /* elements of the reply that are still to come */
};

enum { PPMM_REDIS_STEPS = 32 };

/* `head`: the bytes at the walk's offset. Returns whether the walk can go on. */
static inline __attribute__((always_inline)) int ppmm_redis_step(struct ppmm_redis_walk *walk,
								 const struct ppmm_first *head)
{
	struct ppmm_redis_element element = {};

	if (!ppmm_redis_first(head, 1, &element) || element.length == ~0u) {
		walk->offset = 0;
		return 0;
	}
	walk->offset += element.length;
	walk->left += element.children - 1;
	return walk->left != 0;
}

/* Confirmations of a subscription, pushes, and the stream to a replica: from there on the server speaks unasked. */
static inline __attribute__((always_inline)) int ppmm_redis_is_stream(const __u8 *b, __u32 known)
{
	__u32 word = ppmm_word(b + 8);

	if (ppmm_word(b) == PPMM_WORD('*', '3', '\r', '\n') && b[4] == '$')
		return (b[5] == '9' && word == PPMM_WORD('s', 'u', 'b', 's')) ||
		       (b[5] == '1' && b[6] == '0' &&
			(ppmm_word(b + 9) == PPMM_WORD('p', 's', 'u', 'b') ||
			 ppmm_word(b + 9) == PPMM_WORD('s', 's', 'u', 'b')));
	if (ppmm_word(b) == PPMM_WORD('+', 'F', 'U', 'L') || ppmm_word(b) == PPMM_WORD('+', 'C', 'O', 'N'))
		return (ppmm_word(b + 4) == PPMM_WORD('L', 'R', 'E', 'S') && word == PPMM_WORD('Y', 'N', 'C', ' ')) ||
		       ppmm_word(b + 4) == PPMM_WORD('T', 'I', 'N', 'U');
	return b[0] == '>' && known == PPMM_PROTOCOL_REDIS;
}

PPMM_RULE __u32 ppmm_read_redis(const struct ppmm_first *f, __u32 known)
{
	struct ppmm_reading r = {};

	if (!f)
		return 0;
	const __u8 *b = f->bytes;
	struct ppmm_redis_element element = {};
	__u32 length;

	if (f->length < 4)
		return 0;
	/* Signs of RESP 3 alone are too little to know it by. */
	if (known != PPMM_PROTOCOL_REDIS && b[0] != '+' && b[0] != '-' && b[0] != ':' && b[0] != '$' && b[0] != '*' &&
	    b[0] != '%')
		return 0;
	if (!ppmm_redis_first(f, f->length == f->size, &element))
		return 0;
	length = element.children ? f->redis_end : element.length;
	r.protocol = PPMM_PROTOCOL_REDIS;
	r.error = b[0] == '-';
	if (ppmm_redis_is_stream(b, known))
		r.meaning = PPMM_MEANS_STREAMS;
	else if (length && length != ~0u && f->size > length)
		r.meaning = PPMM_MEANS_MANY;
	return ppmm_packed(r);
}

/* ---- memcached ---- */

/* The text protocol. A reply that is one line of a known length tells whether another follows, and that it is whole. */
PPMM_RULE __u32 ppmm_read_memcached(const struct ppmm_first *f)
{
	struct ppmm_reading r = {};

	if (!f)
		return 0;
	const __u8 *b = f->bytes;
	__u32 word = ppmm_word(b), next = ppmm_word(b + 4), length = 0;
	int error = 0;

	if (f->length < 5)
		return 0;
	if (word == PPMM_WORD('S', 'T', 'O', 'R') && next == PPMM_WORD('E', 'D', '\r', '\n'))
		length = 8;
	else if (word == PPMM_WORD('E', 'N', 'D', '\r') && b[4] == '\n')
		length = 5;
	else if (word == PPMM_WORD('D', 'E', 'L', 'E') && next == PPMM_WORD('T', 'E', 'D', '\r'))
		length = 9;
	else if (word == PPMM_WORD('T', 'O', 'U', 'C') && next == PPMM_WORD('H', 'E', 'D', '\r'))
		length = 9;
	else if (word == PPMM_WORD('E', 'X', 'I', 'S') && next == PPMM_WORD('T', 'S', '\r', '\n'))
		length = 8;
	else if (word == PPMM_WORD('N', 'O', 'T', '_') && next == PPMM_WORD('F', 'O', 'U', 'N'))
		length = 11;
	else if (word == PPMM_WORD('N', 'O', 'T', '_') && next == PPMM_WORD('S', 'T', 'O', 'R'))
		length = 12;
	else if (word == PPMM_WORD('E', 'R', 'R', 'O') && b[4] == 'R' && b[5] == '\r')
		length = 7;
	else if ((word == PPMM_WORD('C', 'L', 'I', 'E') && next == PPMM_WORD('N', 'T', '_', 'E')) ||
		 (word == PPMM_WORD('S', 'E', 'R', 'V') && next == PPMM_WORD('E', 'R', '_', 'E')) ||
		 (word == PPMM_WORD('E', 'R', 'R', 'O') && b[4] == 'R' && b[5] == ' '))
		error = 1;
	else if (word != PPMM_WORD('V', 'A', 'L', 'U') && word != PPMM_WORD('V', 'E', 'R', 'S') &&
		 word != PPMM_WORD('S', 'T', 'A', 'T'))
		return 0;
	r.protocol = PPMM_PROTOCOL_MEMCACHED;
	if (length)
		r.meaning = f->size > length ? PPMM_MEANS_MANY : PPMM_MEANS_ANSWER;
	r.error = error || length == 7;
	return ppmm_packed(r);
}

/* ---- PostgreSQL ---- */

/* A message without content: its type, and the length 4. */
static inline __attribute__((always_inline)) int ppmm_postgres_is_mark(const __u8 *b)
{
	return (b[0] == '1' || b[0] == '2' || b[0] == '3' || b[0] == 'n') && ppmm_word(b + 1) == PPMM_WORD(0, 0, 0, 4);
}

static inline __attribute__((always_inline)) int ppmm_postgres_is_error(const __u8 *b)
{
	return b[0] == 'E' && !b[1] && !b[2] && b[5] == 'S';
}

/*
 * Messages: type, length in four bytes. Marks that a statement was parsed and bound come before what it gave. That a
 * response is a PostgreSQL server's must be certain on connections older than we; younger ones begin with 'R'.
 */
PPMM_RULE __u32 ppmm_read_postgres(const struct ppmm_first *f, __u32 known)
{
	struct ppmm_reading r = {};

	if (!f)
		return 0;
	const __u8 *b = f->bytes;
	__u32 length = b[3] * 256u + b[4];
	int is_small = !b[1] && !b[2] && length >= 4;
	int is_mark = ppmm_postgres_is_mark(b);
	int is_sign_on = b[0] == 'R' && is_small && length >= 8 && ppmm_word(b + 5) << 8 == 0 && b[8] <= 12;
	int error = ppmm_postgres_is_error(b);

	if (f->length < 6 || b[1])
		return 0;
	if (known != PPMM_PROTOCOL_POSTGRES) {
		/* An error ends with zero bytes, row descriptions begin with a name, a command's end with Z. */
		int is_error = error && b[6] >= 'A';
		int is_rows = b[0] == 'T' && is_small && !b[5] && b[6] && b[7] >= ' ' && length + 1 < f->size;
		int is_done = b[0] == 'C' && is_small && b[5] >= 'A' && b[5] <= 'Z' && f->size == length + 7;
		int is_marks = is_mark && (ppmm_postgres_is_mark(b + 5) || (b[5] == 'Z' && b[9] == 5) ||
					   ppmm_postgres_is_error(b + 5) || ((b[5] == 'D' || b[5] == 'C') && !b[6]));

		if (!(is_sign_on || is_error || is_rows || is_done || is_marks))
			return 0;
	}
	if (is_mark) {
		error = ppmm_postgres_is_error(b + 5);
		if (ppmm_postgres_is_mark(b + 5))
			error = ppmm_postgres_is_error(b + 10) ||
				(ppmm_postgres_is_mark(b + 10) && ppmm_postgres_is_error(b + 15));
	}
	r.protocol = PPMM_PROTOCOL_POSTGRES;
	r.error = error != 0;
	if (is_sign_on)
		r.meaning = PPMM_MEANS_HANDSHAKE;
	else if (b[0] == 'W') /* replication */
		r.meaning = PPMM_MEANS_STREAMS;
	else if (b[0] != 'A' && b[0] != 'N' && b[0] != 'S') /* these come unasked */
		r.meaning = PPMM_MEANS_ANSWER;
	return ppmm_packed(r);
}

/* Whether the write ends with "ready for query". */
static inline __attribute__((always_inline)) int ppmm_postgres_is_ready(const struct ppmm_first *f)
{
	return f->last[0] == 'Z' && ppmm_word(f->last + 1) == PPMM_WORD(0, 0, 0, 5);
}

/* ---- MySQL and MariaDB ---- */

/*
 * Packets: length in three bytes, number, content. A command is number 0 and its response begins with 1; the greeting
 * is 0, and what follows it until the connection is set up has higher numbers.
 */
PPMM_RULE __u32 ppmm_read_mysql(const struct ppmm_first *f, __u32 known)
{
	struct ppmm_reading r = {};

	if (!f)
		return 0;
	const __u8 *b = f->bytes;
	__u32 length = b[0] + b[1] * 256u + b[2] * 65536u;
	int whole = f->size == length + 4;
	int greeting = b[3] == 0 && b[4] == 10 && whole && length > 30 && ppmm_is_digit(b[5]);
	int error = b[4] == 0xff && b[7] == '#';
	int progress = b[3] == 1 && b[4] == 0xff && b[5] == 0xff && b[6] == 0xff; /* of MariaDB */
	/* What the response to a command certainly looks like: OK, an error, the first packets of a table. */
	int certain = b[3] == 1 && ((whole && length >= 7 && (!b[4] || error)) ||
				    (length == 1 && b[8] == 2 && ppmm_word(b + 9) == PPMM_WORD(3, 'd', 'e', 'f')));
	/* The log of a primary begins with the event that names its file. */
	int log = b[3] == 1 && length > 27 && !ppmm_word(b + 4) && !b[8] && b[9] == 4;

	if (f->length < 5 || (known != PPMM_PROTOCOL_MYSQL && !greeting && !certain && !log))
		return 0;
	r.protocol = PPMM_PROTOCOL_MYSQL;
	if (log)
		r.meaning = PPMM_MEANS_STREAMS;
	else if (b[3] != 1)
		r.meaning = PPMM_MEANS_HANDSHAKE;
	else if (progress)
		r.meaning = PPMM_MEANS_INTERIM;
	else if (certain)
		r.meaning = PPMM_MEANS_ANSWER;
	r.error = error && b[3] == 1 && !progress;
	return ppmm_packed(r);
}
