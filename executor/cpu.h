/* executor/cpu.h - the CPU quota of a control group, for yk_cpu_count() and its test. Not
 * installed. */
#ifndef YOKE_EXECUTOR_CPU_H
#define YOKE_EXECUTOR_CPU_H

/* The CPUs that the control group in directory `dir` allows, rounded up; 0: no limit there, or a
 * file that makes no sense. Version 2 reads cpu.max, version 1 cpu.cfs_quota_us and
 * cpu.cfs_period_us. */
int yk__quota_v2(const char *dir);
int yk__quota_v1(const char *dir);

#endif
