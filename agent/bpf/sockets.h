/* SPDX-License-Identifier: GPL-2.0 */
/* What sockets.bpf.c and agent/socket_scanner.cc share: maps' keys and values. No hidden padding. */
#pragma once

#include <linux/types.h>

#include "call.h"
#include "turn.h"

enum {
	PPMM_SLOTS = 1024, /* slot 0 takes what finds no free one */
	PPMM_PEERS = 8192,
	PPMM_UNIX_PATH = 108,

	PPMM_GROUPS = 240,  /* group 0 takes what finds no free one; 3.8 MiB */
	PPMM_CALLEES = 512, /* number 0 is none; histograms of calls are 2 MiB */
	PPMM_BUCKETS = 1024,
	PPMM_FIRST_BUCKET = 224,    /* number of the first bucket, in the numbers of common/sketch_table.h */
	PPMM_FIRST_BUCKET_NS = 128, /* about its upper bound: what is shorter is in it, too */
};

/* Counts since user space last took them away; it puts a 0 there by an atomic exchange. */
struct ppmm_histogram {
	__u64 sum_ns;
	__u32 buckets[PPMM_BUCKETS];
};

/*
 * Those of a listener, side by side: most requests have times near each other, and so meet in few cache lines, which
 * are what counting costs a server that was idle a moment ago.
 */
struct ppmm_histograms {
	__u64 sum_ns[PPMM_TURN_KINDS];
	__u64 unused[4]; /* a cache line */
	__u32 buckets[PPMM_BUCKETS][PPMM_TURN_KINDS];
};

/* What the hooks of response times do not look at. */
enum ppmm_pause { PPMM_PAUSE_NOTHING = 0, PPMM_PAUSE_ALL, PPMM_PAUSE_CALLS };

enum ppmm_direction { PPMM_INBOUND = 0, PPMM_OUTBOUND = 1 };

/*
 * A listening socket. The kernel side takes a free number from the stack and fills the slot in; user space reads the
 * array through its memory mapping and gives the number back when the socket and its connections are gone.
 * Totals are since the slot was taken.
 */
struct ppmm_slot {
	/* What each request touches, in one cache line. */
	__u64 cookie; /* of the socket; 0: free */
	__u64 requests;	  /* turns that began */
	__u64 responses;  /* turns that were answered */
	__u64 unanswered; /* turns that ended with their connection */
	__u64 set_aside;  /* turns that were no request, or have no time: handshakes, pipelined requests */
	__u64 errors;	  /* responses that report one */
	__u64 observed;	  /* grows with what goes into the histograms */
	__u32 group;	  /* of its histograms; 0: none yet, or the common one */
	__u32 protocol;	  /* enum ppmm_protocol, of the latest answer whose protocol is known */

	__u64 accepted;
	__u64 bytes_in;
	__u64 bytes_out;
	__u64 retransmits;
	__u64 pipelined;  /* connections that got the label */
	__u64 streams;
	__u64 in_flight_ns; /* requests in flight times how long, as the looks of in_flight.bpf.h saw it */
	__u64 owed_ns;	    /* the same, as the sockets show it at each poll */
	__u64 hidden_ns;    /* of the same: sockets surely owe an answer, and our hooks do not know */
	__u64 kept_ns;	    /* our hooks wait for an answer, and sockets surely owe none */
	__u64 untimed_ns;   /* how long those took that ended without a time */
	__u64 open_ns;	    /* how long those take already that are not answered, at the poll `aged` */
	__u64 aged;
	__s64 open;	    /* connections now */
	__u64 polled;	    /* number of the poll that last saw the socket listen */
	__u64 seeded;	    /* number of the seed that last found an owner */
	__u64 owner_began;  /* boot clock; as that seed found it */
	__u64 unix_name;    /* where its name lies in the kernel's memory; 0: of TCP */
	__u32 owner_tgid;
	__u32 net_ns;
	__u32 backlog;
	__u32 max_backlog;
	__u16 family;
	__u16 port;
	__u16 path_length;
	__u16 unused;
	__u8 address[16];	   /* IPv4 as ::ffff:a.b.c.d, but the wildcard is all zero for both */
	char path[PPMM_UNIX_PATH]; /* first byte 0: abstract name */
	__u32 unused2[7];	   /* to the end of a cache line */
};

/* Where a listener is found for connections that are older than we. */
struct ppmm_listen_key {
	__u8 address[16];
	__u32 net_ns;
	__u16 port;
	__u16 unused;
};

struct ppmm_peer_key {
	__u8 address[16]; /* remote */
	__u32 owner_tgid;
	__u32 net_ns;
	__u16 port; /* outbound: remote port; inbound: port of the listener */
	__u16 direction;
};

struct ppmm_peer {
	__u64 connections;
	__u64 failed;
	__u64 bytes_in;
	__u64 bytes_out;
	__u64 used_ns; /* boot clock, last change */
	__u64 counted; /* number of the count that `open` belongs to */
	__u32 open;
	__u32 srtt_us;
	__u32 callee; /* where its calls count; it may be another one's by now */
	__u32 unused;
};

#define PPMM_CALLEE_FREE (-(1LL << 40)) /* added to `connections` of what is free */

/*
 * A remote service that a process calls. The kernel side takes a free number from the stack at the first call of a
 * connection; user space empties it, and gives the number back when no connection counts there. Counts are since user
 * space last took them away.
 */
struct ppmm_callee {
	struct ppmm_peer_key key;
	__u32 unused;
	__s64 connections; /* that count here; below 0: it is free */
	__u64 answered;
	__u64 unanswered;
	__u64 pipelined; /* connections that got the label */
	__u64 streams;
};

/* What each bound cost. */
struct ppmm_socket_losses {
	__u64 listeners;   /* no free slot */
	__u64 peers;	   /* no free entry */
	__u64 connections; /* accepted from a socket we did not know */
	__u64 storage;	   /* no memory for a socket's note */
	__u64 groups;	   /* no free group of histograms */
	__u64 callees;	   /* no free callee for a call */
};
