/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Calls, as the client's socket sees them: the mirror image of turn.h. A call begins with the first write while no
 * answer is awaited, and ends when the first byte of the answer lies ready at the client's socket. What comes then
 * belongs to the same answer, and what comes unasked answers nothing.
 *
 * Here the bytes of requests can be read and those of answers cannot. So the requests tell what a connection is, and
 * one whose requests do not wait for their answers is labelled and has no times from there on: a request begins while
 * an answer is awaited, or while one before it lies unread. Where the beginning of a request cannot be told, what is
 * written late while an answer is awaited is taken for another request.
 *
 * The kernel calls these with the socket locked; reads alone may race with an arrival.
 */
#pragma once

#include <linux/types.h>

#include "requests.h"
#include "turn.h"

struct ppmm_call {
	__u64 begun_ns;	  /* of the call whose answer is awaited; 0: none */
	__u64 written_ns; /* last write of it */
	__u64 answered_ns; /* first byte of its answer; 0: not yet */
	__u8 protocol;
	__u8 label;	 /* enum ppmm_label */
	__u8 whole : 1;	 /* the last write was the end of a request */
	__u8 untimed : 1; /* what answers it is not known */
	__u8 sealed : 2; /* of TLS: how far the connection is */
	__u8 looked : 3; /* requests whose protocol was not known, up to PPMM_LOOKS */
};

enum {
	/* Within a request that is written in parts: longer pauses are taken for another request. */
	PPMM_REQUEST_PAUSE_NS = 1000 * 1000,
	/* "HTTP/1.1 100 Continue" and an empty line, which answer nothing. */
	PPMM_INTERIM_BYTES = 25,
	/* Whose protocol so many requests did not tell has none that we know: nothing is read of it any more. */
	PPMM_LOOKS = 4,
};

enum {
	PPMM_SEALED_NOT = 0,
	PPMM_SEALED_FINISHED, /* the handshake's last message was written by itself */
	PPMM_SEALED_DATA,     /* session tickets of 1.3, which look like an answer, came with the first one */
};

/* What one event says. */
struct ppmm_call_event {
	__u64 ns;	 /* how long the client waited */
	__u8 answered;	 /* and its answer came, so `ns` is known */
	__u8 unanswered; /* the connection ended, and an answer was awaited */
	__u8 labelled;	 /* the connection got this label */
	__u8 unused[5];
};

static inline __attribute__((always_inline)) void ppmm_call_label(struct ppmm_call *call, enum ppmm_label label,
								  struct ppmm_call_event *event)
{
	call->label = label;
	call->begun_ns = 0;
	event->labelled = label;
}

/* Whether what is written tells where a request begins. */
static inline __attribute__((always_inline)) int ppmm_call_is_free(__u8 protocol)
{
	return protocol == PPMM_PROTOCOL_UNKNOWN || protocol == PPMM_PROTOCOL_TLS;
}

/* Whether the bytes of a write say something that is not known without them. */
static inline __attribute__((always_inline)) int ppmm_call_wants_bytes(const struct ppmm_call *call)
{
	if (call->protocol == PPMM_PROTOCOL_UNKNOWN)
		return !call->begun_ns && call->looked < PPMM_LOOKS;
	return !call->begun_ns || call->protocol != PPMM_PROTOCOL_TLS;
}

/* Application data of TLS. Returns whether they are no request: the end of the handshake of 1.3, by itself. */
static inline __attribute__((always_inline)) int ppmm_call_seals(struct ppmm_call *call, __u32 size)
{
	if (call->sealed == PPMM_SEALED_NOT && (size == 58 || size == 74)) {
		call->sealed = PPMM_SEALED_FINISHED;
		return 1;
	}
	call->untimed = call->sealed < PPMM_SEALED_DATA;
	call->sealed = PPMM_SEALED_DATA;
	return 0;
}

/* The client writes, after ppmm_call_finish(). `unread`: bytes that it has not read. */
static inline __attribute__((always_inline)) void ppmm_call_write(struct ppmm_call *call, __u64 now, int unread,
								  const struct ppmm_first *first,
								  struct ppmm_call_event *event)
{
	struct ppmm_request_reading reading;

	if (call->label)
		return;
	reading = ppmm_read_request(first, call->protocol);
	call->protocol = reading.protocol;
	if (call->protocol == PPMM_PROTOCOL_UNKNOWN && first->length && call->looked < PPMM_LOOKS)
		call->looked++;
	if (reading.is_1_2)
		call->sealed = PPMM_SEALED_DATA;
	if (reading.meaning == PPMM_REQUEST_ASIDE)
		return;
	if (reading.meaning == PPMM_REQUEST_STREAMS) {
		ppmm_call_label(call, PPMM_LABEL_STREAMS, event);
		return;
	}
	if (call->begun_ns) {
		int next = ppmm_call_is_free(reading.protocol)
				   ? now - call->written_ns >= PPMM_REQUEST_PAUSE_NS
				   : reading.meaning == PPMM_REQUEST_BEGINS &&
					     (call->whole || (reading.protocol != PPMM_PROTOCOL_POSTGRES &&
							      reading.protocol != PPMM_PROTOCOL_MYSQL));

		call->written_ns = now;
		call->whole = reading.whole & 1;
		if (next || reading.meaning == PPMM_REQUEST_MANY)
			ppmm_call_label(call, PPMM_LABEL_PIPELINED, event);
		return;
	}
	call->untimed = 0;
	if (reading.protocol == PPMM_PROTOCOL_TLS && ppmm_call_seals(call, first->size))
		return;
	if (reading.meaning == PPMM_REQUEST_GOES_ON) {
		/* The rest of what was already answered; but HTTP may have been upgraded to what is no turns. */
		if (reading.protocol == PPMM_PROTOCOL_HTTP1)
			ppmm_call_label(call, PPMM_LABEL_STREAMS, event);
		return;
	}
	if (reading.meaning == PPMM_REQUEST_MANY || (unread > 0 && !call->untimed)) {
		ppmm_call_label(call, PPMM_LABEL_PIPELINED, event);
		return;
	}
	call->begun_ns = now;
	call->written_ns = now;
	call->whole = reading.whole & 1;
}

/*
 * Bytes lie ready at the client's socket, `unread` of them. Over loopback it is the server that runs this, so nothing is
 * counted here.
 */
static inline __attribute__((always_inline)) void ppmm_call_arrival(struct ppmm_call *call, __u64 now, int unread)
{
	if (unread > 0 && call->begun_ns && !call->answered_ns &&
	    !(call->protocol == PPMM_PROTOCOL_HTTP1 && unread == PPMM_INTERIM_BYTES))
		call->answered_ns = now;
}

/* The client reads, writes or closes: what was answered ends. Two threads may call this at once. */
static inline __attribute__((always_inline)) void ppmm_call_finish(struct ppmm_call *call,
								   struct ppmm_call_event *event)
{
	__u64 answered = call->answered_ns, begun;

	if (!answered)
		return;
	begun = __sync_lock_test_and_set(&call->begun_ns, 0);
	call->answered_ns = 0;
	if (!begun || call->untimed)
		return;
	event->ns = answered > begun ? answered - begun : 0;
	event->answered = 1;
}

/* The connection is gone. */
static inline __attribute__((always_inline)) void ppmm_call_close(struct ppmm_call *call, struct ppmm_call_event *event)
{
	ppmm_call_finish(call, event);
	event->unanswered = call->begun_ns != 0;
	call->begun_ns = 0;
}
