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
	/* The first; behind `length`: 0. Aligned, so that several are compared at once. */
	__u8 bytes[PPMM_FIRST_BYTES] __attribute__((aligned(8)));
	__u8 last[PPMM_LAST_BYTES];   /* the last, of PostgreSQL only; 0: not known */
	__u8 late;		      /* the bytes were already sent: the next request may lie there */
	__u8 drained;		      /* the client has acknowledged all that was written before */
	__u32 length;		      /* of these, 0: they could not be read */
	__u32 size;		      /* of the whole write */
	__u32 redis_end;	      /* where the first reply of Redis ends, if that was looked for; 0: not known */
	__u32 tls;		      /* enum ppmm_tls */
};

/* What the hello of a TLS server, with which a write begins, says of the connection. */
enum ppmm_tls {
	PPMM_TLS_UNKNOWN = 0,
	PPMM_TLS_1_3,
	PPMM_TLS_HTTP2, /* whichever version */
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
	__u32 word;

	__builtin_memcpy(&word, b, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap32(word);
#endif
	return word;
}
#define PPMM_WORD(a, b, c, d) ((a) + 0x100u * (b) + 0x10000u * (c) + 0x1000000u * (d))

/* Eight bytes at once: the first is the lowest. What is said of each byte stands in its highest bit. */
static inline __attribute__((always_inline)) __u64 ppmm_eight(const __u8 *b)
{
	__u64 eight;

	__builtin_memcpy(&eight, b, sizeof(eight));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	eight = __builtin_bswap64(eight);
#endif
	return eight;
}

#define PPMM_EACH(c) (0x0101010101010101ull * (c))

/* Which of eight bytes are at least `c`, of those below 0x80. */
#define PPMM_AT_LEAST(eight, c) (((eight) & PPMM_EACH(0x7f)) + PPMM_EACH(0x80 - (c)))

/* Which of eight bytes are `c`. */
static inline __attribute__((always_inline)) __u64 ppmm_which_are(__u64 eight, __u8 c)
{
	__u64 other = eight ^ PPMM_EACH(c);

	return ~(PPMM_AT_LEAST(other, 1) | other) & PPMM_EACH(0x80);
}
