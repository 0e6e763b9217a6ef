/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Turns of a connection, as the server's socket sees them: request bytes come, the application reads them, the first
 * byte of the response goes out, and its last. The rules stand here once, free of the kernel, so that every set of
 * hooks and the unit tests (tests/agent/turn_test.cc) share them.
 *
 * A turn begins with the first byte that the application has not read while no answer is owed. It is answered by the
 * first write after a read that went past the beginning of the turn: further writes belong to the same answer, and a
 * greeting answers nothing. Sequence numbers tell what was read, so partial reads, peeks and splices need no rule.
 *
 * Where the first bytes of a response say more, they decide: handshakes are no turns, an interim response answers
 * nothing, and a connection on which requests are pipelined or multiplexed is labelled and has no turns from there on,
 * since a wrong time is worse than none.
 *
 * The kernel calls these with the socket locked; reads alone may race with an arrival, and then a wait is missing.
 */
#pragma once

#include <linux/types.h>

#include "protocol.h"

/* What is measured of a turn. */
enum ppmm_turn_kind {
	PPMM_TURN_TOTAL = 0,   /* arrival to the first byte of the response */
	PPMM_TURN_WAIT = 1,    /* arrival to the first read */
	PPMM_TURN_SERVICE = 2, /* first read to the first byte of the response */
	PPMM_TURN_FULL = 3,    /* arrival to the last byte of the response handed to the kernel */
	PPMM_TURN_KINDS = 4,
};

struct ppmm_turn {
	__u64 arrived_ns;  /* of the turn to which an answer is owed; 0: none */
	__u64 read_ns;	   /* first read of it; 0: none yet */
	__u64 answered_ns; /* arrival of the turn whose answer is being written; 0: none */
	__u64 written_ns;  /* last write of that answer */
	__u32 begin_seq;   /* what the application had read when the turn began */
	__u8 protocol;
	__u8 label;
	__u8 ended; /* turns, up to 255 */
	__u8 unused;
};

/* Why a connection has no turns. */
enum ppmm_label {
	PPMM_LABEL_NONE = 0,
	PPMM_LABEL_PIPELINED,
	PPMM_LABEL_STREAMS, /* multiplexed, or upgraded to another protocol */
};

/* What one event says; durations in nanoseconds. */
struct ppmm_turn_event {
	__u64 ns[PPMM_TURN_KINDS];
	__u8 has[PPMM_TURN_KINDS];
	__u8 begun;	 /* a request began */
	__u8 answered;	 /* a response began */
	__u8 unanswered; /* the connection ended, and an answer was owed */
	__u8 set_aside;	 /* what began was no request, or has no time that is known */
	__u8 error;	 /* the response reports one */
	__u8 labelled;	 /* the connection got this label */
	__u8 protocol;	 /* of the answer */
	__u8 unused;
};

static inline __attribute__((always_inline)) void ppmm_turn_note(struct ppmm_turn_event *event,
								 enum ppmm_turn_kind kind, __u64 from, __u64 to)
{
	event->ns[kind] = to > from ? to - from : 0;
	event->has[kind] = 1;
}

static inline __attribute__((always_inline)) void ppmm_turn_finish(struct ppmm_turn *turn,
								   struct ppmm_turn_event *event)
{
	if (turn->answered_ns) {
		ppmm_turn_note(event, PPMM_TURN_FULL, turn->answered_ns, turn->written_ns);
		turn->answered_ns = 0;
	}
}

/* Bytes, or the end of the stream, lie ready. `unread`: bytes that the application has not read, without the end. */
static inline __attribute__((always_inline)) void ppmm_turn_arrival(struct ppmm_turn *turn, __u64 now, int unread,
								    __u32 copied_seq, struct ppmm_turn_event *event)
{
	if (unread <= 0 || turn->arrived_ns || turn->label)
		return;
	ppmm_turn_finish(turn, event);
	turn->arrived_ns = now;
	turn->read_ns = 0;
	turn->begin_seq = copied_seq;
	event->begun = 1;
}

