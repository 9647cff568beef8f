/* tests/fuzz/fuzz_fields.c - any bytes at all as the value of a field that says something of files.
 *
 * The first byte says how large the file is. Whatever the bytes:
 *   - ranges lie within the file, and are not more than it;
 *   - a date that is read can be written, and is read as the same again;
 *   - tags that are strongly equal are weakly equal, and conditions come to an answer there is;
 *   - a coding that is chosen was offered.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "loop/http/accept.h"
#include "loop/http/condition.h"
#include "loop/http/date.h"
#include "loop/http/media_type.h"
#include "loop/http/range.h"

#define NOW ((time_t)1700000000)

static void try_ranges(const char *value, uint64_t size)
{
    yk__range r[YK__RANGES];
    uint64_t sum = 0;
    int n = yk__range_parse(value, size, r);
    require(n == -416 || (n >= 0 && n <= YK__RANGES));
    for (int i = 0; i < n; i++) {
        require(r[i].first <= r[i].last && r[i].last < size);
        sum += r[i].last - r[i].first + 1;
    }
    require(n < 2 || sum <= size);
}

static void try_date(const char *value)
{
    time_t t, again;
    char text[YK__HTTP_DATE];
    if (!yk__http_date_parse(value, NOW, &t))
        return;
    yk__http_date_format(t, text);
    require(yk__http_date_parse(text, NOW, &again) && again == t);
}

static void try_conditions(const char *value)
{
    static const char *const tags[] = { "\"a\"", "W/\"a\"", "\"\"" };
    for (int i = 0; i < 3; i++) {
        require(!yk__etag_in_list(value, tags[i], false) || yk__etag_in_list(value, tags[i], true));
        for (int which = 0; which < 32; which++) {
            yk__conditions c = { which & 1 ? value : NULL,
                                 which & 2 ? value : NULL,
                                 which & 4 ? value : NULL,
                                 which & 8 ? value : NULL,
                                 value,
                                 which & 16 };
            int status = yk__conditions_check(&c, tags[i], NOW, NOW);
            require(status == 0 || status == 412 || (status == 304 && c.reads));
            yk__conditions_allow_range(&c, tags[i], NOW, NOW);
        }
    }
}

static void try_codings(const char *value)
{
    for (unsigned offered = 0; offered < 4; offered++) {
        yk__coding c = yk__coding_choose(value, offered);
        require(c == YK__IDENTITY || offered & 1u << c);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *value = strndup((const char *)data + 1, size - 1);
    uint64_t file = data[0] < 128 ? data[0] : 1ull << (data[0] % 64);
    try_ranges(value, file);
    try_date(value);
    try_conditions(value);
    try_codings(value);
    yk__media_type_compresses(yk__media_type(value));
    yk__media_type_compresses(value);
    free(value);
    return 0;
}
