/* tests/mapreduce/helper.h - a folder for a test's files, and the watchdog. */
#ifndef TEST_MAPREDUCE_HELPER_H
#define TEST_MAPREDUCE_HELPER_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[256];

static inline int make_folder(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/yoke-mr-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    alarm(120);
    return mkdtemp(folder) ? 0 : -1;
}

/* Entries of the folder, "." and ".." left out. */
static inline int count_entries(void)
{
    int n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 2;
}

static inline int remove_folder(void **state)
{
    (void)state;
    DIR *dir = opendir(folder);
    char path[600];
    for (struct dirent *e; dir && (e = readdir(dir));) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        unlink(path);
    }
    if (dir)
        closedir(dir);
    return rmdir(folder);
}

/* The path of a name in the folder; good until the program ends. */
static inline const char *in_folder(const char *name)
{
    static char paths[32][300];
    char path[300];
    snprintf(path, sizeof path, "%.200s/%.64s", folder, name);
    for (int i = 0; i < 32; i++) {
        if (!paths[i][0])
            memcpy(paths[i], path, sizeof path);
        if (strcmp(paths[i], path) == 0)
            return paths[i];
    }
    fail_msg("too many names");
    return NULL;
}

static inline const char *write_file(const char *name, const char *text, size_t len)
{
    const char *path = in_folder(name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    return path;
}

/* The text of a file, with a NUL behind it, to be freed; NULL if there is no such file. */
static inline char *read_file(const char *path)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return NULL;
    size_t cap = 1 << 16, len = 0;
    char *text = malloc(cap);
    for (size_t n; (n = fread(text + len, 1, cap - len - 1, f)) > 0;) {
        len += n;
        if (cap - len < 2)
            text = realloc(text, cap *= 2);
    }
    text[len] = '\0';
    fclose(f);
    return text;
}

static inline void assert_file(const char *path, const char *expected)
{
    char *text = read_file(path);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

#endif
