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
 * nothing, and a connection on which requests are pipelined or multiplexed, or the server speaks unasked, is labelled
 * and has no turns from there on, since a wrong time is worse than none. So is one where the beginning of a request is
 * not known: bytes lie there before the request before it is answered, or a silence divides them.
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
	__u64 last_ns;	   /* last write of that answer, or last arrival of the turn that is owed one */
	__u32 begin_seq;   /* what the application had read when the turn began */
	__u32 ticket;	   /* bytes of a write that may be a session ticket of TLS 1.3 */
	__u8 protocol;
	__u8 label;
	__u8 ended;	  /* turns, up to 255 */
	__u8 pauses : 2;  /* of the server within the answer, up to 3 */
	__u8 broken : 1;  /* one of them was long: its last byte is no measure */
	__u8 divided : 1; /* a silence of the client divides the turn that is owed an answer */
	__u8 whole : 1;	  /* the last write was the end of an answer, or may have been */
	__u8 is_1_3 : 1;  /* of TLS */
	__u8 tickets : 2; /* writes of the turn that is owed an answer which may be tickets */
	__u32 unused;
};

enum {
	PPMM_PAUSE_NS = 100 * 1000 * 1000,
	PPMM_LONG_PAUSE_NS = 1000 * 1000 * 1000,
	PPMM_PAUSES = 3, /* in one answer make it a stream of events */
};

/* Why a connection has no turns. */
enum ppmm_label {
	PPMM_LABEL_NONE = 0,
	PPMM_LABEL_PIPELINED,
	PPMM_LABEL_STREAMS, /* multiplexed, upgraded to another protocol, or not one answer to one request */
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
	if (turn->answered_ns && !turn->broken)
		ppmm_turn_note(event, PPMM_TURN_FULL, turn->answered_ns, turn->last_ns);
	turn->answered_ns = 0;
}

/* What looked like the first of two session tickets was the answer, or the answer came with it: when is not known. */
static inline __attribute__((always_inline)) void ppmm_turn_untimed(struct ppmm_turn *turn,
								    struct ppmm_turn_event *event)
{
	event->answered = 1;
	event->protocol = turn->protocol;
	turn->arrived_ns = 0;
	turn->tickets = 0;
	turn->ended++;
}

