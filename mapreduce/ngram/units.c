/* mapreduce/ngram/units.c - numbers as people write and read them. */
#include "units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool ngram_parse_number(const char *text, uint64_t *number)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (*end || errno)
        return false;
    *number = n;
    return true;
}

/* What "K", "KB", "KiB" and the like multiply with; 0: no unit. */
static double unit_factor(const char *unit)
{
    static const char letters[] = "KMGT";
    if (!unit[0])
        return 1;
    const char *letter = strchr(letters, unit[0] >= 'a' ? unit[0] - 'a' + 'A' : unit[0]);
    if (!letter || !*letter)
        return 0;
    double base = strcmp(unit + 1, "B") == 0 ? 1000 : 1024, factor = 1;
    if (unit[1] && strcmp(unit + 1, "B") != 0 && strcmp(unit + 1, "iB") != 0)
        return 0;
    for (const char *p = letters; p <= letter; p++)
        factor *= base;
    return factor;
}

bool ngram_parse_bytes(const char *text, uint64_t *bytes)
{
    char *unit;
    if (text[0] < '0' || text[0] > '9')
        return false;
    size_t digits = strspn(text, "0123456789.");
    double number = strtod(text, &unit), factor = unit_factor(unit);
    if (unit != text + digits || factor == 0 || number * factor >= 0x1p63)
        return false;
    *bytes = (uint64_t)(number * factor);
    return true;
}

const char *ngram_short_number(char to[16], double number)
{
    static const char *const units[] = { "", " k", " M", " G", " T", " P", " E" };
    size_t unit = 0;
    while (number >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        number /= 1000;
        unit++;
    }
    int decimals = unit == 0 || number >= 99.95 ? 0 : number >= 9.995 ? 1 : 2;
    snprintf(to, 16, "%.*f%s", decimals, number < 1e9 ? number : 1e9, unit ? units[unit] : " ");
    return to;
}

size_t ngram_group_digits(char to[27], uint64_t number)
{
    char plain[21];
    int n = snprintf(plain, sizeof plain, "%llu", (unsigned long long)number);
    size_t len = 0;
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            to[len++] = ',';
        to[len++] = plain[i];
    }
    to[len] = '\0';
    return len;
}
