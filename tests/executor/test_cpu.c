/* How many CPUs a control group grants. */
#include "support/support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "executor/cpu.h"
#include "executor/executor.h"

static char dir[256];

static void put(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    unlink(path);
    if (!text)
        return;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static int make_dir(void **state)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/yoke-test-XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(dir) ? support_before(state) : -1;
}

static int remove_dir(void **state)
{
    put("cpu.max", NULL);
    put("cpu.cfs_quota_us", NULL);
    put("cpu.cfs_period_us", NULL);
    rmdir(dir);
    return support_after(state);
}

static void test_E13_version_2(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int cpus;
    } cases[] = {
        { NULL, 0 },
        { "max 100000\n", 0 },
        { "100000 100000\n", 1 },
        { "150000 100000\n", 2 }, /* rounded up */
        { "200000 100000\n", 2 },
        { "1 100000\n", 1 },
        { "50000 100000", 1 }, /* without the end of the line */
        { "800000 100000\n", 8 },
        { "", 0 },
        { "\n", 0 },
        { "max\n", 0 },
        { "100000\n", 0 },
        { "100000 \n", 0 },
        { " 100000\n", 0 },
        { "100000 0\n", 0 },
        { "0 100000\n", 0 },
        { "-1 100000\n", 0 },
        { "100000 -5\n", 0 },
        { "+100000 100000\n", 0 },
        { "abc def\n", 0 },
        { "12abc 100000\n", 0 },
        { "100000 100000x\n", 0 },
        { "0x10 0x10\n", 0 },
        { "1e9 100000\n", 0 },
        { "99999999999999999999999999 100000\n", 0 },
        { "9223372036854775807 1\n", 0 },
        { "9223372036854775807 9223372036854775807\n", 1 },
        { "100000 100000 100000\n", 0 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        put("cpu.max", cases[i].text);
        int cpus = yk__quota_v2(dir);
        if (cpus != cases[i].cpus)
            fail_msg("'%s' means %d, not %d", cases[i].text ? cases[i].text : "(none)",
                     cases[i].cpus, cpus);
    }
}

static void test_E13_version_1(void **state)
{
    (void)state;
    static const struct {
        const char *quota, *period;
        int cpus;
    } cases[] = {
        { NULL, NULL, 0 },
        { "-1\n", "100000\n", 0 }, /* no limit */
        { "100000\n", "100000\n", 1 },
        { "250000\n", "100000\n", 3 },
        { "100000\n", NULL, 0 },
        { NULL, "100000\n", 0 },
        { "100000\n", "0\n", 0 },
        { "0\n", "100000\n", 0 },
        { "x\n", "100000\n", 0 },
        { "100000\n", "y\n", 0 },
        { "", "", 0 },
        { "99999999999999999999999999\n", "100000\n", 0 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        put("cpu.cfs_quota_us", cases[i].quota);
        put("cpu.cfs_period_us", cases[i].period);
        assert_int_equal(yk__quota_v1(dir), cases[i].cpus);
    }
}

static void test_E13_a_directory_that_is_none(void **state)
{
    (void)state;
    assert_int_equal(yk__quota_v2("/nowhere/at/all"), 0);
    assert_int_equal(yk__quota_v1("/nowhere/at/all"), 0);
    char *longer = malloc(10000);
    memset(longer, 'd', 9999);
    longer[9999] = '\0';
    assert_int_equal(yk__quota_v2(longer), 0);
    assert_int_equal(yk__quota_v1(longer), 0);
    free(longer);
    assert_in_range(yk_cpu_count(), 1, 65536);
}

#define IN_DIR(fn)                                             \
    {                                                          \
#fn, fn, make_dir, remove_dir, (void *)(uintptr_t) #fn \
    }

int main(void)
{
    static const struct CMUnitTest tests[] = {
        IN_DIR(test_E13_version_2),
        IN_DIR(test_E13_version_1),
        IN_DIR(test_E13_a_directory_that_is_none),
    };
    return RUN_TESTS("cpu", tests);
}
