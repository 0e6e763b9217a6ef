/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel types our programs read, with only the fields they read. Offsets are relocated at load time against the
 * BTF of the running kernel (CO-RE), so order, size and anonymous nesting here mean nothing, names everything.
 * A remark says where a field differs between the kernels 6.1 and 6.18. Types with a suffix ___x are what the name
 * before it looked like on other kernels; which one exists is asked with bpf_core_field_exists().
 */
#pragma once

#include <linux/types.h>
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* Names as in user space headers that do not belong into a BPF program. */
enum { AF_UNIX = 1, AF_INET = 2, AF_INET6 = 10 };
enum { SOCK_STREAM = 1, SOCK_SEQPACKET = 5 };
enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_SYN_RECV = 3, TCP_CLOSE = 7, TCP_LISTEN = 10 };
enum { PF_KTHREAD = 0x00200000 };

/* Index of mm_struct.rss_stat; the same since 4.5. */
enum { MM_FILEPAGES = 0, MM_ANONPAGES = 1, MM_SHMEMPAGES = 3 };

enum { RCV_SHUTDOWN = 1 };
enum { MSG_PEEK = 2 };

/* Only the number of SOCK_DONE is asked for, by bpf_core_enum_value(). */
enum sock_flags { SOCK_DONE = 1 };

struct list_head {
	struct list_head *next;
};

struct ns_common {
	unsigned int inum;
};

/* --- tasks --- */

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1]; /* [1] until 6.4, [] after; indexed by hand */
};

struct mnt_namespace {
	struct ns_common ns;
};

struct net {
	struct ns_common ns;
};

struct nsproxy {
	struct mnt_namespace *mnt_ns;
	struct net *net_ns;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

typedef struct {
	unsigned int val;
} kuid_t;

struct cred {
	kuid_t uid;
};

struct super_block {
	__u32 s_dev;
};

struct inode {
	unsigned long i_ino;
	struct super_block *i_sb;
};

struct file {
	struct inode *f_inode;
};

struct percpu_counter {
	__s64 count;
};

struct mm_struct {
	struct file *exe_file;
	struct percpu_counter rss_stat[4]; /* since 6.2 */
};

/* Until 6.1: struct mm_rss_stat { atomic_long_t count[]; }. */
struct atomic_long___6_1 {
	long counter;
};

struct mm_rss_stat___6_1 {
	struct atomic_long___6_1 count[4];
};

struct mm_struct___6_1 {
	struct mm_rss_stat___6_1 rss_stat;
};

struct task_io_accounting {
	__u64 read_bytes;
	__u64 write_bytes;
};

struct sched_info {
	unsigned long long run_delay;
};

struct sched_entity {
	__u64 sum_exec_runtime;
};

struct signal_struct {
	int nr_threads;
	struct list_head thread_head;
	__u64 utime; /* of threads that ended, as all the sums below */
	__u64 stime;
	__u64 cutime; /* of children that ended and were waited for */
	__u64 cstime;
	unsigned long min_flt;
	unsigned long maj_flt;
	struct task_io_accounting ioac;
	unsigned long long sum_sched_runtime;
};

struct task_struct {
	unsigned int flags;
	int pid;
	int tgid;
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	struct list_head thread_node;
	struct pid *thread_pid;
	__u64 utime;
	__u64 stime;
	__u64 start_boottime;
	unsigned long min_flt;
	unsigned long maj_flt;
	const struct cred *real_cred;
	char comm[16];
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct mm_struct *mm;
	struct css_set *cgroups;
	struct sched_entity se;
	struct sched_info sched_info;
	struct task_io_accounting ioac;
};

/* --- sockets --- */

struct in6_addr {
	__u8 u6_addr8[16];
};

typedef struct {
	struct net *net;
} possible_net_t;

/* Fields of anonymous unions stand here without them. */
struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num; /* local port, order of the host */
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	unsigned long skc_flags;
};

struct sk_buff {
	unsigned int len;
	unsigned int data_len; /* of these, what is not at `data` */
	unsigned char *data;
};

struct sk_buff_head {
	struct sk_buff *prev;
	__u32 qlen;
};

struct sock {
	struct sock_common __sk_common;
	struct sk_buff_head sk_receive_queue;
	__u16 sk_type;
	__u16 sk_protocol;
	__u32 sk_ack_backlog;
	__u32 sk_max_ack_backlog;
	__u8 sk_shutdown;
};

struct inet_connection_sock {
	struct {
		__u8 pending;	/* 1: an acknowledgement is owed */
		__u8 pingpong;	/* 0: no data went out since an acknowledgement was late */
		__u32 lrcvtime; /* tick of the last data received */
	} icsk_ack;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 lsndtime; /* tick of the last data sent */
	__u64 bytes_received;
	__u64 bytes_sent;
	__u64 bytes_retrans;
	__u32 srtt_us; /* eight times the smoothed round trip */
	__u32 total_retrans;
	__u32 rcv_nxt;	  /* next byte of the sequence that is expected */
	__u32 copied_seq; /* next byte that the application will read */
	__u32 write_seq;  /* behind the last byte that the application wrote */
	__u32 snd_una;	  /* first byte that the other side has not acknowledged */
};

struct iovec {
	void *iov_base;
	__u64 iov_len;
};

/* Only the numbers of these are asked for, by bpf_core_enum_value(). */
enum iter_type { ITER_UBUF, ITER_IOVEC };

struct iov_iter {
	__u8 iter_type;
	__u64 iov_offset;
	__u64 count;
	const struct iovec *__iov; /* since 6.4 */
	struct iovec __ubuf_iovec; /* since 6.4 */
	void *ubuf;
	unsigned long nr_segs;
};

struct iov_iter___6_3 {
	const struct iovec *iov;
};

struct msghdr {
	struct iov_iter msg_iter;
};

struct sockaddr_un {
	char sun_path[108];
};

struct unix_address {
	int len;		    /* with the two bytes of the family */
	struct sockaddr_un name[1]; /* a flexible array */
};

struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
};

struct socket {
	struct sock *sk;
};

#pragma clang attribute pop

/* Contexts of iterators: fixed layout, part of the user space interface. */
struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd __attribute__((aligned(8)));
	struct file *file;
};

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	struct sock *sk;
	void *value;
};
