/* SPDX-License-Identifier: GPL-2.0 */
/* What tasks.bpf.c hands to agent/task_scanner.cc: one record a process. Both sides include it; no hidden padding. */
#pragma once

#include <linux/types.h>

enum {
	PPMM_TASK_KERNEL_THREAD = 1,
	PPMM_TASK_THREADS_CUT = 2, /* more threads than we walk: sums are too small */
};

struct ppmm_task_record {
	__u64 start_boottime_ns;
	/* Sums over living and ended threads, as in /proc/PID/stat; user and system are sampled at ticks. */
	__u64 user_tick_ns;
	__u64 system_tick_ns;
	__u64 runtime_ns;   /* exact */
	__u64 children_ns;  /* of children that it waited for, and theirs */
	__u64 run_delay_ns; /* living threads only: the kernel keeps no sum of the ended */
	__u64 minor_faults;
	__u64 major_faults;
	__u64 read_bytes;
	__u64 write_bytes;
	__s64 rss_anon_pages;
	__s64 rss_file_pages;
	__s64 rss_shmem_pages;
	__u64 cgroup_id;
	__u64 exe_inode;
	__u32 exe_device; /* as in the kernel: 12 bits major, 20 bits minor */
	__u32 pid;
	__u32 ppid;
	__u32 threads;
	__u32 uid;
	__u32 net_ns;
	__u32 pid_ns;
	__u32 mnt_ns;
	__u32 flags;
	__u32 unused;
	char comm[16];
};
