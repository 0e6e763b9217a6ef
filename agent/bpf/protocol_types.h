/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What the rules of protocols are given and what they tell. Free of the kernel. */
#pragma once

#include <linux/types.h>

enum {
	PPMM_FIRST_BYTES = 24,
	PPMM_LAST_BYTES = 6,
};

/* One write of an application, before its bytes are sent. */
struct ppmm_first {
	__u8 bytes[PPMM_FIRST_BYTES]; /* the first; behind `length`: 0 */
	__u8 last[PPMM_LAST_BYTES];   /* the last, of PostgreSQL only; 0: not known */
	__u8 late;		      /* the bytes were already sent: the next request may lie there */
	__u8 drained;		      /* the client has acknowledged all that was written before */
	__u32 length;		      /* of these, 0: they could not be read */
	__u32 size;		      /* of the whole write */
	__u32 redis_end;	      /* where the first reply of Redis ends, if that was looked for; 0: not known */
};

enum ppmm_protocol {
	PPMM_PROTOCOL_UNKNOWN = 0,
	PPMM_PROTOCOL_HTTP1,
	PPMM_PROTOCOL_HTTP2,
	PPMM_PROTOCOL_TLS,
	PPMM_PROTOCOL_REDIS,
	PPMM_PROTOCOL_POSTGRES,
	PPMM_PROTOCOL_MYSQL,
	PPMM_PROTOCOL_MEMCACHED,
	PPMM_PROTOCOL_FASTCGI,
};

/* What a write is. */
enum ppmm_meaning {
	PPMM_MEANS_NOTHING = 0, /* no rule applies: turns alone decide */
	PPMM_MEANS_ANSWER,	/* a response begins here, for certain */
	PPMM_MEANS_INTERIM,	/* of a response that is still to come (100 Continue) */
	PPMM_MEANS_HANDSHAKE,	/* of a connection that is being set up */
	PPMM_MEANS_MANY,	/* more than one response: requests are pipelined */
	PPMM_MEANS_STREAMS,	/* from here on there are no turns: multiplexed, upgraded, or the server pushes */
};

struct ppmm_reading {
	__u8 protocol;
	__u8 meaning;
	__u8 error; /* the response reports one */
};

/*
 * Rules are functions of their own for the verifier, too, which so looks at each once, not at each combination of them.
 * So they ask whether their argument is null. They give a reading as one number, or 0 if it is no response of their
 * protocol.
 */
#ifdef __bpf__
#define PPMM_RULE __attribute__((noinline))
#else
#define PPMM_RULE static inline
#endif

static inline __attribute__((always_inline)) __u32 ppmm_packed(struct ppmm_reading r)
{
	return r.protocol + 0x100u * r.meaning + (r.error ? 0x10000u : 0);
}

static inline __attribute__((always_inline)) struct ppmm_reading ppmm_unpacked(__u32 packed)
{
	struct ppmm_reading r = {};

	r.protocol = packed & 0xff;
	r.meaning = packed >> 8 & 0xff;
	r.error = packed >> 16 & 1;
	return r;
}

static inline __attribute__((always_inline)) int ppmm_is_digit(__u8 c)
{
	return c >= '0' && c <= '9';
}

/* Four bytes as one number, to compare them at once; PPMM_WORD gives the same of characters. */
static inline __attribute__((always_inline)) __u32 ppmm_word(const __u8 *b)
{
	return b[0] + 0x100u * b[1] + 0x10000u * b[2] + 0x1000000u * b[3];
}
#define PPMM_WORD(a, b, c, d) ((a) + 0x100u * (b) + 0x10000u * (c) + 0x1000000u * (d))
