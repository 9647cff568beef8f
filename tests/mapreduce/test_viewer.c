/* Tests of what ngram serve is made of, without a server. */
#include <uv.h>

#include "executor/error.h"
#include "mapreduce/helper.h"
#include "mapreduce/ngram/serve/assets.h"
#include "mapreduce/ngram/serve/question.h"
#include "mapreduce/ngram/serve/routes.h"
#include "mapreduce/ngram/serve/search.h"

/* Parameters: names and values in turn. */
static int get(void *from, const char *name, char *out, size_t size)
{
    for (const char *const *p = from; *p; p += 2) {
        if (strcmp(p[0], name) != 0)
            continue;
        if (strlen(p[1]) >= size)
            return YK_ETOOBIG;
        strcpy(out, p[1]);
        return 0;
    }
    return UV_ENOENT;
}

#define FIELDS(...)                          \
    (serve_fields)                           \
    {                                        \
        .get = get, .from = (const char *[]) \
        {                                    \
            __VA_ARGS__, NULL                \
        }                                    \
    }

/* ---- Questions ------------------------------------------------------------------------------- */

static void test_questions_that_are_too_long(void **state)
{
    (void)state;
    char words[SERVE_LONGEST_WORDS + 2];
    memset(words, 'a', sizeof words);
    words[sizeof words - 1] = '\0';
    serve_fields f = FIELDS("words", words);
    assert_null(serve_question_read(&f));
    assert_string_equal(f.why, "words: too long; 4000 bytes are the most");
    for (size_t i = 1; i < sizeof words; i += 2)
        words[i] = ',';
    words[2 * SERVE_MOST_WORDS + 1] = '\0';
    f = FIELDS("words", words);
    assert_null(serve_question_read(&f));
    assert_string_equal(f.why, "words: 51 n-grams; 50 are the most");
    words[2 * SERVE_MOST_WORDS - 1] = '\0';
    f = FIELDS("words", words);
    serve_question *q = serve_question_read(&f);
    assert_non_null(q);
    assert_int_equal(q->count, SERVE_MOST_WORDS);
    free(q);
}

/* What is told is the first that is wrong. */
static void test_several_mistakes(void **state)
{
    (void)state;
    serve_fields f = FIELDS("words", "", "from", "a", "to", "b");
    assert_null(serve_question_read(&f));
    assert_string_equal(f.why, "from: must be a whole number from 1 to 9999, not \"a\"");
}

static void check_words(const char *text, const char *const *expected)
{
    serve_fields f = FIELDS("words", text);
    serve_question *q = serve_question_read(&f);
    assert_non_null(q);
    const char **words = serve_question_words(q);
    size_t n = 0;
    for (; expected[n]; n++) {
        assert_non_null(words[n]);
        assert_string_equal(words[n], expected[n]);
    }
    assert_null(words[n]);
    assert_int_equal(q->count, n);
    free(words);
    free(q);
}

static void test_words(void **state)
{
    (void)state;
    check_words("a", (const char *[]){ "a", NULL });
    check_words(" a  b ,,\tc\r\n,", (const char *[]){ "a b", "c", NULL });
    check_words("\\,", (const char *[]){ ",", NULL });
    check_words("a\\, b,\\*", (const char *[]){ "a, b", "\\*", NULL });
    check_words("a\\", (const char *[]){ "a\\", NULL });
}

static bool is_heavy(const char *words, const char *case_fold)
{
    serve_fields f = FIELDS("words", words, "case_fold", case_fold);
    serve_question *q = serve_question_read(&f);
    assert_non_null(q);
    bool heavy = serve_question_is_heavy(q);
    free(q);
    return heavy;
}

static void test_what_is_heavy(void **state)
{
    (void)state;
    assert_true(is_heavy("a, * of Japan", "0"));
    assert_true(is_heavy("*_VERB", "0"));
    assert_false(is_heavy("a, run_*", "1"));
    assert_false(is_heavy("\\*", "0"));
}

/* ---- The document of the API ----------------------------------------------------------------- */

/* Every route is described, and nothing else is. */
static void test_the_document_names_the_routes(void **state)
{
    (void)state;
    const serve_asset *asset = serve_find_asset("/api/openapi.json");
    assert_non_null(asset);
    char *text = strndup((const char *)asset->bytes, asset->size), line[100];
    int described = 0, routes = 1; /* the document itself is an asset */
    for (const char *at = text; (at = strstr(at, "\n    \"/")); at++)
        described++;
    assert_non_null(strstr(text, "\n    \"/api/openapi.json\": {\n      \"get\": {"));
    for (const yk_http_route *r = serve_routes; r->pattern; r++, routes++) {
        assert_string_equal(r->method, "GET");
        snprintf(line, sizeof line, "\n    \"%s\": {\n      \"get\": {", r->pattern);
        if (!strstr(text, line))
            fail_msg("%s is not described", r->pattern);
    }
    assert_int_equal(described, routes);
    free(text);
}

static void test_a_search_that_makes_no_sense(void **state)
{
    (void)state;
    serve_search search;
    serve_fields f = FIELDS("match", "(", "case_fold", "1");
    assert_false(serve_search_read(&search, &f));
    assert_non_null(strstr(f.why, "missing closing parenthesis"));
    f = FIELDS("match", "a", "from", "1900", "to", "1899");
    assert_false(serve_search_read(&search, &f));
    assert_string_equal(f.why, "from: 1900 is after 1899, the last year");
}

int main(void)
{
    alarm(120);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_questions_that_are_too_long),
        cmocka_unit_test(test_several_mistakes),
        cmocka_unit_test(test_a_search_that_makes_no_sense),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_what_is_heavy),
        cmocka_unit_test(test_the_document_names_the_routes),
    };
    return cmocka_run_group_tests_name("viewer", tests, NULL, NULL);
}
