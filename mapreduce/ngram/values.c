/* mapreduce/ngram/values.c - reads the values of options. */
#include <limits.h>
#include <string.h>

#include "command.h"
#include "units.h"

bool ngram_read_flag(const ngram_option *option, const char *text, void *into)
{
    (void)option;
    (void)text;
    *(bool *)into = true;
    return true;
}

bool ngram_read_text(const ngram_option *option, const char *text, void *into)
{
    (void)option;
    *(const char **)into = text;
    return true;
}

bool ngram_read_u64(const ngram_option *option, const char *text, void *into)
{
    uint64_t n;
    if (!ngram_parse_number(text, &n) || n < option->least || (option->most && n > option->most))
        return false;
    *(uint64_t *)into = n;
    return true;
}

bool ngram_read_int(const ngram_option *option, const char *text, void *into)
{
    uint64_t n;
    if (!ngram_read_u64(option, text, &n) || n > INT_MAX)
        return false;
    *(int *)into = (int)n;
    return true;
}

bool ngram_read_bytes(const ngram_option *option, const char *text, void *into)
{
    uint64_t n;
    if (!ngram_parse_bytes(text, &n) || n < option->least || (option->most && n > option->most))
        return false;
    *(uint64_t *)into = n;
    return true;
}

bool ngram_read_choice(const ngram_option *option, const char *text, void *into)
{
    for (int i = 0; option->words[i]; i++) {
        if (strcmp(text, option->words[i]) == 0) {
            *(int *)into = i;
            return true;
        }
    }
    return false;
}
