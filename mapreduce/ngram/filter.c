/* mapreduce/ngram/filter.c - which n-grams count, and as what. */
#include "filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "../../executor/error.h"
#include "case_fold.h"
#include "tags.h"
#include "units.h"

/* ---- Options ------------------------------------------------------------------------------- */

/* "keep", "strip", or "only" and then, as another word, a tag. */
bool ngram_read_pos(const ngram_option *option, const char *text, void *into)
{
    ngram_pos *pos = into;
    int which;
    if (pos->mode == NGRAM_POS_ONLY && pos->tag < 0) {
        pos->tag = ngram_find_tag(text, strlen(text));
        return pos->tag >= 0;
    }
    if (!ngram_read_choice(option, text, &which))
        return false;
    *pos = (ngram_pos){ (ngram_pos_mode)(which + NGRAM_POS_KEEP), -1 };
    return true;
}

/* N, N..M, N.. or ..M. */
static bool read_length(const ngram_option *option, const char *text, void *into)
{
    (void)option;
    char low[24] = "";
    const char *dots = strstr(text, "..");
    size_t len = dots ? (size_t)(dots - text) : strlen(text);
    ngram_length length = { 0, 0 };
    if (len >= sizeof low || (len == 0 && (!dots || !dots[2])))
        return false;
    memcpy(low, text, len);
    if (len > 0 && !ngram_parse_number(low, &length.least))
        return false;
    if (!dots)
        length.most = length.least;
    else if (dots[2] && !ngram_parse_number(dots + 2, &length.most))
        return false;
    if ((!dots || dots[2]) && (length.most == 0 || length.most < length.least))
        return false;
    *(ngram_length *)into = length;
    return true;
}

static const char *const pos_words[] = { "keep", "strip", "only", NULL };

const ngram_option ngram_filter_table[] = {
    { .name = "case-fold",
      .help = "capitals and small letters are the same: The, the and THE are added up as the "
              "(Unicode's full case folding; bytes that are not UTF-8 stay as they are). Tags "
              "are not folded. --prefix and --match do not look at case then",
      .read = ngram_read_flag,
      .at = offsetof(ngram_filter_options, case_fold) },
    { .name = "pos",
      .value = "WHAT",
      .help = "what becomes of part-of-speech tags, as in run_VERB. A tagged row repeats "
              "occurrences of the untagged one. keep: every row counts for itself. strip: without "
              "tags, every occurrence once: the untagged row, or, where there is none, the sum of "
              "the rows whose words are all tagged; rows with _NOUN_ and the like are left out. "
              "only TAG: of the n-grams whose words are all tagged, those with a word of this tag "
              "(NOUN VERB ADJ ADV PRON DET ADP NUM CONJ PRT . X)",
      .read = ngram_read_pos,
      .at = offsetof(ngram_filter_options, pos),
      .words = pos_words,
      .then = "only",
      .must = "keep, strip, or only and one of the tags NOUN VERB ADJ ADV PRON DET ADP NUM CONJ "
              "PRT . X" },
    { .name = "match",
      .value = "REGEX",
      .help = "only n-grams in which this Perl regular expression (PCRE2) is found",
      .read = ngram_read_text,
      .at = offsetof(ngram_filter_options, match) },
    { .name = "prefix",
      .value = "TEXT",
      .help = "only n-grams that begin so",
      .read = ngram_read_text,
      .at = offsetof(ngram_filter_options, prefix) },
    { .name = "length",
      .value = "N..M",
      .help = "only n-grams of so many characters, blanks and tags among them; N.. and ..M leave "
              "one end open. This, --prefix and --match look at the n-gram as it is written to the "
              "result",
      .read = read_length,
      .at = offsetof(ngram_filter_options, length),
      .must = "N..M with N <= M" },
    { 0 },
};

bool ngram_filter_needed(const ngram_filter_options *o)
{
    return o->case_fold || o->pos.mode > NGRAM_POS_KEEP || o->match || o->prefix ||
           o->length.least || o->length.most;
}

/* ---- The filter ---------------------------------------------------------------------------- */

static pcre2_code *compile(const ngram_filter *f, int *error, PCRE2_SIZE *place)
{
    uint32_t how = PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
    if (f->case_fold)
        how |= PCRE2_CASELESS;
    return pcre2_compile((PCRE2_SPTR)f->text + f->prefix_len, f->match_len, how, error, place,
                         NULL);
}

static bool check_expression(const ngram_filter *f, char *why, size_t size)
{
    char said[128] = "";
    int error;
    PCRE2_SIZE place;
    if (f->match_len == 0)
        return true;
    pcre2_code *code = compile(f, &error, &place);
    pcre2_code_free(code);
    if (code)
        return true;
    pcre2_get_error_message(error, (PCRE2_UCHAR *)said, sizeof said);
    snprintf(why, size, "%s: %s, behind \"%.*s\"", f->text + f->prefix_len, said, (int)place,
             f->text + f->prefix_len);
    return false;
}

