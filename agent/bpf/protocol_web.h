/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Responses of HTTP, TLS and FastCGI. Free of the kernel; tests/agent/turn_test.cc. */
#pragma once

#include <linux/types.h>

#include "protocol_types.h"

/* "HTTP/1.x NNN". */
PPMM_RULE __u32 ppmm_read_http1(const struct ppmm_first *f)
{
	struct ppmm_reading r = {};

	if (!f)
		return 0;
	const __u8 *b = f->bytes;
	if (f->length < 12 || ppmm_word(b) != PPMM_WORD('H', 'T', 'T', 'P') ||
	    (ppmm_word(b + 4) & 0xffffffu) != PPMM_WORD('/', '1', '.', 0) || b[8] != ' ' || !ppmm_is_digit(b[9]))
		return 0;
	r.protocol = PPMM_PROTOCOL_HTTP1;
	if (b[9] == '4' && b[10] == '0' && b[11] == '8') /* may come without a request, at the end of patience */
		r.meaning = PPMM_MEANS_NOTHING;
	else if (b[9] != '1')
		r.meaning = PPMM_MEANS_ANSWER;
	else
		r.meaning = b[10] == '0' && b[11] == '1' ? PPMM_MEANS_STREAMS : PPMM_MEANS_INTERIM;
	r.error = b[9] == '4' || b[9] == '5';
	return ppmm_packed(r);
}

/* An extension on which a TLS server agrees, in the clear up to 1.2: type, length, content. This one is "h2" of ALPN. */
static inline __attribute__((always_inline)) int ppmm_tls_extension_is_http2(const __u8 *b)
{
	return !b[0] && b[1] == 16 && ppmm_word(b + 2) == PPMM_WORD(0, 5, 0, 3) && b[6] == 2 && b[7] == 'h' &&
	       b[8] == '2';
}

/*
 * What stands behind the server's hello. In 1.3 that is a change of cipher for old middleboxes, or not, and the first
 * encrypted record. OpenSSL, Go and others give it to the extensions alone, so their length shows: it is of 23 bytes if
 * there are none; "h2" adds 9 (another protocol does not), and being called by name 4.
 */
static inline __attribute__((always_inline)) __u32 ppmm_tls_behind_hello(const __u8 *b)
{
	int changes = b[0] == 0x14;
	__u8 type = changes ? b[6] : b[0], high = changes ? b[9] : b[3], low = changes ? b[10] : b[4];

	if (type != 0x17)
		return PPMM_TLS_UNKNOWN;
	return !high && (low == 32 || low == 36) ? PPMM_TLS_HTTP2 : PPMM_TLS_1_3;
}

/* A record: type, version 3.x, length. The first of a server is of type handshake, or the alert that there is none. */
PPMM_RULE __u32 ppmm_read_tls(const struct ppmm_first *f, __u32 known)
{
	struct ppmm_reading r = {};

	if (!f)
		return 0;
	const __u8 *b = f->bytes;
	int is_alert = b[0] == 0x15 && f->size == 7 && !b[3] && b[4] == 2 && b[5] == 2;

	if (f->length < 5 || b[1] != 3 || b[2] > 4 || b[0] < 0x14 || b[0] > 0x17 ||
	    (known != PPMM_PROTOCOL_TLS && b[0] != 0x16 && !is_alert))
		return 0;
	if (f->tls == PPMM_TLS_HTTP2) {
		r.protocol = PPMM_PROTOCOL_HTTP2;
		r.meaning = PPMM_MEANS_STREAMS;
		return ppmm_packed(r);
	}
	r.protocol = PPMM_PROTOCOL_TLS;
	r.meaning = b[0] == 0x17 ? PPMM_MEANS_NOTHING : PPMM_MEANS_HANDSHAKE;
	return ppmm_packed(r);
}

/*
 * A server begins with SETTINGS: length of whole settings, type 4, flags 0, stream 0. On a connection older than we its
 * writes begin with another frame: HEADERS (type 1, complete, of a stream that the client opened), WINDOW_UPDATE
 * (type 8, length 4), an answer to PING (type 6, length 8, for the whole connection), or, of gRPC, DATA (type 0) that
 * holds one message: whether it is compressed, and its length, which agrees with the frame's.
 */
PPMM_RULE __u32 ppmm_read_http2(const struct ppmm_first *f)
{
	struct ppmm_reading r = {};

	if (!f)
		return 0;
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
	r.protocol = PPMM_PROTOCOL_HTTP2;
	r.meaning = PPMM_MEANS_STREAMS;
	return ppmm_packed(r);
}

/*
 * Records: version 1, type, request, length, padding. The answer begins with output or errors of the script, or with
 * the request's end. A script's status comes first in its output, and only if it is not 200.
 */
PPMM_RULE __u32 ppmm_read_fastcgi(const struct ppmm_first *f)
{
	struct ppmm_reading r = {};

	if (!f)
		return 0;
	const __u8 *b = f->bytes;
	__u32 length = b[4] * 256u + b[5];
	int is_record = b[0] == 1 && (b[1] == 6 || b[1] == 7 || (b[1] == 3 && length == 8)) && !b[2] && b[3] &&
			b[6] < 8 && !b[7] && length && f->size >= length + 8;

	if (f->length < 9 || !is_record)
		return 0;
	r.protocol = PPMM_PROTOCOL_FASTCGI;
	r.error = b[1] == 6 && ppmm_word(b + 8) == PPMM_WORD('S', 't', 'a', 't') && b[14] == ':' &&
		  (b[16] == '4' || b[16] == '5');
	return ppmm_packed(r);
}