/* The application has read, or only looked (a peek moves no sequence number). */
static inline __attribute__((always_inline)) void ppmm_turn_read(struct ppmm_turn *turn, __u64 now, __u32 copied_seq)
{
	if (turn->arrived_ns && !turn->read_ns && copied_seq != turn->begin_seq)
		turn->read_ns = now;
}

static inline __attribute__((always_inline)) void ppmm_turn_label(struct ppmm_turn *turn, enum ppmm_label label,
								  struct ppmm_turn_event *event)
{
	turn->label = label;
	event->labelled = label;
}

/*
 * What a TLS 1.3 client sends to end its handshake: Finished of SHA-256 or SHA-384, with or without the empty record
 * for old middleboxes. Servers answer it with session tickets, which look like data.
 */
static inline __attribute__((always_inline)) int ppmm_turn_is_finished(const struct ppmm_turn *turn, __u32 copied_seq)
{
	__u32 length = copied_seq - turn->begin_seq;

	return turn->protocol == PPMM_PROTOCOL_TLS && turn->ended == 1 &&
	       (length == 58 || length == 64 || length == 74 || length == 80);
}

/*
 * The application writes, and these are the first bytes. What it has not read yet when it answers is the next turn;
 * when that came is not known, so it begins now.
 */
static inline __attribute__((always_inline)) void ppmm_turn_write(struct ppmm_turn *turn, __u64 now, int unread,
								  __u32 copied_seq, const struct ppmm_first *first,
								  struct ppmm_turn_event *event)
{
	struct ppmm_reading reading;
	int aside;

	if (turn->label)
		return;
	reading = ppmm_read_first(first, turn->protocol);
	turn->protocol = reading.protocol;
	if (reading.meaning == PPMM_MEANS_INTERIM)
		return;
	if (!turn->arrived_ns || copied_seq == turn->begin_seq) {
		turn->written_ns = now;
		if (reading.meaning == PPMM_MEANS_ANSWER && turn->ended) /* it had read that request before */
			ppmm_turn_label(turn, PPMM_LABEL_PIPELINED, event);
		else if (reading.meaning == PPMM_MEANS_STREAMS)
			ppmm_turn_label(turn, PPMM_LABEL_STREAMS, event);
		if (turn->label && turn->arrived_ns) {
			event->set_aside = 1;
			turn->arrived_ns = 0;
		}
		return;
	}
	aside = reading.meaning == PPMM_MEANS_HANDSHAKE || reading.meaning == PPMM_MEANS_MANY ||
		(reading.meaning == PPMM_MEANS_STREAMS && reading.protocol == PPMM_PROTOCOL_HTTP2) ||
		ppmm_turn_is_finished(turn, copied_seq);
	if (turn->ended < 255)
		turn->ended++;
	if (aside) {
		event->set_aside = 1;
	} else {
		ppmm_turn_note(event, PPMM_TURN_TOTAL, turn->arrived_ns, now);
		if (turn->read_ns) {
			ppmm_turn_note(event, PPMM_TURN_WAIT, turn->arrived_ns, turn->read_ns);
			ppmm_turn_note(event, PPMM_TURN_SERVICE, turn->read_ns, now);
		}
		event->answered = 1;
		event->error = reading.error;
		event->protocol = reading.protocol;
		turn->answered_ns = turn->arrived_ns;
	}
	turn->written_ns = now;
	turn->arrived_ns = 0;
	turn->read_ns = 0;
	if (reading.meaning == PPMM_MEANS_MANY) {
		ppmm_turn_label(turn, PPMM_LABEL_PIPELINED, event);
	} else if (reading.meaning == PPMM_MEANS_STREAMS) {
		ppmm_turn_label(turn, PPMM_LABEL_STREAMS, event);
	} else if (unread > 0) {
		turn->arrived_ns = now;
		turn->begin_seq = copied_seq;
		event->begun = 1;
	}
}

/* The connection is gone. */
static inline __attribute__((always_inline)) void ppmm_turn_close(struct ppmm_turn *turn, struct ppmm_turn_event *event)
{
	ppmm_turn_finish(turn, event);
	event->unanswered = turn->arrived_ns != 0;
	turn->arrived_ns = 0;
}