ngram_filter *ngram_filter_make(const ngram_filter_options *o, ngram_years years, char *why,
                                size_t size)
{
    const char *prefix = o->prefix ? o->prefix : "", *match = o->match ? o->match : "";
    size_t prefix_len = strlen(prefix), match_len = strlen(match);
    ngram_filter *f = calloc(1, sizeof *f + NGRAM_FOLDED(prefix_len) + match_len + 1);
    if (!f) {
        snprintf(why, size, "out of memory");
        return NULL;
    }
    f->years = years;
    f->pos = o->pos;
    f->length = o->length;
    f->case_fold = o->case_fold;
    if (f->case_fold)
        f->prefix_len = ngram_case_fold(f->text, prefix, prefix_len);
    else
        memcpy(f->text, prefix, f->prefix_len = prefix_len);
    memcpy(f->text + f->prefix_len, match, f->match_len = match_len);
    if (check_expression(f, why, size))
        return f;
    free(f);
    return NULL;
}

ngram_filter *ngram_filter_new(const ngram_filter_options *o, ngram_years years,
                               const ngram_command *command)
{
    char why[1024];
    ngram_filter *f = ngram_filter_make(o, years, why, sizeof why);
    if (!f)
        ngram_complain(command, "%s%s", o->match ? "--match " : "", why);
    return f;
}

size_t ngram_filter_size(const ngram_filter *f)
{
    return sizeof *f + f->prefix_len + f->match_len;
}

/* ---- Picking ------------------------------------------------------------------------------- */

int ngram_picker_init(ngram_picker *p, const ngram_filter *f)
{
    int error;
    PCRE2_SIZE place;
    *p = (ngram_picker){ .filter = f };
    if (f->match_len == 0)
        return 0;
    p->code = compile(f, &error, &place);
    p->data = p->code ? pcre2_match_data_create(1, NULL) : NULL;
    if (p->code)
        pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE); /* where there is none it is slower */
    return p->data ? 0 : UV_ENOMEM;
}

void ngram_picker_free(ngram_picker *p)
{
    pcre2_match_data_free(p->data);
    pcre2_code_free(p->code);
    free(p->folded);
    *p = (ngram_picker){ 0 };
}

/* Words without tags, or in one case, or both. */
static int transform(ngram_picker *p, yk_str *ngram, bool strip)
{
    if (NGRAM_FOLDED(ngram->len) > p->room) {
        free(p->folded);
        p->room = 2 * NGRAM_FOLDED(ngram->len);
        p->folded = malloc(p->room);
        if (!p->folded) {
            p->room = 0;
            return UV_ENOMEM;
        }
    }
    size_t len = ngram_rewrite(p->folded, *ngram, p->filter->case_fold, strip);
    *ngram = (yk_str){ p->folded, len };
    return 0;
}

static bool length_counts(const ngram_length *length, yk_str key)
{
    uint64_t n = 0;
    if (length->least == 0 && length->most == 0)
        return true;
    for (size_t i = 0; i < key.len; i++)
        n += ((unsigned char)key.at[i] & 0xc0) != 0x80;
    return n >= length->least && (length->most == 0 || n <= length->most);
}

/* The stack of compiled expressions is small; the interpreter takes what it needs. */
static int matches(const ngram_picker *p, yk_str key)
{
    if (!p->code)
        return 1;
    int got = pcre2_match(p->code, (PCRE2_SPTR)key.at, key.len, 0, 0, p->data, NULL);
    if (got == PCRE2_ERROR_JIT_STACKLIMIT)
        got = pcre2_match(p->code, (PCRE2_SPTR)key.at, key.len, 0, PCRE2_NO_JIT, p->data, NULL);
    if (got == PCRE2_ERROR_NOMEMORY)
        return UV_ENOMEM;
    return got >= 0 ? 1 : got == PCRE2_ERROR_NOMATCH ? 0 : YK_EFORMAT;
}

/* The prefix was folded, tags in the key were not. */
static bool begins(const ngram_filter *f, yk_str key)
{
    if (key.len < f->prefix_len)
        return false;
    return f->case_fold ? strncasecmp(key.at, f->text, f->prefix_len) == 0
                        : memcmp(key.at, f->text, f->prefix_len) == 0;
}

int ngram_pick(ngram_picker *p, yk_str ngram, ngram_picked *picked)
{
    const ngram_filter *f = p->filter;
    bool has, strip = f->pos.mode == NGRAM_POS_STRIP;
    ngram_tagging tagging = NGRAM_UNTAGGED;
    if (f->pos.mode > NGRAM_POS_KEEP)
        tagging = ngram_tagging_of(ngram, f->pos.tag, &has);
    if ((strip && tagging == NGRAM_PARTLY) ||
        (f->pos.mode == NGRAM_POS_ONLY && (tagging != NGRAM_FULLY_TAGGED || !has)))
        return 0;
    picked->tagged = strip && tagging == NGRAM_FULLY_TAGGED;
    int err = f->case_fold || picked->tagged ? transform(p, &ngram, strip) : 0;
    if (err)
        return err;
    picked->key = ngram;
    if (!begins(f, ngram) || !length_counts(&f->length, ngram))
        return 0;
    return matches(p, ngram);
}