/* Bytes, or the end of the stream, lie ready. `unread`: bytes that the application has not read, without the end. */
static inline __attribute__((always_inline)) void ppmm_turn_arrival(struct ppmm_turn *turn, __u64 now, int unread,
								    __u32 copied_seq, struct ppmm_turn_event *event)
{
	if (unread <= 0 || turn->label)
		return;
	if (turn->tickets == 1) {
		ppmm_turn_untimed(turn, event);
	} else if (turn->tickets && now - turn->last_ns >= PPMM_PAUSE_NS) { /* it was the handshake alone */
		event->set_aside = 1;
		turn->arrived_ns = 0;
		turn->tickets = 0;
		turn->ended++;
	}
	if (turn->arrived_ns) {
		if (copied_seq != turn->begin_seq && now - turn->last_ns >= PPMM_LONG_PAUSE_NS)
			turn->divided = 1;
		turn->last_ns = now;
		return;
	}
	ppmm_turn_finish(turn, event);
	turn->arrived_ns = now;
	turn->read_ns = 0;
	turn->last_ns = now;
	turn->divided = 0;
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
	turn->answered_ns = 0; /* where its answer ends is not known either */
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

/* The server asks for another hello, by a fixed number where its hello has a random one: the handshake begins anew. */
static inline __attribute__((always_inline)) int ppmm_turn_is_retry(const struct ppmm_first *first)
{
	const __u8 *b = first->bytes;

	return b[0] == 0x16 && b[5] == 2 && ppmm_word(b + 11) == PPMM_WORD(0xcf, 0x21, 0xad, 0x74) &&
	       ppmm_word(b + 15) == PPMM_WORD(0xe5, 0x9a, 0x61, 0x11);
}

/*
 * The server's notice that it closes, of TLS 1.3, where encryption makes it look like data of two bytes. It answers the
 * client's notice, or the good-bye of a database's client, which is of five bytes.
 */
static inline __attribute__((always_inline)) int ppmm_turn_is_notice(const struct ppmm_turn *turn, __u32 copied_seq,
								     const struct ppmm_first *first)
{
	__u32 length = copied_seq - turn->begin_seq;

	return turn->protocol == PPMM_PROTOCOL_TLS && first->size == 24 && first->bytes[0] == 0x17 &&
	       !first->bytes[3] && first->bytes[4] == 19 && (length == 24 || length == 27);
}

/*
 * Whether so many bytes, to which no answer came, said good-bye: the last message of PostgreSQL and MySQL, "quit" of
 * memcached, a notice of TLS (1.3, or 1.2 with AEAD ciphers).
 */
static inline __attribute__((always_inline)) int ppmm_turn_is_good_bye(const struct ppmm_turn *turn, __u32 length)
{
	__u8 protocol = turn->protocol;

	if (protocol == PPMM_PROTOCOL_TLS)
		return length == 24 || length == 31 || length == 23;
	if (protocol == PPMM_PROTOCOL_MEMCACHED)
		return length == 6;
	return length == 5 && (protocol == PPMM_PROTOCOL_POSTGRES || protocol == PPMM_PROTOCOL_MYSQL);
}

/* The answer to PostgreSQL's question whether it may be TLS: one letter, to eight bytes. */
static inline __attribute__((always_inline)) int ppmm_turn_is_tls_asked(const struct ppmm_turn *turn, __u32 copied_seq,
									const struct ppmm_first *first)
{
	return !turn->protocol && turn->ended < 2 && copied_seq - turn->begin_seq == 8 && first->size == 1 &&
	       (first->bytes[0] == 'S' || first->bytes[0] == 'N' || first->bytes[0] == 'G');
}

/* Whether the protocol lets one side fall silent in the middle of what it has to say, or speak without an answer. */
static inline __attribute__((always_inline)) int ppmm_turn_may_be_free(__u8 protocol)
{
	return protocol == PPMM_PROTOCOL_UNKNOWN || protocol == PPMM_PROTOCOL_TLS ||
	       protocol == PPMM_PROTOCOL_MEMCACHED;
}

/*
 * The application writes, and no answer is owed: more of the answer before, or what shows that the connection does not
 * take turns. A pause is the server's own when the client has acknowledged all that came before it.
 */
static inline __attribute__((always_inline)) void ppmm_turn_write_more(struct ppmm_turn *turn, __u64 now,
								       const struct ppmm_first *first,
								       const struct ppmm_reading *reading,
								       struct ppmm_turn_event *event)
{
	__u64 pause = now - turn->last_ns;
	int is_answer = reading->meaning == PPMM_MEANS_ANSWER && turn->ended;

	if (turn->answered_ns && first->drained && pause >= PPMM_PAUSE_NS) {
		if (turn->pauses < PPMM_PAUSES)
			turn->pauses++;
		if (pause >= PPMM_LONG_PAUSE_NS)
			turn->broken = 1;
	}
	turn->last_ns = now;
	if (is_answer && turn->whole) /* it had read that request before */
		ppmm_turn_label(turn, PPMM_LABEL_PIPELINED, event);
	else if (reading->meaning == PPMM_MEANS_STREAMS ||
		 (turn->pauses == PPMM_PAUSES &&
		  (turn->protocol == PPMM_PROTOCOL_HTTP1 || turn->protocol == PPMM_PROTOCOL_REDIS ||
		   ppmm_turn_may_be_free(turn->protocol))))
		ppmm_turn_label(turn, PPMM_LABEL_STREAMS, event);
	if (!turn->label)
		return;
	event->set_aside = turn->arrived_ns != 0;
	turn->arrived_ns = 0;
}

/*
 * Whether the write may be a session ticket. Servers of TLS 1.3 send them when the client has ended the handshake, as a
 * rule two of one length. If they read a request along with that end, its answer comes behind them.
 */
static inline __attribute__((always_inline)) int ppmm_turn_is_ticket(struct ppmm_turn *turn, __u64 now,
								     const struct ppmm_first *first)
{
	const __u8 *b = first->bytes;
	__u32 size = 5 + b[3] * 256u + b[4];

	if (b[0] != 0x17 || first->size != size || turn->tickets == 2 || (turn->tickets && size != turn->ticket))
		return 0;
	turn->tickets++;
	turn->ticket = size;
	turn->last_ns = now;
	return 1;
}

/*
 * The application writes. What it has not read yet when it answers is the next request, asked before this answer. When
 * that came is not known, so the connection gets its label; but a rest of the request may stay unread where the
 * protocol tells its end, what comes behind a handshake begins now, and so does what may have come while the bytes were
 * sent.
 */
static inline __attribute__((always_inline)) void ppmm_turn_write(struct ppmm_turn *turn, __u64 now, int unread,
								  __u32 copied_seq, const struct ppmm_first *first,
								  struct ppmm_turn_event *event)
{
	struct ppmm_reading reading;
	int aside, with_handshake;

	if (turn->label)
		return;
	reading = ppmm_read_first(first, turn->protocol);
	turn->protocol = reading.protocol;
	if (first->tls == PPMM_TLS_1_3)
		turn->is_1_3 = 1;
	if (reading.meaning == PPMM_MEANS_INTERIM)
		return;
	if (!turn->arrived_ns || copied_seq == turn->begin_seq) {
		ppmm_turn_write_more(turn, now, first, &reading, event);
		turn->whole = ppmm_is_end(first, &reading) & 1;
		return;
	}
	with_handshake = turn->is_1_3 && turn->ended == 1 && reading.meaning == PPMM_MEANS_NOTHING &&
			 !ppmm_turn_is_finished(turn, copied_seq);
	if (with_handshake && ppmm_turn_is_ticket(turn, now, first))
		return;
	aside = reading.meaning == PPMM_MEANS_HANDSHAKE || reading.meaning == PPMM_MEANS_MANY ||
		(reading.meaning == PPMM_MEANS_STREAMS && reading.protocol == PPMM_PROTOCOL_HTTP2) ||
		(turn->divided && ppmm_turn_may_be_free(reading.protocol)) || ppmm_turn_is_finished(turn, copied_seq) ||
		ppmm_turn_is_tls_asked(turn, copied_seq, first) || ppmm_turn_is_notice(turn, copied_seq, first);
	if (turn->ended < 255 && !ppmm_turn_is_retry(first))
		turn->ended++;
	if (aside) {
		event->set_aside = 1;
	} else if (with_handshake && turn->tickets != 2) {
		event->answered = 1;
		event->protocol = reading.protocol;
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
	turn->last_ns = now;
	turn->arrived_ns = 0;
	turn->read_ns = 0;
	turn->pauses = 0;
	turn->tickets = 0;
	turn->broken = 0;
	turn->whole = ppmm_is_end(first, &reading) & 1;
	if (reading.meaning == PPMM_MEANS_STREAMS || (turn->divided && ppmm_turn_may_be_free(reading.protocol))) {
		ppmm_turn_label(turn, PPMM_LABEL_STREAMS, event);
	} else if (reading.meaning == PPMM_MEANS_MANY ||
		   (unread > 0 && !aside && !first->late && reading.protocol != PPMM_PROTOCOL_FASTCGI)) {
		ppmm_turn_label(turn, PPMM_LABEL_PIPELINED, event);
	} else if (unread > 0 && reading.protocol != PPMM_PROTOCOL_FASTCGI) {
		turn->arrived_ns = now;
		turn->last_ns = now;
		turn->divided = 0;
		turn->begin_seq = copied_seq;
		event->begun = 1;
	}
}

/* The connection is gone. `received_seq`: behind the last byte that arrived, read or not, without the end. */
static inline __attribute__((always_inline)) void ppmm_turn_close(struct ppmm_turn *turn, __u32 received_seq,
								  struct ppmm_turn_event *event)
{
	ppmm_turn_finish(turn, event);
	if (turn->tickets == 1)
		ppmm_turn_untimed(turn, event);
	if (turn->arrived_ns && ppmm_turn_is_good_bye(turn, received_seq - turn->begin_seq))
		event->set_aside = 1;
	else
		event->unanswered = turn->arrived_ns != 0;
	turn->arrived_ns = 0;
}
