// SPDX-License-Identifier: GPL-2.0
/*
 * iter/task: one record for each process (thread group), with the sums over its threads.
 *
 * The iterator visits tasks in the order of their ids, so the threads of a process do not always follow each other;
 * therefore the leader's visit walks the whole list of its threads. The walk stands under RCU, as every run of a task
 * iterator does: a thread that ends meanwhile stays readable and its `next` stays valid.
 */
#include "kernel_types.h"
#include "tasks.h"

char LICENSE[] SEC("license") = "GPL";

#define MAX_THREADS 65536

struct walk {
	struct list_head *head;
	struct list_head *node;
	struct ppmm_task_record *record;
	bool at_end;
};

static long add_thread(__u32 index, struct walk *walk)
{
	struct ppmm_task_record *r = walk->record;
	struct list_head *node = walk->node;
	struct task_struct *t = (void *)node - bpf_core_field_offset(struct task_struct, thread_node);

	r->user_tick_ns += BPF_CORE_READ(t, utime);
	r->system_tick_ns += BPF_CORE_READ(t, stime);
	r->runtime_ns += BPF_CORE_READ(t, se.sum_exec_runtime);
	r->run_delay_ns += BPF_CORE_READ(t, sched_info.run_delay);
	r->minor_faults += BPF_CORE_READ(t, min_flt);
	r->major_faults += BPF_CORE_READ(t, maj_flt);
	r->read_bytes += BPF_CORE_READ(t, ioac.read_bytes);
	r->write_bytes += BPF_CORE_READ(t, ioac.write_bytes);
	node = BPF_CORE_READ(node, next);
	walk->node = node;
	walk->at_end = node == walk->head || !node;
	return walk->at_end;
}

static __always_inline void read_memory(struct ppmm_task_record *r, struct mm_struct *mm)
{
	struct mm_struct___6_1 *old = (void *)mm;
	struct file *exe;

	if (bpf_core_field_exists(old->rss_stat.count)) {
		r->rss_anon_pages = BPF_CORE_READ(old, rss_stat.count[MM_ANONPAGES].counter);
		r->rss_file_pages = BPF_CORE_READ(old, rss_stat.count[MM_FILEPAGES].counter);
		r->rss_shmem_pages = BPF_CORE_READ(old, rss_stat.count[MM_SHMEMPAGES].counter);
	} else {
		r->rss_anon_pages = mm->rss_stat[MM_ANONPAGES].count;
		r->rss_file_pages = mm->rss_stat[MM_FILEPAGES].count;
		r->rss_shmem_pages = mm->rss_stat[MM_SHMEMPAGES].count;
	}
	exe = mm->exe_file;
	if (exe) {
		r->exe_inode = exe->f_inode->i_ino;
		r->exe_device = exe->f_inode->i_sb->s_dev;
	}
}

/* The namespace a process lives in, not the one its children would get (nsproxy). */
static __always_inline __u32 pid_ns_of(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid); /* a number: Linux 6.1 does no sums with typed pointers */
	struct pid_namespace *ns = 0;
	void *number;

	if (!pid)
		return 0;
	number = (void *)pid + bpf_core_field_offset(struct pid, numbers) +
		 BPF_CORE_READ(pid, level) * bpf_core_type_size(struct upid) + bpf_core_field_offset(struct upid, ns);
	bpf_probe_read_kernel(&ns, sizeof(ns), number);
	return BPF_CORE_READ(ns, ns.inum);
}

SEC("iter/task")
int dump_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct ppmm_task_record r = {};
	struct signal_struct *signal;
	struct nsproxy *nsproxy;
	struct mm_struct *mm;

	if (!task || task->pid != task->tgid)
		return 0;

	signal = task->signal;
	r.user_tick_ns = signal->utime;
	r.system_tick_ns = signal->stime;
	r.runtime_ns = signal->sum_sched_runtime;
	r.children_ns = signal->cutime + signal->cstime;
	r.minor_faults = signal->min_flt;
	r.major_faults = signal->maj_flt;
	r.read_bytes = signal->ioac.read_bytes;
	r.write_bytes = signal->ioac.write_bytes;
	r.threads = signal->nr_threads;
	if (r.threads <= 1) {
		r.user_tick_ns += task->utime;
		r.system_tick_ns += task->stime;
		r.runtime_ns += task->se.sum_exec_runtime;
		r.run_delay_ns = task->sched_info.run_delay;
		r.minor_faults += task->min_flt;
		r.major_faults += task->maj_flt;
		r.read_bytes += task->ioac.read_bytes;
		r.write_bytes += task->ioac.write_bytes;
	} else {
		struct walk walk = {.record = &r};

		walk.head = (void *)signal + bpf_core_field_offset(struct signal_struct, thread_head);
		walk.node = BPF_CORE_READ(signal, thread_head.next);
		if (walk.node && walk.node != walk.head)
			bpf_loop(MAX_THREADS, add_thread, &walk, 0);
		if (!walk.at_end)
			r.flags |= PPMM_TASK_THREADS_CUT;
	}

	r.pid = task->tgid;
	r.ppid = task->real_parent->tgid;
	r.start_boottime_ns = task->start_boottime;
	r.uid = task->real_cred->uid.val;
	r.cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	r.pid_ns = pid_ns_of(task);
	if (task->flags & PF_KTHREAD)
		r.flags |= PPMM_TASK_KERNEL_THREAD;
	nsproxy = task->nsproxy; /* none: a zombie */
	if (nsproxy) {
		r.net_ns = nsproxy->net_ns->ns.inum;
		r.mnt_ns = nsproxy->mnt_ns->ns.inum;
	}
	mm = task->mm; /* none: a zombie or a kernel thread */
	if (mm)
		read_memory(&r, mm);
	bpf_probe_read_kernel(r.comm, sizeof(r.comm), (void *)task + bpf_core_field_offset(struct task_struct, comm));
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}
